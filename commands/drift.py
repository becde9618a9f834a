"""Drift: what is drifted, what is being done about it, and doing more."""

from __future__ import annotations

from commands.spec import Call, command
from fleet.errors import Refused
from fleet.message import Button, Message
from fleet.roles import Role
from storage import audit, devices, drift, operations, schedule

_LISTED = 30
_HISTORY = 5


@command("drift list", role=Role.VIEWER, example="drift list")
async def list_open(call: Call) -> Message:
    """Devices with an open drift case, the oldest case first."""
    async with call.db.read() as session:
        rows, total = await drift.open_cases(session, _LISTED)
    return Message(
        template="drift/list",
        data={
            "now": call.now,
            "total": total,
            "rows": [
                [
                    row.device_id,
                    row.site,
                    row.state.value,
                    row.reported_config_version or "never heard",
                    row.target_version,
                    row.detected_at,
                    row.last_seen_at,
                ]
                for row in rows
            ],
        },
    )


@command("drift show", role=Role.VIEWER, example="drift show dev-1")
async def show(call: Call, device: str) -> Message:
    """The drift case of one device: since when, what was tried, what comes next."""
    async with call.db.read() as session:
        row = await devices.get(session, device)
        cases = await drift.history(session, device, _HISTORY)
        tried = await operations.of_device(session, device, _HISTORY)
    newest = cases[0] if cases else None
    is_open = newest is not None and newest.resolved_at is None
    buttons = [Button(text="Show device", run=f"device show {device}")]
    if is_open:
        buttons.insert(0, Button(text="Retry push", run=f"drift retry {device}"))
    return Message(
        template="drift/show",
        data={
            "now": call.now,
            "device_id": device,
            "drifted": row.target_config_version not in (None, row.reported_config_version),
            "target": row.target_config_version,
            "reported": row.reported_config_version,
            "last_seen_at": row.last_seen_at,
            "case": newest.model_dump(mode="json") if newest else None,
            "is_open": is_open,
            "retries": call.settings.drift.retries,
            "operations": [
                [each.version, each.state.value, each.attempt, each.sent_at, each.settled_at, each.error]
                for each in tried
            ],
            "earlier": [
                [case.detected_at, case.resolved_at, case.resolution.value if case.resolution else ""]
                for case in cases[1:]
            ],
        },
        buttons=tuple(buttons),
    )


@command("drift sweep", role=Role.OPERATOR, example="drift sweep")
async def sweep(call: Call) -> Message:
    """Look for drifted devices now, without waiting for the hour."""
    async with call.db.begin() as session:
        await schedule.bring_forward(session, schedule.SWEEP, call.now)
        glance = await devices.glance(session, call.now, call.settings.drift.online_within)
        await audit.add(session, call.now, call.person.id, "drift.sweep", "fleet")
    return Message(
        template="drift/sweep",
        data={"drifted": glance.drifted, "cases": sum(glance.cases.values())},
        buttons=(Button(text="Drifted devices", run="drift list"),),
    )


@command("drift retry", role=Role.OPERATOR, example="drift retry dev-1")
async def retry(call: Call, device: str) -> Message:
    """Push the target configuration to a drifted device again, now, with all its retries."""
    async with call.db.begin() as session:
        row = await devices.get(session, device)
        case = await drift.open_case(session, device)
        if case is None:
            raise Refused(_no_case(device, row.target_config_version, row.reported_config_version))
        [anew] = await drift.rounds_for(session, [case], call.now, call.settings.drift.online_within)
        await drift.begin_rounds(session, [anew], call.now, call.person.id)
        await audit.add(session, call.now, call.person.id, "drift.retry", device)
    return Message(
        template="drift/retry",
        data={
            "device_id": device,
            "version": anew["target_version"],
            "waiting": anew["state"] == "waiting",
            "last_seen_at": row.last_seen_at,
        },
    )


def _no_case(device: str, target: str | None, reported: str) -> str:
    if target is None:
        return f"{device} has no target configuration. Give it one with /fleet config assign <version> {device}."
    if target == reported:
        return f"{device} runs its target {target}. There is nothing to push."
    return f"{device} is drifted, but the sweep has not taken it up yet. Run /fleet drift sweep."
