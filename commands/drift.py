"""Drift: what is drifted, what is being done about it, and doing more."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.alert import until_when
from commands.paging import meant, shown, turning
from commands.spec import Call, command
from fleet.alert import AlertKind, AlertState
from fleet.drift import is_drifted
from fleet.errors import Refused
from fleet.lifecycle import UNWATCHED
from fleet.message import Button, Message
from fleet.mismatch import Mismatch, mismatch
from fleet.operation import OperationKind
from fleet.roles import Role
from fleet.selector import Selector
from storage import (
    alert_devices,
    alert_snooze,
    alerts,
    audit,
    configs,
    devices,
    drift,
    drift_escalation,
    drift_rounds,
    fences,
    glance,
    operations,
    pages,
    schedule,
)
from storage.tables import Device, DriftCase

_LISTED = 30
_HISTORY = 5


@command("drift list", role=Role.VIEWER, example="drift list site:oslo")
async def list_open(
    call: Call,
    which: Selector | None = None,
    *,
    after: Annotated[str, "the page behind this case: what *Next page* says"] = "",
    before: Annotated[str, "the page before this case: what *Previous page* says"] = "",
) -> Message:
    """Devices with an open drift case, the oldest case first; with a selector, only such devices."""
    async with call.db.read() as session:
        listing = drift.open_cases(await meant(call, session, which))
        page = await pages.turn(session, listing, _LISTED, pages.Place(after, before))
        known = await configs.known(session, {row.reported_config_version for row in page.rows})
    return Message(
        template="drift/list",
        data={
            "now": call.now,
            **shown(page, which),
            "rows": [
                [
                    row.device_id,
                    row.site,
                    _state(row, call),
                    _reports(row.target_version, row.reported_config_version, row.reported_config_version in known),
                    row.target_version,
                    row.detected_at,
                    row.last_seen_at,
                ]
                for row in page.rows
            ],
        },
        buttons=turning("drift list", which, page, "id"),
    )


@command("drift show", role=Role.VIEWER, example="drift show dev-1")
async def show(call: Call, device: str) -> Message:
    """The drift case of one device: since when, what was tried, what comes next."""
    async with call.db.read() as session:
        row = await devices.get(session, device)
        cases = await drift.history(session, device, _HISTORY)
        known = await configs.known(session, {row.reported_config_version})
        alert = await alert_devices.alert_of(session, AlertKind.FLAPPING, device)
        tried = await operations.of_device(session, device, _HISTORY, OperationKind.CONFIG)
    newest = cases[0] if cases else None
    is_open = newest is not None and newest.resolved_at is None
    buttons = [Button(text="Show device", run=f"device show {device}")]
    if is_open:
        buttons.insert(0, Button(text="Retry push", run=f"drift retry {device}"))
        buttons.append(Button(text="What differs", run=f"config diff {device}"))
    return Message(
        template="drift/show",
        data={
            "now": call.now,
            "device_id": device,
            "status": row.status.value,
            "watched": row.status not in UNWATCHED,
            "drifted": is_drifted(row.status, row.target_config_version, row.reported_config_version),
            "target": row.target_config_version,
            "reported": row.reported_config_version,
            "how": mismatch(row.target_config_version, row.reported_config_version, bool(known)).value,
            "snoozed": bool(newest and newest.snoozed_until and newest.snoozed_until > call.now),
            "flapping": alert.id if alert else None,
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
        drifted = await glance.drifted_devices(session)
        cases = await glance.open_cases(session)
        await audit.add(session, call.now, call.person.id, "drift.sweep", "fleet")
        stopped = await fences.told(session, call.now)
    return Message(
        template="drift/sweep",
        data={"drifted": drifted, "cases": sum(cases.values()), **stopped},
        buttons=(Button(text="Drifted devices", run="drift list"),),
    )


@command("drift retry", role=Role.OPERATOR, example="drift retry dev-1")
async def retry(call: Call, device: str) -> Message:
    """Push the target configuration to a drifted device again, now, with all its retries."""
    async with call.db.begin() as session:
        row = await devices.get(session, device)
        case = await _open_case(session, row, "push")
        [anew] = await drift_rounds.for_cases(session, [case], call.now, call.settings.drift)
        await drift_rounds.begin(session, [anew], call.now, call.person.id)
        await audit.add(session, call.now, call.person.id, "drift.retry", device)
        stopped = await fences.told(session, call.now)
    return Message(
        template="drift/retry",
        data={
            "device_id": device,
            "version": anew["target_version"],
            "waiting": anew["state"] == "waiting",
            "last_seen_at": row.last_seen_at,
            **stopped,
        },
    )


_LISTED_AS = {
    Mismatch.NEVER: "never heard",
    Mismatch.UNKNOWN: "{} (nobody knows it)",
    Mismatch.AHEAD: "{} (ahead)",
}


def _reports(target: str, reported: str, known: bool) -> str:
    return _LISTED_AS.get(mismatch(target, reported, known), "{}").format(reported)


def _state(row: Any, call: Call) -> str:
    snoozed = row.snoozed_until is not None and row.snoozed_until > call.now
    return f"{row.state.value}, snoozed" if snoozed else str(row.state.value)


@command("drift snooze", role=Role.OPERATOR, example='drift snooze dev-1 2h --why "site visit"')
async def snooze(
    call: Call, device: str, how_long: timedelta, *, why: Annotated[str, "the reason, for the audit"] = ""
) -> Message:
    """Escalate a device's drift not before a while has passed; pushes go on. 0 ends it.

    An alert about this device alone that is open already is snoozed with it.
    """
    until = until_when(how_long, call.now, call.settings)
    async with call.db.begin() as session:
        case = await _open_case(session, await devices.get(session, device), "snooze")
        if until is None and not case.snoozed_until:
            raise Refused(f"The drift of {device} is not snoozed. Nothing was changed.")
        await drift_escalation.snooze(session, case.id, until, call.person.id, why)
        alert = await alert_devices.alert_of(session, AlertKind.DRIFT, device)
        if alert and alert.device_id and until:
            await alert_snooze.snooze(session, alert.id, until, call.person.id, call.now)
        elif alert and alert.device_id and alert.state is AlertState.SNOOZED:
            await alert_snooze.end(session, alert.id, call.now)
        told = {"until": until.isoformat() if until else None, "why": why}
        await audit.add(session, call.now, call.person.id, "drift.snoozed", device, told)
    group = None if alert is None or alert.device_id else alert
    return Message(
        template="drift/snoozed",
        data={
            "device_id": device,
            "until": until,
            "why": why,
            "group": group.id[-6:] if group else None,
            "about": alerts.about(group) if group else None,
        },
        buttons=(
            Button(text="Drift case", run=f"drift show {device}"),
            *((Button(text="End snooze", run=f"drift snooze {device} 0"),) if until else ()),
        ),
    )


async def _open_case(session: AsyncSession, device: Device, verb: str) -> DriftCase:
    """Raises Refused if there is none to `verb`, and says what there is instead."""
    if case := await drift.open_case(session, device.device_id):
        return case
    name, target = device.device_id, device.target_config_version
    if device.status in UNWATCHED:
        raise Refused(f"{name} is {device.status}, so its drift is not watched. See /fleet device show {name}")
    if target is None:
        raise Refused(f"{name} has no target configuration. Give it one with /fleet config assign <version> {name}.")
    if target == device.reported_config_version:
        raise Refused(f"{name} runs its target {target}. There is nothing to {verb}.")
    raise Refused(f"{name} is drifted, but the sweep has not taken it up yet. Run /fleet drift sweep.")
