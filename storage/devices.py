"""Devices: what each should be, and what it last said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, case, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from fleet.errors import not_found
from fleet.lifecycle import AT_WORK, DeviceStatus
from fleet.selector import Selector
from storage import batch
from storage.db import AnyRow, wake
from storage.selection import Condition, condition
from storage.tables import Device, device_groups, device_tags, devices


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
    """Some of the devices that a selector means, in order of id; how many there are in all, and how many before."""

    rows: Sequence[AnyRow]
    total: int
    skipped: int = 0


_SHOWN = (
    devices.c.device_id,
    devices.c.status,
    devices.c.site,
    devices.c.model,
    devices.c.firmware_version,
    devices.c.target_config_version,
    devices.c.reported_config_version,
    devices.c.last_seen_at,
)


async def find(
    session: AsyncSession,
    selector: Selector,
    now: datetime,
    online_within: timedelta,
    limit: int,
    after: str = "",
    before: str = "",
) -> Page:
    """Up to `limit` devices right after the id `after`, or right before the id `before` if that is given.

    Rows: device_id, status, site, model, versions, last_seen_at.
    """
    where = await condition(session, selector, now, online_within)
    statement = select(*_SHOWN).where(where).limit(limit)
    if before:
        statement = statement.where(devices.c.device_id < before).order_by(devices.c.device_id.desc())
        rows = (await session.execute(statement)).all()[::-1]
    else:
        statement = statement.where(devices.c.device_id > after).order_by(devices.c.device_id)
        rows = (await session.execute(statement)).all()
    first = devices.c.device_id < rows[0].device_id if rows else devices.c.device_id <= after
    counted = select(func.count(), func.count().filter(first)).select_from(devices).where(where)
    total, skipped = (await session.execute(counted)).one()
    return Page(rows=rows, total=total, skipped=skipped)


async def page(
    session: AsyncSession, selector: Selector, now: datetime, online_within: timedelta, limit: int, after: str
) -> Sequence[AnyRow]:
    """The same rows, with reported_site, registered_at and clock_skew_s, and without counting: for files."""
    where = await condition(session, selector, now, online_within)
    columns = (*_SHOWN, devices.c.reported_site, devices.c.registered_at, devices.c.clock_skew_s)
    statement = select(*columns).where(where, devices.c.device_id > after).order_by(devices.c.device_id).limit(limit)
    return (await session.execute(statement)).all()


async def count(session: AsyncSession, selector: Selector, now: datetime, online_within: timedelta) -> int:
    """How many devices a selector means."""
    where = await condition(session, selector, now, online_within)
    return await session.scalar(select(func.count()).select_from(devices).where(where)) or 0


async def ids(
    session: AsyncSession, selector: Selector, now: datetime, online_within: timedelta, limit: int
) -> tuple[list[str], int]:
    """Up to `limit` ids of the devices that a selector means, and how many it means in all."""
    where = await condition(session, selector, now, online_within)
    total = await session.scalar(select(func.count()).select_from(devices).where(where))
    found = await session.scalars(select(devices.c.device_id).where(where).order_by(devices.c.device_id).limit(limit))
    return list(found), total or 0


async def meant_among(
    session: AsyncSession, selector: Selector, device_ids: Sequence[str], now: datetime, online_within: timedelta
) -> set[str]:
    """Those of the ids that a selector means."""
    given = batch.texts(session)
    where = await condition(session, selector, now, online_within)
    statement = select(devices.c.device_id).join(given, given.c.value == devices.c.device_id).where(where)
    return set(await session.scalars(statement, {"given": batch.dump(device_ids)}))


async def certificate_ends_of(
    session: AsyncSession, where: Condition, statuses: Collection[DeviceStatus]
) -> Sequence[datetime]:
    """When the certificates end of those devices that are in one of these states and have one, the earliest first."""
    ends = devices.c.certificate_not_after
    statement = select(ends).where(where, ends.is_not(None), devices.c.status.in_(statuses)).order_by(ends)
    return (await session.scalars(statement)).all()


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


async def heard(session: AsyncSession, said: Sequence[Mapping[str, Any]], now: datetime) -> Met:
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
    written = await session.execute(_write_heard(given, now).where(~beginner), {"given": batch.dump(said)})
    if written.rowcount == len(said):  # type: ignore[attr-defined]
        return Met(set(), [])
    by_id = {str(row["device_id"]): row for row in said}
    states = await _states(session, by_id)
    beginners = sorted(
        each for each, row in by_id.items() if row.get("telemetry") and states.get(each) is DeviceStatus.PROVISIONED
    )
    if beginners:
        rows = [by_id[each] for each in beginners]
        await session.execute(_write_heard(given, now), {"given": batch.dump(rows)})
    return Met(by_id.keys() - states.keys(), beginners)


def _write_heard(given: FromClause, now: datetime) -> Any:
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


async def move(session: AsyncSession, device_id: str, site: str) -> str:
    """The device belongs to another site from now on. Returns the site before. Raises NotFound."""
    device = await get(session, device_id)
    before = device.site
    statement = update(devices).where(devices.c.device_id == device_id).values(site=site, site_streak=0)
    await session.execute(statement)
    await session.refresh(device)
    return before


async def certified(session: AsyncSession, certificates: Sequence[Mapping[str, Any]]) -> None:
    """Write the certificates of devices: rows of device_id, serial and not_after (an aware datetime or None)."""
    kinds: dict[str, TypeEngine[Any]] = {"device_id": batch.TEXT, "serial": batch.TEXT, "not_after": batch.MOMENT}
    given = batch.rows(session, kinds)
    statement = (
        update(devices)
        .where(devices.c.device_id == given.c.device_id)
        .values(
            certificate_serial=func.coalesce(given.c.serial, devices.c.certificate_serial),
            certificate_not_after=given.c.not_after,
        )
    )
    await session.execute(statement, {"given": batch.dump(certificates)})
    wake(session, "certificates")


async def certificate_ends(session: AsyncSession, device_ids: Sequence[str]) -> dict[str, datetime | None]:
    """When the certificates of these devices end, as far as it is known."""
    given = batch.texts(session)
    statement = select(devices.c.device_id, devices.c.certificate_not_after).join(
        given, given.c.value == devices.c.device_id
    )
    return dict((await session.execute(statement, {"given": batch.dump(device_ids)})).all())


async def add(
    session: AsyncSession,
    new: Sequence[Mapping[str, Any]],
    tags: Sequence[Mapping[str, str]] = (),
    groups: Sequence[Mapping[str, str]] = (),
) -> None:
    """Insert devices (columns of `devices`) with their tags and groups. An id that exists raises IntegrityError.

    The default alert rules hold for those that are at work, unless `default_rules` says otherwise.
    """
    ruled = [{"default_rules": each["status"] in AT_WORK, **each} for each in new]
    for table, rows in ((devices, ruled), (device_tags, tags), (device_groups, groups)):
        if rows:
            await session.execute(insert(table), list(rows))
