"""Devices on their way out, until the export of their data is certain. The drawing is in fleet/decommission.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.decommission import CERTAIN, ExportState
from fleet.event import EventType
from fleet.lifecycle import DeviceStatus
from storage import batch, events, ids
from storage.columns import iso
from storage.db import AnyRow, wake
from storage.tables import (
    OPEN_DECOMMISSION,
    Decommission,
    billing_ledger,
    decommissions,
    device_groups,
    device_tags,
    devices,
    transitions,
)

_OPEN = text(OPEN_DECOMMISSION)  # as the partial index has it


async def begin(
    session: AsyncSession, device_ids: Sequence[str], by: str, why: str, now: datetime, *, store: bool
) -> None:
    """These devices are to go. With a telemetry `store` it is asked for its export; else ours is made and verified.

    A device that is on its way out already stays as it is.
    """
    own = {} if store else await _exports(session, device_ids)
    state = ExportState.WAITING if store else ExportState.VERIFIED
    settled = {} if store else {"settled_at": now, "settled_by": "muster"}
    row = {"state": state, "requested_by": by, "requested_at": now, "why": why, **settled}
    rows = [{**row, "id": ids.new("dx", now), "device_id": each, **own.get(each, {})} for each in device_ids]
    if not rows:
        return
    statement = batch.insert(session, decommissions).on_conflict_do_nothing().returning(decommissions.c.device_id)
    new = set(await session.scalars(statement, rows))
    if store:
        asked = {"requested_by": by, "requested_at": iso(now), "why": why}
        await events.emit_many(session, EventType.EXPORT_REQUESTED, dict.fromkeys(sorted(new), asked), now)


async def _exports(session: AsyncSession, device_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """All that the registry knows of each device, as JSON that was read back, with its digest."""
    told: dict[str, dict[str, Any]] = {each: {} for each in device_ids}
    given = batch.texts(session)
    bound = {"given": batch.dump(device_ids)}
    for name, table in (
        *(("devices", devices), ("tags", device_tags), ("groups", device_groups)),
        *(("transitions", transitions), ("billing", billing_ledger)),
    ):
        statement = select(table).join(given, given.c.value == table.c.device_id)
        for row in (await session.execute(statement, bound)).mappings():
            told[row["device_id"]].setdefault(name, []).append(dict(row))
    return {device_id: _verified(device_id, rows) for device_id, rows in told.items()}


def _verified(device_id: str, rows: Mapping[str, Any]) -> dict[str, str]:
    export = json.dumps(rows, default=_plain, sort_keys=True, separators=(",", ":"))
    assert json.loads(export)["devices"][0]["device_id"] == device_id  # what is kept can be read again
    return {"export": export, "export_sha256": hashlib.sha256(export.encode()).hexdigest()}


def _plain(value: object) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)


async def certain(session: AsyncSession, device_ids: Sequence[str]) -> set[str]:
    """Those of the devices that are on their way out and whose export is certain."""
    given = batch.texts(session)
    statement = (
        select(decommissions.c.device_id)
        .join(given, given.c.value == decommissions.c.device_id)
        .where(_OPEN, decommissions.c.state.in_(CERTAIN))
    )
    return set(await session.scalars(statement, {"given": batch.dump(device_ids)}))


async def settle(
    session: AsyncSession,
    device_ids: Sequence[str],
    to: ExportState,
    by: str,
    now: datetime,
    *,
    why: str = "",
    ref: str = "",
) -> list[str]:
    """The wait of these devices is over: CONFIRMED (with what the store calls its copy), OVERRIDDEN or CANCELLED.

    Returns those that did wait. A confirmed device is decommissioned by the job that this wakes.
    """
    done = {"done_at": now} if to is ExportState.CANCELLED else {}
    given = batch.texts(session)
    statement = (
        update(decommissions)
        .where(
            decommissions.c.device_id == given.c.value,
            batch.and_not_guessed(_OPEN, decommissions.c.state == ExportState.WAITING),
        )
        .values(state=to, settled_by=by, settled_at=now, settled_why=why, export_ref=ref, **done)
        .returning(decommissions.c.device_id)
    )
    settled = sorted(await session.scalars(statement, {"given": batch.dump(device_ids)}))
    wake(session, "decommissions")
    return settled


async def done(session: AsyncSession, device_ids: Sequence[str], now: datetime) -> None:
    """These devices are decommissioned."""
    given = batch.texts(session)
    statement = update(decommissions).where(decommissions.c.device_id == given.c.value, batch.and_not_guessed(_OPEN))
    await session.execute(statement.values(done_at=now), {"given": batch.dump(device_ids)})


async def ready(session: AsyncSession, limit: int) -> Sequence[AnyRow]:
    """Active devices whose export is certain and that are still here: device_id, requested_by, why, site."""
    statement = (
        select(decommissions.c.device_id, decommissions.c.requested_by, decommissions.c.why)
        .join(devices, devices.c.device_id == decommissions.c.device_id)
        .where(_OPEN, decommissions.c.state.in_(CERTAIN), devices.c.status == DeviceStatus.ACTIVE)
        .order_by(decommissions.c.requested_by, decommissions.c.why, decommissions.c.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def of_device(session: AsyncSession, device_id: str) -> Decommission | None:
    """The newest decommission of a device, done or not."""
    statement = (
        select(Decommission)
        .where(decommissions.c.device_id == device_id)
        .order_by(decommissions.c.requested_at.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).first()
