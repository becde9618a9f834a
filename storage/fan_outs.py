"""Questions to many devices at once: which of them were taken up, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.diagnostics import RequestState
from fleet.lifecycle import DeviceStatus
from fleet.selector import Selector
from storage.db import AnyRow, earliest, wake
from storage.selection import condition
from storage.tables import devices, diagnostics, fan_outs

NOT_ASKED = (DeviceStatus.MANUFACTURED, DeviceStatus.DECOMMISSIONED)
"""There is nobody at the other end."""

_DUE = text("fan_outs.due_at IS NOT NULL")  # as the partial index has it


def message_key(fan_out_id: str) -> str:
    """The outbox key of its message."""
    return f"fan-out:{fan_out_id}"


async def begin(session: AsyncSession, fan_out: Mapping[str, Any]) -> None:
    """Insert one (columns of `fan_outs`), and wake whoever asks the devices."""
    await session.execute(insert(fan_outs), [dict(fan_out)])
    wake(session, "fan-outs")


async def running(session: AsyncSession) -> int:
    """How many are under way."""
    return await session.scalar(select(func.count()).select_from(fan_outs).where(_DUE)) or 0


async def count(session: AsyncSession, selector: Selector, now: datetime, online_within: timedelta) -> int:
    """How many devices a selector means that there is somebody at the other end of."""
    where = await condition(session, selector, now, online_within)
    statement = select(func.count()).select_from(devices).where(where, devices.c.status.not_in(NOT_ASKED))
    return await session.scalar(statement) or 0


async def targets(
    session: AsyncSession, selector: Selector, now: datetime, online_within: timedelta, after: str, limit: int
) -> Sequence[AnyRow]:
    """The next of them in order of id: device_id, model, last_seen_at."""
    where = await condition(session, selector, now, online_within)
    statement = (
        select(devices.c.device_id, devices.c.model, devices.c.last_seen_at)
        .where(where, devices.c.status.not_in(NOT_ASKED), devices.c.device_id > after)
        .order_by(devices.c.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Those to look at, as whole rows."""
    statement = select(*fan_outs.c).where(_DUE, fan_outs.c.due_at <= now).order_by(fan_outs.c.due_at).limit(limit)
    return (await session.execute(statement)).all()


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next one is to be looked at."""
    return await earliest(session, select(func.min(fan_outs.c.due_at)).where(_DUE))


async def move(session: AsyncSession, row: AnyRow, now: datetime, **values: Any) -> bool:
    """Change one that still stands as in `row`. False: another replica was faster."""
    stands = (fan_outs.c.id == row.id, fan_outs.c.after == row.after, fan_outs.c.closed_at.is_(None))
    statement = update(fan_outs).where(*stands, _DUE, fan_outs.c.due_at <= now).values(**values)
    return bool((await session.execute(statement.returning(fan_outs.c.id))).first())


async def prune(session: AsyncSession, before: datetime) -> None:
    """Forget those that were closed before and have no requests any more."""
    left = select(diagnostics.c.id).where(diagnostics.c.fan_out_id == fan_outs.c.id).exists()
    await session.execute(delete(fan_outs).where(fan_outs.c.closed_at < before, ~left))


def request(row: AnyRow, target: AnyRow, request_id: str, online: bool, now: datetime, **times: Any) -> dict[str, Any]:
    """The request to one of the devices: columns of `diagnostics`."""
    return {
        "id": request_id,
        "kind": row.kind,
        "device_id": target.device_id,
        "model": target.model,
        "state": RequestState.ASKED if online else RequestState.OFFLINE,
        "params": row.params,
        "requested_by": row.requested_by,
        "channel": "",
        "fan_out_id": row.id,
        "created_at": now,
        **times,
    }
