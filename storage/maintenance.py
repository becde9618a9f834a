"""Maintenance windows of devices: planned, running, over. The drawing is in fleet/maintenance.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.lifecycle import DeviceStatus
from fleet.maintenance import WindowState
from storage import batch, ids
from storage.columns import iso
from storage.db import AnyRow, earliest, wake
from storage.tables import OPEN_WINDOW, devices, maintenance_windows

_OPEN = text(OPEN_WINDOW)  # as the partial indexes have it
_DUE = text("due_at IS NOT NULL")

_SHOWN = (
    *(maintenance_windows.c.id, maintenance_windows.c.device_id, maintenance_windows.c.state),
    *(maintenance_windows.c.starts_at, maintenance_windows.c.ends_at, maintenance_windows.c.zone),
    *(maintenance_windows.c.why, maintenance_windows.c.requested_by),
    *(maintenance_windows.c.began_at, maintenance_windows.c.ended_at, maintenance_windows.c.ended_by),
)


async def plan(session: AsyncSession, planned: Sequence[Mapping[str, Any]], by: str, now: datetime) -> list[AnyRow]:
    """Plan windows: rows of device_id, starts_at, ends_at, zone, why. Returns those that were made.

    A device that has a window which is not over gets no second one, and one that is decommissioned none.
    """
    given = batch.texts(session)
    gone = (
        select(devices.c.device_id)
        .join(given, given.c.value == devices.c.device_id)
        .where(devices.c.status == DeviceStatus.DECOMMISSIONED)
    )
    left = set(await session.scalars(gone, {"given": batch.dump(each["device_id"] for each in planned)}))
    planned = [each for each in planned if each["device_id"] not in left]
    if not planned:
        return []
    own = {"state": WindowState.PLANNED, "requested_by": by, "created_at": now}
    rows = [{**own, "id": ids.new("mw", now), "due_at": each["starts_at"], **each} for each in planned]
    statement = batch.insert(session, maintenance_windows).on_conflict_do_nothing().returning(*_SHOWN)
    made = list((await session.execute(statement, rows)).all())
    wake(session, "maintenance")
    return made


async def began(session: AsyncSession, device_ids: Sequence[str], now: datetime) -> Sequence[AnyRow]:
    """The planned windows of these devices run from now on."""
    values = {"state": WindowState.RUNNING, "began_at": now, "due_at": maintenance_windows.c.ends_at}
    return await _move(session, device_ids, WindowState.PLANNED, values)


async def ended(session: AsyncSession, device_ids: Sequence[str], by: str, now: datetime) -> Sequence[AnyRow]:
    """The running windows of these devices are over."""
    wake(session, "windows over")
    return await _move(session, device_ids, WindowState.RUNNING, _closed(WindowState.OVER, by, now))


async def cancelled(
    session: AsyncSession, device_ids: Sequence[str], by: str, now: datetime, to: WindowState = WindowState.CANCELLED
) -> Sequence[AnyRow]:
    """The planned windows of these devices will not run: CANCELLED, or MISSED."""
    return await _move(session, device_ids, WindowState.PLANNED, _closed(to, by, now))


def _closed(state: WindowState, by: str, now: datetime) -> dict[str, Any]:
    return {"state": state, "ended_at": now, "ended_by": by, "due_at": None}


async def _move(
    session: AsyncSession, device_ids: Sequence[str], before: WindowState, values: Mapping[str, Any]
) -> Sequence[AnyRow]:
    given = batch.texts(session)
    statement = (
        update(maintenance_windows)
        .where(
            maintenance_windows.c.device_id == given.c.value,
            batch.and_not_guessed(_OPEN, maintenance_windows.c.state == before),
        )
        .values(**values)
        .returning(*_SHOWN)
    )
    moved = (await session.execute(statement, {"given": batch.dump(device_ids)})).all()
    wake(session, "maintenance")
    return moved


async def extend(session: AsyncSession, window_id: str, ends_at: datetime) -> AnyRow | None:
    """Let an open window end at another moment. None if it is not open any more."""
    running = maintenance_windows.c.state == WindowState.RUNNING
    statement = (
        update(maintenance_windows)
        .where(maintenance_windows.c.id == window_id, _OPEN)
        .values(ends_at=ends_at, due_at=case((running, batch.moment(ends_at)), else_=maintenance_windows.c.due_at))
        .returning(*_SHOWN)
    )
    wake(session, "maintenance")
    return (await session.execute(statement)).first()


async def open_of(session: AsyncSession, device_ids: Sequence[str]) -> dict[str, AnyRow]:
    """The window of each of these devices that is not over, by device."""
    given = batch.texts(session)
    statement = select(*_SHOWN).join(given, given.c.value == maintenance_windows.c.device_id).where(_OPEN)
    rows = await session.execute(statement, {"given": batch.dump(device_ids)})
    return {row.device_id: row for row in rows}


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Windows that are to start or to end, the earliest first."""
    due_at = maintenance_windows.c.due_at
    statement = select(*_SHOWN).where(_DUE, due_at <= now).order_by(due_at).limit(limit)
    return (await session.execute(statement)).all()


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next window starts or ends."""
    return await earliest(session, select(func.min(maintenance_windows.c.due_at)).where(_DUE))


async def to_summarise(session: AsyncSession, limit: int) -> Sequence[AnyRow]:
    """Windows that are over, and of which nobody was told yet what they kept from people; the earliest first."""
    over = text("state = 'over' AND summarised_at IS NULL")  # as the partial index has it
    statement = select(*_SHOWN).where(over).order_by(maintenance_windows.c.ended_at).limit(limit)
    return (await session.execute(statement)).all()


async def summarised(session: AsyncSession, window_ids: Sequence[str], now: datetime) -> None:
    """People were told what these windows kept from them."""
    statement = update(maintenance_windows).where(maintenance_windows.c.id.in_(window_ids))
    await session.execute(statement.values(summarised_at=now))


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
