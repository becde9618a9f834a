"""What devices said, written to their rows: a batch is one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from fleet.lifecycle import DeviceStatus
from storage import batch
from storage.tables import devices

_HEARD: dict[str, TypeEngine[Any]] = {
    "device_id": batch.TEXT,
    "reported": batch.TEXT,
    "firmware": batch.TEXT,
    "firmware_key": batch.TEXT,
    "site": batch.TEXT,
    "site_run": batch.INTEGER,
    "boot_id": batch.TEXT,
    "skew": batch.FLOAT,
    "telemetry": batch.TEXT,
    "telemetry_count": batch.INTEGER,
}


class Met(NamedTuple):
    """Who spoke that is not everyday: ids in no registry, and provisioned devices that sent their first telemetry."""

    unknown: set[str]
    beginners: list[str]


async def write(session: AsyncSession, said: Sequence[Mapping[str, Any]], now: datetime) -> Met:
    """Write what devices said at `now`, one row for each device; absent or None keeps what was known.

    Rows: device_id, and any of reported, firmware (with firmware_key), site (with site_run, 1 if absent, as
    `fleet.location.run_of` has it), boot_id, skew (seconds), telemetry (JSON text), telemetry_count.
    Nothing is written for ids that are in no registry. An everyday batch is one statement: it leaves the beginners out,
    so that the number of rows tells whether there were any.
    """
    if not said:
        return Met(set(), [])
    given = batch.rows(session, _HEARD)
    beginner = and_(devices.c.status == DeviceStatus.PROVISIONED, given.c.telemetry.is_not(None))
    written = await session.execute(_written(given, now).where(~beginner), {"given": batch.dump(said)})
    if written.rowcount == len(said):  # type: ignore[attr-defined]
        return Met(set(), [])
    by_id = {str(row["device_id"]): row for row in said}
    states = await _states(session, by_id)
    beginners = sorted(
        each for each, row in by_id.items() if row.get("telemetry") and states.get(each) is DeviceStatus.PROVISIONED
    )
    if beginners:
        rows = [by_id[each] for each in beginners]
        await session.execute(_written(given, now), {"given": batch.dump(rows)})
    return Met(by_id.keys() - states.keys(), beginners)


def _written(given: FromClause, now: datetime) -> Any:
    return (
        update(devices)
        .where(devices.c.device_id == given.c.device_id)
        .values(
            last_seen_at=now,
            reported_config_version=func.coalesce(given.c.reported, devices.c.reported_config_version),
            firmware_version=func.coalesce(given.c.firmware, devices.c.firmware_version),
            firmware_key=func.coalesce(given.c.firmware_key, devices.c.firmware_key),
            reported_site=func.coalesce(given.c.site, devices.c.reported_site),
            site_streak=_streak(given.c.site, func.coalesce(given.c.site_run, 1)),
            boot_id=func.coalesce(given.c.boot_id, devices.c.boot_id),
            clock_skew_s=func.coalesce(given.c.skew, devices.c.clock_skew_s),
            telemetry_last=func.coalesce(given.c.telemetry, devices.c.telemetry_last),
            telemetry_at=case((given.c.telemetry.is_(None), devices.c.telemetry_at), else_=batch.moment(now)),
            telemetry_count=devices.c.telemetry_count + func.coalesce(given.c.telemetry_count, 0),
        )
    )


async def _states(session: AsyncSession, device_ids: Iterable[str]) -> dict[str, DeviceStatus]:
    """The states of those that are in the registry."""
    given = batch.texts(session)
    statement = select(devices.c.device_id, devices.c.status).join(given, given.c.value == devices.c.device_id)
    return dict((await session.execute(statement, {"given": batch.dump(device_ids)})).all())


def _streak(site: ColumnElement[str], run: ColumnElement[int]) -> ColumnElement[int]:
    """The rule of fleet/location.py: how many statuses in a row named a wrong site."""
    return case(
        (site.is_(None), devices.c.site_streak),
        (or_(site == devices.c.site, devices.c.site == ""), 0),
        (and_(site == devices.c.reported_site, run > 0), devices.c.site_streak + run),
        else_=func.abs(run),
    )


async def applied(session: AsyncSession, acks: Sequence[Mapping[str, Any]]) -> None:
    """Set the reported version of devices that acked their current target. Rows: device_id, version."""
    given = batch.rows(session, {"device_id": batch.TEXT, "version": batch.TEXT})
    statement = (
        update(devices)
        .where(devices.c.device_id == given.c.device_id, devices.c.target_config_version == given.c.version)
        .values(reported_config_version=given.c.version)
    )
    await session.execute(statement, {"given": batch.dump(acks)})
