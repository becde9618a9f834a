"""Devices in and out of the registry by the thousand: set-based statements for `muster import` and `muster export`.

An import of 100,000 devices is many short transactions. Its first one notes in the audit that it began; every device
that it makes has that moment as `registered_at`. An import that was ended half-way is so found again and gone on with.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, func, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from fleet.billing import BillingKind
from fleet.lifecycle import AT_WORK, BILLED, DeviceStatus
from storage import audit as audit_trail
from storage import batch, billing
from storage.columns import iso
from storage.db import AnyRow
from storage.selection import Condition
from storage.tables import audit, config_versions, device_groups, device_tags, devices

BEGAN, DONE = "import.began", "devices.imported"

_GIVEN: dict[str, TypeEngine[Any]] = {
    "device_id": batch.TEXT,
    "status": batch.TEXT,
    "site": batch.TEXT,
    "model": batch.TEXT,
    "target": batch.TEXT,
    "firmware": batch.TEXT,
    "firmware_key": batch.TEXT,
    "certificate_serial": batch.TEXT,
    "certificate_not_after": batch.MOMENT,
}


@dataclass(frozen=True, slots=True)
class Import:
    """One run of one file: `subject` tells the file by its digest, `began` is the `registered_at` of what it makes."""

    subject: str
    began: datetime
    resumed: bool


async def begin(session: AsyncSession, digest: str, now: datetime) -> Import:
    """The import of that very file that was not finished, or a new one. Nothing is written."""
    subject = f"import:{digest}"
    entries = await session.execute(
        select(audit.c.action, audit.c.data).where(audit.c.subject == subject).order_by(audit.c.at, audit.c.id)
    )
    last = entries.all()[-1:]
    if last and last[0].action == BEGAN:
        return Import(subject, datetime.fromisoformat(last[0].data["began"]), resumed=True)
    return Import(subject, now, resumed=False)


async def note(session: AsyncSession, which: Import, action: str, now: datetime, data: Mapping[str, Any]) -> None:
    """BEGAN or DONE, in the audit."""
    await audit_trail.add(session, now, "muster import", action, which.subject, {**data, "began": iso(which.began)})


async def versions(session: AsyncSession) -> set[str]:
    """Every configuration that a device may be given."""
    return set(await session.scalars(select(config_versions.c.version)))


async def known(session: AsyncSession, device_ids: Sequence[str]) -> dict[str, AnyRow]:
    """Those that are in the registry: status, target_config_version, registered_at."""
    given = batch.texts(session)
    statement = select(
        devices.c.device_id, devices.c.status, devices.c.target_config_version, devices.c.registered_at
    ).join(given, given.c.value == devices.c.device_id)
    found = await session.execute(statement, {"given": batch.dump(device_ids)})
    return {row.device_id: row for row in found}


async def add(session: AsyncSession, new: Sequence[Mapping[str, Any]], now: datetime) -> set[str]:
    """Insert devices: device_id, and any of the columns of `_GIVEN`. Returns those that were not there before."""
    given = batch.rows(session, _GIVEN)
    target = func.nullif(given.c.target, "")
    status = func.coalesce(func.nullif(given.c.status, ""), DeviceStatus.ACTIVE.value)
    values = {
        "device_id": given.c.device_id,
        "status": status,
        "default_rules": status.in_([each.value for each in AT_WORK]),
        "site": func.coalesce(given.c.site, ""),
        "model": func.coalesce(given.c.model, ""),
        "target_config_version": target,
        "target_set_at": case((target.is_(None), None), else_=batch.moment(now)),
        "firmware_version": func.coalesce(given.c.firmware, ""),
        "firmware_key": func.coalesce(given.c.firmware_key, ""),
        "certificate_serial": func.coalesce(given.c.certificate_serial, ""),
        "certificate_not_after": given.c.certificate_not_after,
        "registered_at": batch.moment(now),
    }
    picked = select(*(value.label(name) for name, value in values.items())).select_from(given).where(true())
    statement = (
        batch.insert(session, devices)
        .from_select(list(values), picked)
        .on_conflict_do_nothing(index_elements=["device_id"])
        .returning(devices.c.device_id)
    )
    added = set(await session.scalars(statement, {"given": batch.dump(new)}))
    states = {str(row["device_id"]): row.get("status") or DeviceStatus.ACTIVE for row in new}
    billed = [each for each in sorted(added) if states[each] in BILLED]
    await billing.start(session, billed, BillingKind.START, now, "muster import", "imported")
    return added


async def change(session: AsyncSession, known_ones: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Update what the registry says of these: site, model, target, certificate; None keeps it, an empty target ends it.

    The firmware is changed only of a device that was never heard: it knows better. The status never is.
    """
    given = batch.rows(session, _GIVEN)
    target = case((given.c.target.is_(None), devices.c.target_config_version), else_=func.nullif(given.c.target, ""))
    unheard = and_(devices.c.last_seen_at.is_(None), given.c.firmware.is_not(None))
    statement = (
        update(devices)
        .where(devices.c.device_id == given.c.device_id)
        .values(
            site=func.coalesce(given.c.site, devices.c.site),
            model=func.coalesce(given.c.model, devices.c.model),
            target_config_version=target,
            target_set_at=case(
                (target.is_distinct_from(devices.c.target_config_version), batch.moment(now)),
                else_=devices.c.target_set_at,
            ),
            firmware_version=case((unheard, given.c.firmware), else_=devices.c.firmware_version),
            firmware_key=case((unheard, given.c.firmware_key), else_=devices.c.firmware_key),
            certificate_serial=func.coalesce(given.c.certificate_serial, devices.c.certificate_serial),
            certificate_not_after=func.coalesce(given.c.certificate_not_after, devices.c.certificate_not_after),
        )
    )
    await session.execute(statement, {"given": batch.dump(known_ones)})


