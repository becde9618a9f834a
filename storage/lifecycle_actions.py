"""What each move of devices brings with it: billing, alerts, windows, certificates, the archive.

What leaves the house from here (events, MQTT, the revocation list) are rows that jobs send after the commit, so a
transaction that is rolled back leaves nothing behind anywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import structlog
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.billing import BillingKind
from fleet.decommission import retain_until
from fleet.drift import Resolution
from fleet.event import EventType
from fleet.lifecycle import DeviceStatus, Retention
from fleet.operation import OperationKind
from fleet.settings import Settings
from storage import (
    alert_devices,
    alert_rules,
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
from storage.tables import devices

log = structlog.get_logger(__name__)


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


async def tell(session: AsyncSession, change: Change, kind: EventType, data: Mapping[str, Any]) -> None:
    """Tell other systems the same of each of the devices, with its site and model."""
    told = {row.device_id: {"site": row.site, "model": row.model, **data} for row in change.rows}
    await events.emit_many(session, kind, told, change.now)


async def _push_first_config(session: AsyncSession, change: Change) -> None:
    """The first configuration, where the device has no target yet; the sweep pushes it."""
    version = change.settings.provisioning.config_version
    if version and not await configs.known(session, [version]):
        log.error("devices get no first configuration: provisioning.config_version is not registered", version=version)
    elif version:
        given = batch.texts(session)
        first = func.coalesce(devices.c.target_config_version, version)
        since = func.coalesce(devices.c.target_set_at, batch.moment(change.now))
        statement = (
            update(devices)
            .where(devices.c.device_id == given.c.value)
            .values(target_config_version=first, target_set_at=since)
        )
        await session.execute(statement, {"given": batch.dump(change.device_ids)})
    await schedule.bring_forward(session, schedule.SWEEP, change.now)


async def _start_billing(session: AsyncSession, change: Change) -> None:
    await billing.start(session, change.device_ids, BillingKind.START, change.now, change.by, change.why)
    await tell(session, change, EventType.BILLING_STARTED, {"at": iso(change.now)})


async def _enable_rules(session: AsyncSession, change: Change) -> None:
    await alert_rules.enable_defaults(session, change.device_ids, change.now)


async def _stop_billing(session: AsyncSession, change: Change) -> None:
    await billing.stop(session, change.device_ids, change.now, change.by, change.why)
    await tell(session, change, EventType.BILLING_STOPPED, {"at": iso(change.now)})


async def _resume_billing(session: AsyncSession, change: Change) -> None:
    await billing.start(session, change.device_ids, BillingKind.RESUME, change.now, change.by, change.why)
    await tell(session, change, EventType.BILLING_RESUMED, {"at": iso(change.now)})


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
    told = {each.device_id: {**maintenance.window_data(each), "site": site_of[each.device_id]} for each in windows}
    await events.emit_many(session, kind, told, change.now)


async def _suppress_alerts(session: AsyncSession, change: Change) -> None:
    """Alerts look at the state themselves (`fleet.lifecycle.ALERTS_PAUSED`); other systems are told."""
    await tell(session, change, EventType.ALERTS_SUPPRESSED, {"state": change.to.value})


async def _resume_alerts(session: AsyncSession, change: Change) -> None:
    wake(session, "alerts")  # what was suppressed is summarised, and what lasts is told
    await tell(session, change, EventType.ALERTS_RESUMED, {"state": change.to.value})


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
