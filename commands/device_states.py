"""Moving devices between their states: planned downtime, suspension, the way back, and the way out.

Each of these asks for a plan, so the policies in app.yaml decide who else must approve it (`device.maintain`,
`device.resume`, `device.suspend`, `device.decommission`; for more than `config.assign_limit` devices `bulk.…`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands import approve
from commands.spec import Call, Rest, command
from fleet import lifecycle as rule
from fleet import maintenance as windows
from fleet.decommission import ExportState
from fleet.drift import is_online
from fleet.errors import BadInput, NotFound, Refused
from fleet.event import EventType
from fleet.lifecycle import ALERTS_PAUSED, DeviceStatus
from fleet.message import Button, Message
from fleet.plan import IDS_KEPT, Plan, plan_for
from fleet.roles import Role
from fleet.selector import Selector
from storage import approvals, audit, decommissions, devices, events, groups, maintenance
from storage.columns import iso
from storage.db import AnyRow
from storage.tables import Device

_NAMED = 3
_MAINTENANCE = DeviceStatus.MAINTENANCE
_NEVER_AGAIN = (DeviceStatus.DECOMMISSIONED,)


@command("device maintain", role=Role.OPERATOR, example="device maintain dev-1 --for 2h --at 2026-11-25T08:30")
async def maintain(
    call: Call,
    which: Selector,
    *,
    for_: Annotated[timedelta | None, "how long"] = None,
    at: Annotated[str | None, "when it begins, on the clocks of its site; without it, at once"] = None,
    zone: Annotated[str | None, "the time zone that --at is in, such as Europe/Oslo"] = None,
    why: Annotated[str, "the reason, for the audit"] = "",
) -> Message:
    """Plan downtime: alerts are kept back in the window, which begins and ends by itself; data are still collected.

    Without `--at` it begins now. `--at 2026-11-25T08:30` is read on the clocks of the devices' site, or of `--zone`.
    `device extend` makes it longer, `device activate` ends it early, `device unplan` takes it back before it begins.
    """
    length = call.settings.lifecycle.window if for_ is None else for_
    async with call.db.begin() as session:
        chosen = await _chosen(call, session, which)
        if at is None:
            await _not_yet(session, chosen)
        barred = _NEVER_AGAIN if at else [each for each in DeviceStatus if rule.refusal(each, _MAINTENANCE)]
        rows, left_out = _able(chosen, lambda row: row.status not in barred, _MAINTENANCE)
        named = windows.zone_named(zone).key if zone else _zone_of(call, rows, needed=at is not None)
        starts_at = windows.moment(at, windows.zone_named(named)) if at else call.now
        if no := windows.refusal(starts_at, starts_at + length, call.now, call.settings.lifecycle.longest_window):
            raise BadInput(no)
        params = {
            "to": DeviceStatus.MAINTENANCE.value,
            "selector": str(which),
            "why": why,
            "for_s": length.total_seconds(),
            "starts_at": iso(starts_at) if at else None,
            "zone": named,
        }
        asked = await _ask(call, session, "maintain", f"Maintenance of {_named(rows)}", rows, params)
        return _telling(asked, left_out)


async def _not_yet(session: AsyncSession, chosen: Sequence[AnyRow]) -> None:
    """Raises Refused with the way to make it longer, if all that is meant is one device in a running window."""
    if len(chosen) != 1 or chosen[0].status is not _MAINTENANCE:
        return
    device_id = chosen[0].device_id
    if window := (await maintenance.open_of(session, [device_id])).get(device_id):
        raise Refused(
            f"{device_id} is in maintenance already, until {window.ends_at:%Y-%m-%d %H:%M} UTC. "
            f"Longer: /fleet device extend {device_id} 1h"
        )


def _zone_of(call: Call, rows: Sequence[AnyRow], *, needed: bool) -> str:
    """The time zone of the devices' sites. Raises BadInput if they have several and it is `needed`."""
    zones = sorted({call.settings.lifecycle.zone_of(row.site) for row in rows})
    if needed and len(zones) > 1:
        raise BadInput(f"These devices are in several time zones ({', '.join(zones)}). Say which one with --zone.")
    return zones[0]