async def label(
    session: AsyncSession,
    tags: Mapping[str, Mapping[str, str]],
    groups: Mapping[str, Sequence[str]],
    new: Container[str],
) -> None:
    """Let these devices have exactly these tags, and these groups; a device that is not named keeps its own.

    The `new` ones have none yet, so there is nothing to take away from them.
    """
    of_tags = [
        {"device_id": one, "name": name, "value": value} for one, own in tags.items() for name, value in own.items()
    ]
    of_groups = [{"device_id": one, "name": name} for one, own in groups.items() for name in own]
    for table, ids, rows in ((device_tags, tags, of_tags), (device_groups, groups, of_groups)):
        if labelled := [each for each in ids if each not in new]:
            named = batch.texts(session)
            gone = delete(table).where(table.c.device_id.in_(select(named.c.value)))
            await session.execute(gone, {"given": batch.dump(labelled)})
        if rows:
            given = batch.rows(session, dict.fromkeys(rows[0], batch.TEXT))
            copied = select(*(given.c[name] for name in rows[0])).where(true())
            await session.execute(
                batch.insert(session, table).from_select(list(rows[0]), copied), {"given": batch.dump(rows)}
            )


_EXPORTED = (
    *(devices.c.device_id, devices.c.status, devices.c.site, devices.c.model, devices.c.target_config_version),
    *(devices.c.firmware_version, devices.c.certificate_serial, devices.c.certificate_not_after),
    *(devices.c.reported_config_version, devices.c.reported_site, devices.c.last_seen_at, devices.c.registered_at),
)


async def page(session: AsyncSession, where: Condition, after: str, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` devices after the id `after`, in order of id: the columns, `tags` as a dict, `groups` as a list."""
    statement = select(*_EXPORTED).where(where, devices.c.device_id > after).order_by(devices.c.device_id).limit(limit)
    rows = [dict(row) for row in (await session.execute(statement)).mappings()]
    of = {row["device_id"]: row for row in rows}
    for row in rows:
        row.update(status=row["status"].value, tags={}, groups=[])
    given = batch.texts(session)
    bound = {"given": batch.dump(of)}
    tags = select(device_tags).join(given, given.c.value == device_tags.c.device_id).order_by(device_tags.c.name)
    for tag in (await session.execute(tags, bound)).mappings():
        of[tag["device_id"]]["tags"][tag["name"]] = tag["value"]
    groups = select(device_groups).join(given, given.c.value == device_groups.c.device_id)
    for group in (await session.execute(groups.order_by(device_groups.c.name), bound)).mappings():
        of[group["device_id"]]["groups"].append(group["name"])
    return rows
