"""One device."""

from __future__ import annotations

from commands.spec import Call, command
from fleet.drift import is_online
from fleet.message import Button, Message
from fleet.roles import Role
from storage import devices, drift, operations

_HISTORY = 5


@command("device show", role=Role.VIEWER, example="device show dev-1")
async def show(call: Call, device: str) -> Message:
    """All that is known about one device: what it should be, what it says, and what is being done."""
    async with call.db.read() as session:
        row = await devices.get(session, device)
        tags, groups = await devices.labels(session, device)
        case = await drift.open_case(session, device)
        recent = await operations.of_device(session, device, _HISTORY)
    buttons = (Button(text="Drift case", run=f"drift show {device}"),) if case else ()
    return Message(
        template="device/show",
        data={
            "now": call.now,
            "device_id": row.device_id,
            "status": row.status.value,
            "site": row.site,
            "reported_site": row.reported_site,
            "model": row.model,
            "firmware": row.firmware_version,
            "target": row.target_config_version,
            "reported": row.reported_config_version,
            "drifted": row.target_config_version not in (None, row.reported_config_version),
            "online": is_online(row.last_seen_at, call.now, call.settings.drift.online_within),
            "last_seen_at": row.last_seen_at,
            "clock_skew_s": row.clock_skew_s,
            "telemetry_at": row.telemetry_at,
            "telemetry_count": row.telemetry_count,
            "telemetry_last": row.telemetry_last,
            "registered_at": row.registered_at,
            "tags": sorted(tags.items()),
            "groups": groups,
            "case": case.state.value if case else None,
            "operations": [
                [each.kind.value, each.version, each.state.value, each.attempt, each.created_at, each.error]
                for each in recent
            ],
        },
        buttons=buttons,
    )
