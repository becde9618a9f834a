"""One device."""

from __future__ import annotations

import difflib
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands import approve
from commands.spec import Call, command
from fleet import certificate
from fleet.drift import is_drifted, is_online
from fleet.errors import BadInput, Refused
from fleet.lifecycle import FLAGGED, DeviceStatus
from fleet.message import Button, Message
from fleet.plan import plan_for
from fleet.roles import Role
from storage import (
    alert_devices,
    approvals,
    certificates,
    dashboards,
    decommissions,
    devices,
    drift,
    firmware,
    lifecycle,
    maintenance,
    operations,
)
from storage.db import AnyRow
from storage.tables import Device

_HISTORY = 5
_ALERTS = 5
_LONGEST_SITE = 128


@command("device show", role=Role.VIEWER, example="device show dev-1")
async def show(call: Call, device: str) -> Message:
    """All that is known about one device: what it should be, what it says, and what is being done."""
    async with call.db.read() as session:
        row = await devices.get(session, device)
        tags, groups = await devices.labels(session, device)
        case = await drift.open_case(session, device)
        recent = await operations.of_device(session, device, _HISTORY)
        standing_in = await alert_devices.alerts_of(session, device, _ALERTS)
        updating = await firmware.state(session, device)
        standing = await _standing(session, row)
        revoked = await certificates.all_revoked(session, device)
        shown_on = await dashboards.of_device(session, device, call.now, call.settings.drift.online_within)
    buttons = [Button(text="Drift case", run=f"drift show {device}")] if case else []
    buttons += [Button(text="Show alert", run=f"alert show {each.id}") for each in standing_in[:1]]
    return Message(
        template="device/show",
        data={
            "now": call.now,
            "device_id": row.device_id,
            "status": row.status.value,
            **standing,
            "site": row.site,
            "reported_site": row.reported_site,
            "model": row.model,
            "firmware": row.firmware_version,
            "updating": [updating.version, updating.step, updating.progress] if updating else None,
            "target": row.target_config_version,
            "reported": row.reported_config_version,
            "drifted": is_drifted(row.status, row.target_config_version, row.reported_config_version),
            "online": row.status is not DeviceStatus.DECOMMISSIONED
            and is_online(row.last_seen_at, call.now, call.settings.drift.online_within),
            "last_seen_at": row.last_seen_at,
            "clock_skew_s": row.clock_skew_s,
            "site_streak": row.site_streak,
            "certificate_revoked": revoked,
            "certificate_serial": row.certificate_serial,
            "certificate_not_after": row.certificate_not_after,
            "certificate_ends_soon": _ends_soon(row.certificate_not_after, call),
            "telemetry_at": row.telemetry_at,
            "telemetry_count": row.telemetry_count,
            "telemetry_last": row.telemetry_last,
            "registered_at": row.registered_at,
            "tags": sorted(tags.items()),
            "groups": groups,
            "dashboards": shown_on,
            "taken": "",
            "alerts": [_alert(each) for each in standing_in],
            "case": case.state.value if case else None,
            "operations": [
                [each.kind.value, each.version, each.state.value, each.attempt, each.created_at, each.error]
                for each in recent
            ],
        },
        buttons=tuple(buttons),
    )


def _alert(row: AnyRow) -> list[object]:
    return [row.id[-6:], row.kind.value.replace("_", " "), row.state.value, row.opened_at, row.acknowledged_by]


async def _standing(session: AsyncSession, row: Device) -> dict[str, Any]:
    """How the device came into its state, and what will become of it."""
    moves = await lifecycle.history(session, row.device_id, 1)
    window = (await maintenance.open_of(session, [row.device_id])).get(row.device_id)
    leaving = await decommissions.waiting(session, row.device_id)
    planned = {"state": window.state.value, "starts_at": window.starts_at, "ends_at": window.ends_at} if window else {}
    return {
        "since": row.status_since or row.registered_at,
        "flagged": row.status in FLAGGED,
        "moved_by": moves[0].by if moves else "muster import",
        "moved_why": moves[0].why if moves else "",
        "window": {**planned, "zone": window.zone, "why": window.why} if window else None,
        "leaving": {"since": leaving.requested_at, "by": leaving.requested_by, "why": leaving.why} if leaving else None,
        "retain_until": row.retain_until,
    }


def _ends_soon(not_after: datetime | None, call: Call) -> bool:
    days = call.settings.certificates.alert_days
    return not_after is not None and certificate.standing(not_after, call.now, days) is not None


@command("device move", role=Role.OPERATOR, example="device move dev-1 bergen")
async def move(call: Call, device: str, site: str) -> Message:
    """Let a device belong to another site from now on. An alert about where it stands is resolved."""
    if not site or len(site) > _LONGEST_SITE:
        raise BadInput(f"The name of a site has 1 to {_LONGEST_SITE} characters; this one has {len(site)}.")
    async with call.db.begin() as session:
        before = (await devices.get(session, device)).site
        if before == site:
            raise Refused(f"{device} belongs to {site} already. Nothing was changed.")
        plan = plan_for("device.move", f"Move {device} to {site}", {"site": site}, [device], [before, site])
        approval = await approvals.ask(session, plan, call.person.id, call.now, call.settings)
        known = await devices.at_site(session, site)
        near = [] if known else difflib.get_close_matches(site, await devices.sites(session), n=3)
    asked = approve.asked(approval, call.settings)
    return asked if known else asked.model_copy(update={"data": {**asked.data, "new_site": site, "near": near}})