@command("device extend", role=Role.OPERATOR, example="device extend dev-1 1h")
async def extend(call: Call, device: str, longer: timedelta) -> Message:
    """Let a maintenance window end so much later than it would."""
    async with call.db.begin() as session:
        window = await _window(session, device)
        ends_at = window.ends_at + longer
        if no := windows.refusal(window.starts_at, ends_at, call.now, call.settings.lifecycle.longest_window):
            raise Refused(no)
        extended = await maintenance.extend(session, window.id, ends_at)
        told = {**maintenance.window_data(extended or window), "ended_before": iso(window.ends_at)}
        await events.emit(session, EventType.MAINTENANCE_CHANGED, device, told, call.now)
        await audit.add(session, call.now, call.person.id, "maintenance.extended", device, {"until": iso(ends_at)})
    return _of_device("device/extended", device, before=window.ends_at, ends_at=ends_at)


@command("device unplan", role=Role.OPERATOR, example="device unplan dev-1")
async def unplan(call: Call, device: str) -> Message:
    """Take back a maintenance window that has not begun."""
    async with call.db.begin() as session:
        window = await _window(session, device)
        cancelled = await maintenance.cancelled(session, [device], call.person.id, call.now)
        if not cancelled:
            raise Refused(f"The maintenance of {device} has begun. End it with /fleet device activate {device}.")
        told = maintenance.window_data(cancelled[0])
        await events.emit(session, EventType.MAINTENANCE_CANCELLED, device, told, call.now)
        await audit.add(session, call.now, call.person.id, "maintenance.cancelled", device, {})
    return _of_device("device/unplanned", device, starts_at=window.starts_at)


async def _window(session: AsyncSession, device_id: str) -> AnyRow:
    await devices.get(session, device_id)
    if (window := (await maintenance.open_of(session, [device_id])).get(device_id)) is None:
        raise Refused(f"{device_id} has no maintenance window. Plan one: /fleet device maintain {device_id} --for 2h")
    return window


@command("device activate", role=Role.OPERATOR, aliases=("device resume",), example="device activate dev-1")
async def activate(call: Call, which: Selector, *, why: Annotated[str, "the reason, for the audit"] = "") -> Message:
    """End a maintenance early, or a suspension: billing resumes then, and alerts reach people again."""
    async with call.db.begin() as session:
        chosen = await _chosen(call, session, which)
        if all(row.status is DeviceStatus.PROVISIONED for row in chosen):
            raise Refused(f"{_named(chosen)} will be active with the first telemetry, by itself.")
        rows, left_out = _able(chosen, lambda row: row.status in ALERTS_PAUSED, DeviceStatus.ACTIVE)
        params = {"to": DeviceStatus.ACTIVE.value, "why": why}
        asked = await _ask(call, session, "resume", f"Activate {_named(rows)}", rows, params)
        return _telling(asked, left_out)


@command("device suspend", role=Role.OPERATOR, example="device suspend dev-1 the invoice is not paid")
async def suspend(call: Call, device: str, why: Rest) -> Message:
    """Stop the billing of a device and keep its alerts back, until somebody activates it; it is flagged meanwhile."""
    async with call.db.begin() as session:
        row = await devices.get(session, device)
        _check([row], DeviceStatus.SUSPENDED)
        params = {"to": DeviceStatus.SUSPENDED.value, "why": str(why)}
        return await _ask(call, session, "suspend", f"Suspend {device}", [row], params)


