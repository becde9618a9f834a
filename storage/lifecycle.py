"""Moves of devices between their states, each with all that belongs to it, in the transaction of whoever asks.

`ACTIONS` is the list of what a move brings with it. What leaves the house from here (events, MQTT, the revocation
list) are rows that jobs send after the commit, so a transaction that is rolled back leaves nothing behind anywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import structlog
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.billing import BillingKind
from fleet.decommission import ExportState, retain_until
from fleet.drift import Resolution
from fleet.event import EventType
from fleet.lifecycle import DeviceStatus, Retention, refusal, sources
from fleet.operation import OperationKind
from fleet.settings import Settings
from storage import (
    alert_devices,
    alert_rules,
    audit,
    batch,
    billing,
    certificates,
    configs,
    decommissions,
    drift,
    events,
    ids,
    maintenance,
    operations,
    schedule,
)
from storage.columns import iso
from storage.db import AnyRow, wake
from storage.tables import devices, transitions

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """`refused` says why, by device. `waiting` will be decommissioned when the export of their data is certain."""

    moved: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """Devices that went from one state to another: rows of device_id, status (the former), site and model."""

    rows: Sequence[AnyRow]
    to: DeviceStatus
    by: str
    why: str
    now: datetime
    settings: Settings
    details: Mapping[str, Any]

    @property
    def device_ids(self) -> list[str]:
        return [row.device_id for row in self.rows]


async def move(
    session: AsyncSession,
    device_ids: Sequence[str],
    to: DeviceStatus,
    by: str,
    why: str,
    now: datetime,
    settings: Settings,
    **details: Any,
) -> Moved:
    """Move these devices, each with everything that its move brings; those that may not go stay, and are told why.

    Details: `until` (the end of a maintenance that was not planned before); `without_export` (True: decommission
    although nobody has confirmed the export of the data; `why` must say who answers for it).
    """
    asked = Change(await _locked(session, device_ids), to, by, why, now, settings, MappingProxyType(details))
    known = {row.device_id for row in asked.rows}
    refused = {each: f"There is no device called {each}." for each in device_ids if each not in known}
    refused |= {row.device_id: why_not for row in asked.rows if (why_not := refusal(row.status, to))}
    legal = [row for row in asked.rows if row.device_id not in refused]
    going = await _exported(session, _with(asked, legal)) if to is DeviceStatus.DECOMMISSIONED else legal
    by_former: dict[DeviceStatus, list[AnyRow]] = defaultdict(list)
    for row in going:
        by_former[row.status].append(row)
    for former, rows in by_former.items():
        change = _with(asked, rows)
        await _record(session, change)
        for action in ACTIONS[former, to]:
            await action(session, change)
    moved = [row.device_id for row in going]
    waiting = sorted({row.device_id for row in legal} - set(moved))
    return Moved(moved=moved, refused=refused, waiting=waiting)


def _with(change: Change, rows: Sequence[AnyRow]) -> Change:
    return Change(rows, change.to, change.by, change.why, change.now, change.settings, change.details)


async def _locked(session: AsyncSession, device_ids: Sequence[str]) -> Sequence[AnyRow]:
    """The devices as they are, in order of id, and nobody else moves them until the commit."""
    given = batch.texts(session)
    statement = (
        select(devices.c.device_id, devices.c.status, devices.c.site, devices.c.model)
        .join(given, given.c.value == devices.c.device_id)
        .order_by(devices.c.device_id)
        .with_for_update(of=devices)
    )
    return (await session.execute(statement, {"given": batch.dump(dict.fromkeys(device_ids))})).all()


async def _record(session: AsyncSession, change: Change) -> None:
    """The state itself, the history, the audit, and the event that tells of it."""
    given = batch.texts(session)
    statement = (
        update(devices)
        .where(devices.c.device_id == given.c.value, batch.and_not_guessed(devices.c.status.in_(sources(change.to))))
        .values(status=change.to, status_since=change.now)
    )
    await session.execute(statement, {"given": batch.dump(change.device_ids)})
    row = {"at": change.now, "after": change.to, "by": change.by, "why": change.why}
    history = [
        {**row, "id": ids.new("mv", change.now), "device_id": each.device_id, "before": each.status}
        for each in change.rows
    ]
    await session.execute(insert(transitions), history)
    told = {"from": change.rows[0].status.value, "to": change.to.value, "why": change.why}
    await _tell(session, change, EventType.STATUS_CHANGED, {**told, "by": change.by})
    ids_of = change.device_ids
    subject = ids_of[0] if len(ids_of) == 1 else f"{len(ids_of)} devices"
    await audit.add(session, change.now, change.by, f"device.{change.to.value}", subject, {**told, "devices": ids_of})


async def _tell(session: AsyncSession, change: Change, kind: EventType, data: Mapping[str, Any]) -> None:
    told = {row.device_id: {"site": row.site, "model": row.model, **data} for row in change.rows}
    await events.emit_many(session, kind, told, change.now)


async def _exported(session: AsyncSession, change: Change) -> list[AnyRow]:
    """Those that may go: the export of their data is certain, or somebody answers for going without."""
    store = change.settings.lifecycle.telemetry_store_secret is not None
    await decommissions.begin(session, change.device_ids, change.by, change.why, change.now, store=store)
    if change.details.get("without_export"):
        await decommissions.settle(
            session, change.device_ids, ExportState.OVERRIDDEN, change.by, change.now, why=change.why
        )
    certain = await decommissions.certain(session, change.device_ids)
    return [row for row in change.rows if row.device_id in certain]


async def _push_first_config(session: AsyncSession, change: Change) -> None:
    """The first configuration, where the device has no target yet; the sweep pushes it."""
    version = change.settings.provisioning.config_version
    if version and not await configs.known(session, [version]):
        log.error("devices get no first configuration: provisioning.config_version is not registered", version=version)
    elif version:
        given = batch.texts(session)
        first = func.coalesce(devices.c.target_config_version, version)
        statement = (
            update(devices)
            .where(devices.c.device_id == given.c.value)
            .values(target_config_version=first, target_set_at=func.coalesce(devices.c.target_set_at, change.now))
        )
        await session.execute(statement, {"given": batch.dump(change.device_ids)})
    await schedule.bring_forward(session, schedule.SWEEP, change.now)


async def _start_billing(session: AsyncSession, change: Change) -> None:
    await billing.start(session, change.device_ids, BillingKind.START, change.now, change.by, change.why)
    await _tell(session, change, EventType.BILLING_STARTED, {"at": iso(change.now)})


async def _enable_rules(session: AsyncSession, change: Change) -> None:
    await alert_rules.enable_defaults(session, change.device_ids, change.now)


async def _stop_billing(session: AsyncSession, change: Change) -> None:
    await billing.stop(session, change.device_ids, change.now, change.by, change.why)
    await _tell(session, change, EventType.BILLING_STOPPED, {"at": iso(change.now)})


async def _resume_billing(session: AsyncSession, change: Change) -> None:
    await billing.start(session, change.device_ids, BillingKind.RESUME, change.now, change.by, change.why)
    await _tell(session, change, EventType.BILLING_RESUMED, {"at": iso(change.now)})


async def _begin_maintenance(session: AsyncSession, change: Change) -> None:
    """The planned windows begin; a device that has none gets one that begins now."""
    until = change.details.get("until") or change.now + change.settings.lifecycle.window
    window = {"starts_at": change.now, "ends_at": until, "why": change.why}
    zone_of = change.settings.lifecycle.zone_of
    planned = [{**window, "device_id": row.device_id, "zone": zone_of(row.site)} for row in change.rows]
    await maintenance.plan(session, planned, change.by, change.now)
    running = await maintenance.began(session, change.device_ids, change.now)
    await _tell_windows(session, change, EventType.MAINTENANCE_STARTED, running)


async def _end_maintenance(session: AsyncSession, change: Change) -> None:
    over = await maintenance.ended(session, change.device_ids, change.by, change.now)
    await _tell_windows(session, change, EventType.MAINTENANCE_ENDED, over)


async def _cancel_maintenance(session: AsyncSession, change: Change) -> None:
    cancelled = await maintenance.cancelled(session, change.device_ids, change.by, change.now)
    await _tell_windows(session, change, EventType.MAINTENANCE_CANCELLED, cancelled)


async def _tell_windows(session: AsyncSession, change: Change, kind: EventType, windows: Sequence[AnyRow]) -> None:
    site_of = {row.device_id: row.site for row in change.rows}
    told = {each.device_id: {**window_data(each), "site": site_of[each.device_id]} for each in windows}
    await events.emit_many(session, kind, told, change.now)


def window_data(window: AnyRow) -> dict[str, Any]:
    """A maintenance window as the data of an event: the record that a CMMS keeps."""
    return {
        "window_id": window.id,
        "state": window.state.value,
        "starts_at": iso(window.starts_at),
        "ends_at": iso(window.ends_at),
        "zone": window.zone,
        "why": window.why,
        "requested_by": window.requested_by,
        "began_at": iso(window.began_at) if window.began_at else None,
        "ended_at": iso(window.ended_at) if window.ended_at else None,
    }


async def _suppress_alerts(session: AsyncSession, change: Change) -> None:
    """Alerts look at the state themselves (`fleet.lifecycle.ALERTS_PAUSED`); other systems are told."""
    await _tell(session, change, EventType.ALERTS_SUPPRESSED, {"state": change.to.value})


async def _resume_alerts(session: AsyncSession, change: Change) -> None:
    wake(session, "alerts")  # what was suppressed is summarised, and what lasts is told
    await _tell(session, change, EventType.ALERTS_RESUMED, {"state": change.to.value})


async def _revoke(session: AsyncSession, change: Change) -> None:
    await certificates.revoke(session, change.device_ids, "cessation_of_operation", change.now)


async def _archive(session: AsyncSession, change: Change) -> None:
    """The export is certain; the data are kept in the archive from now on, for as long as the site's rules ask."""
    await decommissions.done(session, change.device_ids, change.now)
    years_of = change.settings.lifecycle.retain_years_of
    until = {row.device_id: retain_until(change.now, years_of(row.site)) for row in change.rows}
    given = batch.rows(session, {"device_id": batch.TEXT, "until": batch.MOMENT})
    statement = (
        update(devices)
        .where(devices.c.device_id == given.c.device_id)
        .values(retention=Retention.LONG_TERM_ARCHIVE, retain_until=given.c.until)
    )
    rows = ({"device_id": each, "until": moment} for each, moment in until.items())
    await session.execute(statement, {"given": batch.dump(rows)})
    policy = Retention.LONG_TERM_ARCHIVE.value
    told = {each: {"policy": policy, "retain_until": iso(moment)} for each, moment in until.items()}
    await events.emit_many(session, EventType.RETENTION_CHANGED, told, change.now)


