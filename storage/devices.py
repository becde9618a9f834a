"""Devices: what each is, and what it should be. What they say is written in storage/heard.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from fleet.errors import not_found
from fleet.lifecycle import AT_WORK, DeviceStatus
from fleet.selector import Selector
from storage import batch
from storage.db import AnyRow, wake
from storage.pages import Listing, Page, Place, turn
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
    listing = Listing(_SHOWN, devices, where, devices.c.device_id)
    return await turn(session, listing, limit, Place(after, before))


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


async def at_site(session: AsyncSession, site: str) -> bool:
    """Some device belongs to that site."""
    statement = select(devices.c.device_id).where(devices.c.site == site).limit(1)
    return (await session.execute(statement)).first() is not None


async def sites(session: AsyncSession) -> list[str]:
    """The sites that devices belong to."""
    return list(await session.scalars(select(devices.c.site).where(devices.c.site != "").distinct()))


async def unknown_among(session: AsyncSession, device_ids: Sequence[str]) -> list[str]:
    """Those of the ids that no device has, in the order given."""
    given = batch.texts(session)
    statement = select(devices.c.device_id).join(given, given.c.value == devices.c.device_id)
    known = set(await session.scalars(statement, {"given": batch.dump(device_ids)}))
    return [each for each in device_ids if each not in known]


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
            await batch.add(session, table, rows)
