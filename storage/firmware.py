"""Firmware: immutable artefacts, and the last word of each device about an update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, not_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from fleet.errors import Refused, not_found
from fleet.operation import OperationKind, OperationState
from storage import batch
from storage.db import AnyRow
from storage.selection import Condition
from storage.tables import Firmware, FirmwareState, devices, firmware, firmware_states, operations


async def add(session: AsyncSession, row: Firmware) -> bool:
    """Keep a new artefact. False if the very same one is there. Raises Refused if it would change one."""
    insert = batch.insert(session, firmware).on_conflict_do_nothing().returning(firmware.c.version)
    if (await session.execute(insert, [row.model_dump()])).first():
        return True
    there = await session.get(Firmware, (row.version, row.model))
    if there is None or (there.sha256, there.size, there.url) != (row.sha256, row.size, row.url):
        raise Refused(
            f"Firmware {row.version}{f' for {row.model}' if row.model else ''} exists already with another content "
            "or address. An artefact never changes: choose a new version."
        )
    return False


async def recent(session: AsyncSession, limit: int) -> Sequence[Firmware]:
    """The newest artefacts first."""
    return (await session.scalars(select(Firmware).order_by(firmware.c.added_at.desc()).limit(limit))).all()


async def get(session: AsyncSession, version: str) -> dict[str, Firmware]:
    """The artefacts of one version by model. Raises NotFound naming near ones."""
    if found := (await of_versions(session, [version])).get(version):
        return found
    newest = [each.version for each in await recent(session, 200)]
    raise not_found("firmware", version, newest, "See what there is with /fleet firmware list, or add it.")


async def of_versions(session: AsyncSession, versions: Iterable[str]) -> dict[str, dict[str, Firmware]]:
    """The artefacts of these versions: version -> model -> artefact. One that does not exist is absent."""
    found: dict[str, dict[str, Firmware]] = {}
    for each in await session.scalars(select(Firmware).where(firmware.c.version.in_(set(versions)))):
        found.setdefault(each.version, {})[each.model] = each
    return found


async def without_way_back(session: AsyncSession, where: Condition, version: str) -> int:
    """How many of these devices, of those that do not run `version`, run firmware that is not kept for their model."""
    fits = firmware.c.model.in_((devices.c.model, ""))
    kept = exists().where(firmware.c.version == devices.c.firmware_version, fits)
    statement = (
        select(func.count()).select_from(devices).where(where, devices.c.firmware_version != version, not_(kept))
    )
    return await session.scalar(statement) or 0


async def models(session: AsyncSession, device_ids: Sequence[str]) -> dict[str, str]:
    """The model of each of these devices."""
    given = batch.texts(session)
    statement = select(devices.c.device_id, devices.c.model).join(given, given.c.value == devices.c.device_id)
    return {row.device_id: row.model for row in await session.execute(statement, {"given": batch.dump(device_ids)})}


_SAID: dict[str, TypeEngine[Any]] = {
    "device_id": batch.TEXT,
    "version": batch.TEXT,
    "step": batch.TEXT,
    "progress": batch.FLOAT,
    "error": batch.TEXT,
}


async def told(session: AsyncSession, said: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Keep the last word of devices: one row for each, device_id, version, step, progress (or None), error."""
    given = batch.rows(session, _SAID)
    columns = [*_SAID, "at"]
    picked = select(*(given.c[name] for name in _SAID), batch.moment(now)).where(true())
    insert = batch.insert(session, firmware_states).from_select(columns, picked)
    newer = {name: insert.excluded[name] for name in columns[1:]}
    statement = insert.on_conflict_do_update(index_elements=["device_id"], set_=newer)
    await session.execute(statement, {"given": batch.dump(said)})


async def asked(session: AsyncSession, said: Sequence[Mapping[str, Any]]) -> Sequence[AnyRow]:
    """The updates that devices (device_id, version) were sent and speak of: id, device_id, version, state."""
    given = batch.rows(session, {"device_id": batch.TEXT, "version": batch.TEXT})
    sent = (OperationState.SENT, OperationState.EXPIRED, OperationState.DONE)
    statement = (
        select(operations.c.id, operations.c.device_id, operations.c.version, operations.c.state)
        .join(given, operations.c.device_id == given.c.device_id)
        .where(
            batch.and_not_guessed(
                operations.c.kind == OperationKind.FIRMWARE,
                operations.c.version == given.c.version,
                operations.c.state.in_(sent),
            )
        )
    )
    return (await session.execute(statement, {"given": batch.dump(said)})).all()


async def state(session: AsyncSession, device_id: str) -> FirmwareState | None:
    """The last word of a device about an update; None if it never said one."""
    return await session.get(FirmwareState, device_id)
