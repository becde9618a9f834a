"""When jobs on their own clock are due, kept across restarts: a sweep due while Muster was down runs at its start."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import batch
from storage.db import wake
from storage.tables import schedule

SWEEP = "drift sweep"
AUDIT_HEAD = "audit head"


async def due_at(session: AsyncSession, name: str, now: datetime) -> datetime:
    """When the named work is due; `now` if it never ran."""
    return await session.scalar(select(schedule.c.due_at).where(schedule.c.name == name)) or now


async def ran(session: AsyncSession, name: str, now: datetime, next_due: datetime) -> None:
    """It ran at `now` and is due again at `next_due`."""
    row = {"name": name, "due_at": next_due, "ran_at": now}
    statement = batch.insert(session, schedule).values(**row)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"due_at": next_due, "ran_at": now})
    )


async def bring_forward(session: AsyncSession, name: str, now: datetime) -> None:
    """Make it due at `now`, if it was due later, and wake it."""
    await session.execute(update(schedule).where(schedule.c.name == name, schedule.c.due_at > now).values(due_at=now))
    wake(session, name)
