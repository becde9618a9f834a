"""What of the outbox waits for Slack, and what becomes of each message that a replica has taken up to send."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.db import AnyRow, earliest, wake
from storage.tables import outbox, outbox_files

DUE = text("outbox.due_at IS NOT NULL")  # as the partial index has it


def unclaimed(now: datetime) -> ColumnElement[bool]:
    """The condition that no replica is sending it right now."""
    return or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now)


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """What waits to be posted or edited and nobody has claimed, escalations first.

    Columns: id, key, channel, thread_key, message, revision, ts, uncertain, attempts, created_at, wanted_at, fallback,
    moved_from, parent_ts, and file_name of a file. An answer in a thread waits until the thread's first message stands,
    and follows it where that was let in.
    """
    parent = outbox.alias("parent")
    statement = (
        select(
            outbox.c.id,
            outbox.c.key,
            func.coalesce(parent.c.channel, outbox.c.channel).label("channel"),
            outbox.c.thread_key,
            outbox.c.message,
            outbox.c.revision,
            outbox.c.ts,
            outbox.c.uncertain,
            outbox.c.attempts,
            outbox.c.created_at,
            outbox.c.wanted_at,
            outbox.c.fallback,
            outbox.c.moved_from,
            func.coalesce(parent.c.ts, outbox.c.thread_ts).label("parent_ts"),
            outbox_files.c.name.label("file_name"),
        )
        .outerjoin(parent, parent.c.key == outbox.c.thread_key)
        .outerjoin(outbox_files, outbox_files.c.key == outbox.c.key)
        .where(DUE, outbox.c.due_at <= now, unclaimed(now))
        .where(or_(outbox.c.thread_key.is_(None), parent.c.ts.is_not(None)))
        .order_by(outbox.c.priority, outbox.c.due_at, outbox.c.id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def claim(session: AsyncSession, chosen: Sequence[str], now: datetime, by: str, until: datetime) -> set[str]:
    """Take these to send. Returns the ids that are ours; the others were taken by another replica."""
    statement = (
        update(outbox)
        .where(outbox.c.id.in_(chosen), DUE, unclaimed(now))
        .values(claimed_by=by, claimed_until=until, attempts=outbox.c.attempts + 1, uncertain=outbox.c.ts.is_(None))
        .returning(outbox.c.id)
    )
    return set(await session.scalars(statement))


async def release_all(session: AsyncSession, by: str) -> None:
    """Give back everything this replica had claimed before it began anew; what was uncertain stays so."""
    await session.execute(update(outbox).where(outbox.c.claimed_by == by).values(claimed_by=None, claimed_until=None))


async def standing(session: AsyncSession, row: AnyRow, ts: str, channel: str) -> None:
    """Slack shows the revision of this row (id, key, revision) at `ts` of `channel`. A newer one stays due.

    A person's id is not a channel that can be edited in: Slack tells the channel that it has posted into.
    """
    newer = outbox.c.revision > row.revision
    statement = (
        update(outbox)
        .where(outbox.c.id == row.id)
        .values(
            ts=ts,
            channel=channel,
            sent_revision=row.revision,
            attempts=0,
            uncertain=False,
            error="",
            due_at=case((newer, outbox.c.due_at), else_=None),
            claimed_by=None,
            claimed_until=None,
        )
    )
    await session.execute(statement)
    if row.file_name is not None:
        await session.execute(delete(outbox_files).where(outbox_files.c.key == row.key))
    wake(session, "outbox")  # answers in its thread may go now


async def file(session: AsyncSession, key: str) -> bytes:
    """The content of a message's file."""
    return await session.scalar(select(outbox_files.c.content).where(outbox_files.c.key == key)) or b""


async def move(session: AsyncSession, row_id: str, now: datetime) -> None:
    """The channel does not let Muster in: the message goes to its fallback, at once."""
    statement = (
        update(outbox)
        .where(outbox.c.id == row_id, outbox.c.fallback.is_not(None))
        .values(
            moved_from=outbox.c.channel,
            channel=outbox.c.fallback,
            fallback=None,
            thread_ts=None,
            thread_key=None,
            due_at=now,
            uncertain=False,
            claimed_by=None,
            claimed_until=None,
        )
    )
    await session.execute(statement)
    wake(session, "outbox")


async def later(
    session: AsyncSession, row_id: str, due_at: datetime, error: str, *, uncertain: bool, gone: bool = False
) -> None:
    """It was not taken: try again at `due_at`. `gone` forgets the message's `ts`, so that it is posted anew."""
    values: dict[str, Any] = {"due_at": due_at, "error": error, "claimed_by": None, "claimed_until": None}
    values["uncertain"] = uncertain
    if gone:
        values["ts"] = None
    await session.execute(update(outbox).where(outbox.c.id == row_id).values(**values))


async def give_up(session: AsyncSession, row_id: str, error: str) -> None:
    """Nobody wants it any more, or Slack never will: it stays in the table with its error, and is due no more."""
    statement = (
        update(outbox)
        .where(outbox.c.id == row_id)
        .values(due_at=None, error=error, claimed_by=None, claimed_until=None)
    )
    await session.execute(statement)


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next message is due, or its claim runs out. One that waits for its thread is not counted."""
    parent = outbox.alias("parent")
    moment = case((outbox.c.claimed_until.is_(None), outbox.c.due_at), else_=outbox.c.claimed_until)
    statement = (
        select(func.min(moment))
        .outerjoin(parent, parent.c.key == outbox.c.thread_key)
        .where(DUE, or_(outbox.c.thread_key.is_(None), parent.c.ts.is_not(None)))
    )
    return await earliest(session, statement)


async def waiting(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many messages wait for Slack, and since when the oldest does."""
    counted = await session.execute(select(func.count(), func.min(outbox.c.wanted_at)).where(DUE))
    count, oldest = counted.one()
    return count, oldest
