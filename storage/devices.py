"""Devices: what each should be, and what it last said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, case, cast, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from fleet.errors import not_found
from fleet.lifecycle import DeviceStatus
from fleet.selector import Selector
from storage import batch
from storage.db import AnyRow
from storage.selection import Compiler
from storage.tables import DRIFTED, Device, device_groups, device_tags, devices, drift_cases


async def get(session: AsyncSession, device_id: str) -> Device:
    """One device. Raises NotFound naming near ones."""
    if found := await session.get(Device, device_id):
        return found
    near = select(devices.c.device_id).order_by(devices.c.device_id).limit(200)
    around = [
        *(await session.scalars(near.where(devices.c.device_id >= device_id[:-1]))),
        *(await session.scalars(near.where(devices.c.device_id.startswith(device_id[:4], autoescape=True)))),
    ]
    raise not_found("device", device_id, around, "Look for it with /fleet find.")


async def labels(session: AsyncSession, device_id: str) -> tuple[dict[str, str], list[str]]:
    """The tags and the groups of one device."""
    tags = await session.execute(
        select(device_tags.c.name, device_tags.c.value).where(device_tags.c.device_id == device_id)
    )
    groups = await session.scalars(select(device_groups.c.name).where(device_groups.c.device_id == device_id))
    return dict(tags.all()), sorted(groups)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the devices that a selector means, in order of id, and how many there are in all."""

    rows: Sequence[AnyRow]
    total: int


async def find(
    session: AsyncSession, selector: Selector, now: datetime, online_within: timedelta, limit: int, after: str = ""
) -> Page:
    """Up to `limit` devices after the id `after`: device_id, status, site, model, versions, last_seen_at."""
    where = Compiler(session, now, online_within).where(selector)
    total = await session.scalar(select(func.count()).select_from(devices).where(where))
    statement = (
        select(
            devices.c.device_id,
            devices.c.status,
            devices.c.site,
            devices.c.model,
            devices.c.firmware_version,
            devices.c.target_config_version,
            devices.c.reported_config_version,
            devices.c.last_seen_at,
        )
        .where(where, devices.c.device_id > after)
        .order_by(devices.c.device_id)
        .limit(limit)
    )
    return Page(rows=(await session.execute(statement)).all(), total=total or 0)


async def ids(
    session: AsyncSession, selector: Selector, now: datetime, online_within: timedelta, limit: int
) -> tuple[list[str], int]:
    """Up to `limit` ids of the devices that a selector means, and how many it means in all."""
    where = Compiler(session, now, online_within).where(selector)
    total = await session.scalar(select(func.count()).select_from(devices).where(where))
    found = await session.scalars(select(devices.c.device_id).where(where).order_by(devices.c.device_id).limit(limit))
    return list(found), total or 0


async def set_target(session: AsyncSession, device_ids: Sequence[str], version: str, now: datetime) -> list[str]:
    """Give these devices a new target, but for decommissioned ones and those that have it. Returns the changed."""
    statement = (
        update(devices)
        .where(
            devices.c.device_id.in_(device_ids),
            devices.c.status != DeviceStatus.DECOMMISSIONED,
            devices.c.target_config_version.is_distinct_from(version),
        )
        .values(target_config_version=version, target_set_at=now)
        .returning(devices.c.device_id)
    )
    return sorted(await session.scalars(statement))


_HEARD: dict[str, TypeEngine[Any]] = {
    "device_id": batch.TEXT,
    "at": batch.MOMENT,
    "reported": batch.TEXT,
    "firmware": batch.TEXT,
    "firmware_key": batch.TEXT,
    "site": batch.TEXT,
    "boot_id": batch.TEXT,
    "skew": batch.FLOAT,
    "telemetry": batch.TEXT,
    "telemetry_count": batch.INTEGER,
}