async def _stop_watching(session: AsyncSession, change: Change) -> None:
    """Out of the monitoring: the drift case is closed, the alerts are over, the default rules do not hold any more."""
    await drift.resolve(session, dict.fromkeys(change.device_ids, Resolution.NOT_DRIFTED), change.now)
    await alert_rules.disable_defaults(session, change.device_ids)
    edit_every = change.settings.alerts.edit_every
    await alert_devices.resolve_for(session, None, change.device_ids, change.by, change.now, edit_every)


async def _clear_retained(session: AsyncSession, change: Change) -> None:
    """Nothing more is asked of the devices, and the broker forgets what it keeps for them.

    What another replica is sending in this moment must not come after the clearing: that waits for its claim.
    """
    claimed = await operations.cancel_for(session, change.device_ids, change.now)
    due_at = max(claimed or change.now, change.now)
    clear = {"kind": OperationKind.CLEAR, "requested_by": change.by, "created_at": change.now, "due_at": due_at}
    new = [
        {**clear, "id": ids.new("op", change.now), "device_id": each, "params": {"topic": topic}}
        for each in change.device_ids
        for topic in RETAINED
    ]
    await operations.add(session, new)


RETAINED = ("config/desired", "firmware/desired")
"""The topics of a device on which the broker keeps a message of ours."""