@command("device decommission", role=Role.OPERATOR, example="device decommission dev-1 replaced by dev-99")
async def decommission(
    call: Call,
    device: str,
    why: Rest,
    *,
    without_export: Annotated[
        bool, "although nobody confirmed the export of its data: for admins, with a reason"
    ] = False,
) -> Message:
    """Take a device out of service for ever: billing, certificate and monitoring end, its data go to the archive.

    It waits until the export of its data is certain; `--without-export` goes without, and the reason must say why.
    Many devices go with `bulk decommission`.
    """
    async with call.db.begin() as session:
        row = await devices.get(session, device)
        _check([row], DeviceStatus.DECOMMISSIONED)
        params = {"to": DeviceStatus.DECOMMISSIONED.value, "why": str(why), "without_export": without_export}
        title = f"Decommission {device}{' without a confirmed export' if without_export else ''}"
        return await _ask(call, session, "decommission", title, [row], params)


@command("device keep", role=Role.OPERATOR, example="device keep dev-1 it is still needed")
async def keep(call: Call, device: str, why: Rest) -> Message:
    """Take back a decommission that waits for the export of the device's data."""
    async with call.db.begin() as session:
        await devices.get(session, device)
        kept = await decommissions.settle(
            session, [device], ExportState.CANCELLED, call.person.id, call.now, why=str(why)
        )
        if not kept:
            raise Refused(f"{device} does not wait to be decommissioned. Nothing was changed.")
        await audit.add(session, call.now, call.person.id, "device.kept", device, {"why": str(why)})
    return _of_device("device/kept", device)


async def _chosen(call: Call, session: AsyncSession, which: Selector) -> Sequence[AnyRow]:
    """The devices that a selector means: device_id, status, site. Raises NotFound, or Refused if there are too many."""
    within = call.settings.drift.online_within
    await groups.refuse_unknown(session, which)
    page = await devices.find(session, which, call.now, within, IDS_KEPT)
    if not page.rows:
        raise NotFound(f"No device is meant by {which}. Look with /fleet find.")
    if page.total > IDS_KEPT:
        raise Refused(f"{which} means {page.total:,} devices; one command moves {IDS_KEPT:,}. Take a site at a time.")
    return page.rows


def _check(rows: Sequence[AnyRow | Device], to: DeviceStatus) -> None:
    """Raises Refused naming the first devices that cannot make that move."""
    wrong = [(row.device_id, no) for row in rows if (no := rule.refusal(row.status, to))]
    if wrong:
        more = f" So cannot {len(wrong) - _NAMED:,} more." if len(wrong) > _NAMED else ""
        raise Refused("\n".join(f"{device_id}: {no}" for device_id, no in wrong[:_NAMED]) + more)


def _able(
    rows: Sequence[AnyRow], may: Callable[[AnyRow], bool], to: DeviceStatus
) -> tuple[Sequence[AnyRow], dict[str, int]]:
    """The devices that can make the move, and how many of each state are left out. Raises Refused if none can."""
    able = [row for row in rows if may(row)]
    if not able:
        _check(rows, to)
    return able, dict(Counter(row.status.value for row in rows if not may(row)))


def _telling(asked: Message, left_out: Mapping[str, int]) -> Message:
    return asked.model_copy(update={"data": {**asked.data, "left_out": left_out}}) if left_out else asked


def _named(rows: Sequence[AnyRow]) -> str:
    return str(rows[0].device_id) if len(rows) == 1 else f"{len(rows):,} devices"


async def _ask(
    call: Call, session: AsyncSession, verb: str, title: str, rows: Sequence[AnyRow | Device], params: Mapping[str, Any]
) -> Message:
    noun = "device" if len(rows) <= call.settings.config.assign_limit else "bulk"
    ids, sites = [row.device_id for row in rows], [row.site for row in rows]
    plan: Plan = plan_for(f"{noun}.{verb}", title, params, ids, sites)
    within = call.settings.drift.online_within
    told = {"online": sum(is_online(row.last_seen_at, call.now, within) for row in rows)}
    approval = await approvals.ask(session, plan, call.person.id, call.now, call.settings, told=told)
    return approve.asked(approval, call.settings)


def _of_device(template: str, device_id: str, **data: Any) -> Message:
    shows = (Button(text="Show device", run=f"device show {device_id}"),)
    return Message(template=template, data={"device_id": device_id, **data}, buttons=shows)
