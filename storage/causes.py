"""Why devices are brought before people, as conditions on their present rows: who has a cause, and where one ended.

Each query finds devices with a cause that are not told yet; each condition says of a place in an alert
(`alert_devices`) that its cause is over. Both look at what is, not at what happened: running them twice changes
nothing, and a restart loses nothing. Devices in maintenance or suspended are found like all others, with their
`status`: what is found of them is suppressed (`alert_suppression`), and told when that state ends if it lasts.
Decommissioned ones have no causes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, TextClause, and_, false, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind, AlertState
from fleet.lifecycle import UNWATCHED, DeviceStatus
from storage import batch
from storage.alert_devices import STANDING
from storage.db import AnyRow, earliest
from storage.tables import (
    MISPLACED,
    OPEN_CASE,
    SILENT,
    alert_devices,
    alerts,
    config_versions,
    devices,
    drift_cases,
    rule_breaches,
)

_OPEN_CASE = text(OPEN_CASE)
_SHOWN = (
    devices.c.device_id,
    devices.c.status,
    devices.c.site,
    devices.c.model,
    devices.c.firmware_version,
    devices.c.last_seen_at,
    devices.c.target_config_version,
    devices.c.reported_config_version,
)


def _untold(kind: AlertKind, rule_id: str = "") -> ColumnElement[bool]:
    place = alert_devices.c
    told = select(place.id).where(
        place.device_id == devices.c.device_id,
        place.kind == kind,
        place.rule_id == rule_id,
        STANDING,
    )
    return and_(devices.c.status.not_in(UNWATCHED), batch.not_found(told))


def _no_device(*conditions: ColumnElement[bool] | TextClause) -> ColumnElement[bool]:
    """The device of this place does not meet the conditions any more."""
    is_device = devices.c.device_id == alert_devices.c.device_id
    alive = devices.c.status != DeviceStatus.DECOMMISSIONED
    return batch.not_found(select(devices.c.device_id).where(is_device, alive, *conditions))


async def misplaced(session: AsyncSession, in_a_row: int, limit: int) -> Sequence[AnyRow]:
    """Devices that named a wrong site so often in a row; also reported_site and site_streak."""
    statement = (
        select(*_SHOWN, devices.c.reported_site, devices.c.site_streak)
        .where(text(MISPLACED), devices.c.site_streak >= in_a_row, devices.c.site != "")
        .where(devices.c.site != devices.c.reported_site, _untold(AlertKind.LOCATION))
        .order_by(devices.c.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def placed_again() -> ColumnElement[bool]:
    """The device named its own site again, or yet another one."""
    return _no_device(text(MISPLACED), devices.c.reported_site == alert_devices.c.detail)


def _nobody_knows() -> ColumnElement[bool]:
    known = select(config_versions.c.version).where(config_versions.c.version == devices.c.reported_config_version)
    return and_(devices.c.reported_config_version != "", batch.not_found(known))


def _has_open_case() -> ColumnElement[bool]:
    return batch.found(select(drift_cases.c.id).where(_OPEN_CASE, drift_cases.c.device_id == devices.c.device_id))


async def unknown_versions(session: AsyncSession, since: datetime, limit: int) -> Sequence[AnyRow]:
    """Devices with a drift case found before `since` that report a version nobody knows; also detected_at."""
    statement = (
        select(*_SHOWN, drift_cases.c.detected_at)
        .join(drift_cases, and_(drift_cases.c.device_id == devices.c.device_id, _OPEN_CASE))
        .where(drift_cases.c.detected_at <= since, _nobody_knows(), _untold(AlertKind.UNKNOWN_VERSION))
        .order_by(drift_cases.c.detected_at, devices.c.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def version_known() -> ColumnElement[bool]:
    """The device reports something else by now, somebody added the version, or there is no drift any more."""
    same = devices.c.reported_config_version == alert_devices.c.detail
    return _no_device(same, _nobody_knows(), _has_open_case())


async def flapping(session: AsyncSession, cases: int, since: datetime, limit: int) -> Sequence[AnyRow]:
    """Devices with at least so many drift cases found since then; also how many `cases`, and the `last` one.

    The cases of that time are picked first: else SQLite groups all there ever were, as their index is in that order.
    """
    recent = select(drift_cases.c.device_id, drift_cases.c.detected_at).where(drift_cases.c.detected_at >= since)
    found = recent.cte("recent").prefix_with("MATERIALIZED")
    counted = (
        select(found.c.device_id, func.count().label("cases"), func.max(found.c.detected_at).label("last"))
        .group_by(found.c.device_id)
        .having(func.count() >= cases)
        .subquery()
    )
    statement = (
        select(*_SHOWN, counted.c.cases, counted.c.last)
        .join(counted, counted.c.device_id == devices.c.device_id)
        .where(_untold(AlertKind.FLAPPING))
        .order_by(devices.c.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def calm(since: datetime) -> ColumnElement[bool]:
    """No case of the device was found after `since`."""
    another = select(drift_cases.c.id).where(
        drift_cases.c.device_id == devices.c.device_id, drift_cases.c.detected_at > since
    )
    return _no_device(batch.found(another))


async def expiring(session: AsyncSession, before: datetime, about: ColumnElement[bool], limit: int) -> Sequence[AnyRow]:
    """Devices whose certificate ends by then or has ended; also certificate_serial and certificate_not_after."""
    statement = (
        select(*_SHOWN, devices.c.certificate_serial, devices.c.certificate_not_after)
        .where(text("certificate_not_after IS NOT NULL"), devices.c.certificate_not_after <= before)
        .where(about, _untold(AlertKind.CERTIFICATE))
        .order_by(devices.c.certificate_not_after, devices.c.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def next_expiring(session: AsyncSession, before: datetime, ahead: timedelta) -> datetime | None:
    """When the next certificate comes within `ahead` of its end, of those that are not by `before`."""
    statement = select(func.min(devices.c.certificate_not_after)).where(
        text("certificate_not_after IS NOT NULL"), devices.c.certificate_not_after > before
    )
    found = await earliest(session, statement)
    return found - ahead if found else None


def renewed(now: datetime, *about: ColumnElement[bool]) -> ColumnElement[bool]:
    """The device has another certificate, or no rule is `about` it; or its alert was closed and is due to be louder."""
    same = devices.c.certificate_not_after.is_not_distinct_from(alert_devices.c.ends_at)
    closed = select(alerts.c.id).where(
        alerts.c.id == alert_devices.c.alert_id, alerts.c.state == AlertState.RESOLVED, alerts.c.level_at <= now
    )
    return or_(_no_device(same, *about), batch.found(closed))


def mended() -> ColumnElement[bool]:
    """The device has no open drift case any more."""
    return _no_device(_has_open_case())


async def silent(
    session: AsyncSession,
    rule_id: str,
    about: ColumnElement[bool],
    before: datetime,
    since: datetime | None,
    limit: int,
) -> Sequence[AnyRow]:
    """Devices of an offline rule not heard since `before`, the longest first; from `since` on. Also silent_since."""
    statement = (
        select(*_SHOWN, devices.c.silent_since)
        .where(text(SILENT), devices.c.silent_since <= before, about, _untold(AlertKind.OFFLINE, rule_id))
        .order_by(devices.c.silent_since, devices.c.device_id)
        .limit(limit)
    )
    if since:
        statement = statement.where(devices.c.silent_since >= since)
    return (await session.execute(statement)).all()


def heard_again(*about: ColumnElement[bool]) -> ColumnElement[bool]:
    """The device is not silent any more, or not one that the rule is `about`."""
    return _no_device(text(SILENT), *about)


async def past_threshold(
    session: AsyncSession, rule_id: str, kind: AlertKind, about: ColumnElement[bool], before: datetime, limit: int
) -> Sequence[AnyRow]:
    """Devices that are past the threshold of a rule since `before` or longer. Also value, since and at."""
    breach = rule_breaches.c
    statement = (
        select(*_SHOWN, breach.value, breach.since, breach.at)
        .join(rule_breaches, breach.device_id == devices.c.device_id)
        .where(breach.rule_id == rule_id, breach.since <= before, about, _untold(kind, rule_id))
        .order_by(breach.since, devices.c.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def back_in_bounds(*about: ColumnElement[bool]) -> ColumnElement[bool]:
    """The device is not past the threshold of the rule any more, or not one that the rule is `about`."""
    place, breach = alert_devices.c, rule_breaches.c
    past = select(breach.device_id).where(breach.device_id == place.device_id, breach.rule_id == place.rule_id)
    return _no_device(batch.found(past.correlate(alert_devices)), *about)


def over(kind: AlertKind, now: datetime, calm_since: datetime) -> ColumnElement[bool]:
    """The condition of each kind of alert that the cause of a place in it is over."""
    match kind:
        case AlertKind.DRIFT:
            return mended()
        case AlertKind.UNKNOWN_VERSION:
            return version_known()
        case AlertKind.FLAPPING:
            return calm(calm_since)
        case AlertKind.LOCATION:
            return placed_again()
        case AlertKind.CERTIFICATE:
            return renewed(now)
        case AlertKind.OFFLINE:
            return heard_again()
        case AlertKind.CPU | AlertKind.RAM | AlertKind.DISK:
            return back_in_bounds()
        case AlertKind.REVOCATION_LIST:
            return false()  # it has no places: whoever looks at the list ends it