Action = Callable[[AsyncSession, Change], Awaitable[None]]

_S = DeviceStatus
ACTIONS: Mapping[tuple[DeviceStatus, DeviceStatus], tuple[Action, ...]] = MappingProxyType(
    {
        (_S.MANUFACTURED, _S.PROVISIONED): (_push_first_config,),
        (_S.PROVISIONED, _S.ACTIVE): (_start_billing, _enable_rules),
        (_S.ACTIVE, _S.MAINTENANCE): (_begin_maintenance, _suppress_alerts),
        (_S.MAINTENANCE, _S.ACTIVE): (_end_maintenance, _resume_alerts),
        (_S.ACTIVE, _S.SUSPENDED): (_stop_billing, _suppress_alerts),
        (_S.SUSPENDED, _S.ACTIVE): (_resume_billing, _resume_alerts),
        (_S.ACTIVE, _S.DECOMMISSIONED): (
            *(_stop_billing, _revoke, _cancel_maintenance, _archive, _clear_retained, _stop_watching),
        ),
    }
)
"""What each move brings with it, besides the state, its history, its audit entry and its event."""


async def history(session: AsyncSession, device_id: str, limit: int) -> Sequence[AnyRow]:
    """The moves of a device, the newest first: at, before, after, by, why."""
    statement = (
        select(transitions)
        .where(transitions.c.device_id == device_id)
        .order_by(transitions.c.at.desc(), transitions.c.id.desc())
        .limit(limit)
    )
    return (await session.execute(statement)).all()