async def heard(session: AsyncSession, said: Sequence[Mapping[str, Any]]) -> set[str]:
    """Write what devices said, one row for each device; absent or None keeps what was known.

    Rows: device_id, at, and any of reported, firmware (with firmware_key), site, boot_id, skew (seconds), telemetry
    (JSON text), telemetry_count. Returns the ids that are in no registry (nothing is written for those).
    """
    if not said:
        return set()
    given = batch.rows(session, _HEARD)
    statement = (
        update(devices)
        .where(devices.c.device_id == given.c.device_id)
        .values(
            last_seen_at=given.c.at,
            reported_config_version=func.coalesce(given.c.reported, devices.c.reported_config_version),
            firmware_version=func.coalesce(given.c.firmware, devices.c.firmware_version),
            firmware_key=func.coalesce(given.c.firmware_key, devices.c.firmware_key),
            reported_site=func.coalesce(given.c.site, devices.c.reported_site),
            boot_id=func.coalesce(given.c.boot_id, devices.c.boot_id),
            clock_skew_s=func.coalesce(given.c.skew, devices.c.clock_skew_s),
            telemetry_last=func.coalesce(given.c.telemetry, devices.c.telemetry_last),
            telemetry_at=case((given.c.telemetry.is_(None), devices.c.telemetry_at), else_=given.c.at),
            telemetry_count=devices.c.telemetry_count + func.coalesce(given.c.telemetry_count, 0),
        )
    )
    written = await session.execute(statement, {"given": batch.dump(said)})
    if written.rowcount == len(said):  # type: ignore[attr-defined]
        return set()
    named = {str(row["device_id"]) for row in said}
    return named - await known(session, named)


async def known(session: AsyncSession, device_ids: set[str]) -> set[str]:
    """Those of the ids that are in the registry."""
    given = batch.rows(session, {"device_id": batch.TEXT})
    statement = select(devices.c.device_id).join(given, given.c.device_id == devices.c.device_id)
    return set(await session.scalars(statement, {"given": batch.dump({"device_id": each} for each in device_ids)}))


async def applied(session: AsyncSession, acks: Sequence[Mapping[str, Any]]) -> None:
    """Set the reported version of devices that acked their current target. Rows: device_id, version."""
    given = batch.rows(session, {"device_id": batch.TEXT, "version": batch.TEXT})
    statement = (
        update(devices)
        .where(devices.c.device_id == given.c.device_id, devices.c.target_config_version == given.c.version)
        .values(reported_config_version=given.c.version)
    )
    await session.execute(statement, {"given": batch.dump(acks)})


@dataclass(frozen=True, slots=True)
class Glance:
    """The fleet in numbers: devices by status, online, drifted, open drift cases by state."""

    by_status: dict[DeviceStatus, int]
    online: int
    drifted: int
    cases: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


async def glance(session: AsyncSession, now: datetime, online_within: timedelta) -> Glance:
    """Three statements at any fleet size."""
    online = func.sum(cast(devices.c.last_seen_at >= now - online_within, Integer))
    counted = await session.execute(select(devices.c.status, func.count(), online).group_by(devices.c.status))
    rows = counted.all()
    cases = await session.execute(
        select(drift_cases.c.state, func.count()).where(text("resolved_at IS NULL")).group_by(drift_cases.c.state)
    )
    return Glance(
        by_status={status: count for status, count, _ in rows},
        online=sum(online or 0 for _, _, online in rows),
        drifted=await session.scalar(select(func.count()).select_from(devices).where(text(DRIFTED))) or 0,
        cases={state.value: count for state, count in cases},
    )


async def add(
    session: AsyncSession,
    new: Sequence[Mapping[str, Any]],
    tags: Sequence[Mapping[str, str]] = (),
    groups: Sequence[Mapping[str, str]] = (),
) -> None:
    """Insert devices (columns of `devices`) with their tags and groups. An id that exists raises IntegrityError."""
    for table, rows in ((devices, new), (device_tags, tags), (device_groups, groups)):
        if rows:
            await session.execute(insert(table), list(rows))
