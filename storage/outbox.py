"""Everything that Muster posts on its own account: one row for each message, as it should read now.

    put ──> due, no ts ── posted ──> standing (ts) ── revise ──> due, ts ── edited ──> standing
                 ^                        │ the message was deleted, or cannot be edited any more
                 └────────────────────────┘ (posted anew)

A row is claimed before Slack is called and marked `uncertain` with it: if we never learn whether Slack took the post,
whoever tries next looks for it by its metadata first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.message import Message
from storage import batch, ids
from storage.db import AnyRow, earliest, wake
from storage.tables import outbox

ESCALATION, REPORT = 0, 5
"""Priorities: an escalation overtakes every report that waits."""

_DUE = text("outbox.due_at IS NOT NULL")  # as the partial index has it


async def put(
    session: AsyncSession,
    messages: Mapping[str, Message],
    channel: str,
    now: datetime,
    priority: int = REPORT,
    thread_key: str | None = None,
) -> None:
    """Post each message once under its key; a key that is there already is left as it is."""
    rows = [
        {
            "id": ids.new("ob", now),
            "key": key,
            "channel": channel,
            "thread_key": thread_key,
            "priority": priority,
            "message": message.model_dump_json(),
            "created_at": now,
            "wanted_at": now,
            "due_at": now,
        }
        for key, message in messages.items()
    ]
    if rows:
        await session.execute(batch.insert(session, outbox).on_conflict_do_nothing(index_elements=["key"]), rows)
        wake(session, "outbox")


async def revise(
    session: AsyncSession, messages: Mapping[str, Message], now: datetime, after: timedelta = timedelta(0)
) -> None:
    """Let the messages under these keys read so from now on. Edits that pile up before Slack takes them become one.

    `after` keeps the edit back for so long, that more may pile up; one that waits after a failure is not hurried.
    """
    if not messages:
        return
    soon = batch.moment(now + after)
    hurried = and_(outbox.c.attempts == 0, outbox.c.due_at > soon)
    given = batch.rows(session, {"key": batch.TEXT, "message": batch.TEXT})
    statement = (
        update(outbox)
        .where(outbox.c.key == given.c.key)
        .values(
            message=given.c.message,
            revision=outbox.c.revision + 1,
            due_at=case((outbox.c.due_at.is_(None), soon), (hurried, soon), else_=outbox.c.due_at),
            wanted_at=case((outbox.c.due_at.is_(None), batch.moment(now)), else_=outbox.c.wanted_at),
        )
    )
    rows = ({"key": key, "message": message.model_dump_json()} for key, message in messages.items())
    await session.execute(statement, {"given": batch.dump(rows)})
    wake(session, "outbox")


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """What waits to be posted or edited and nobody has claimed, escalations first.

    Columns: id, key, channel, thread_key, message, revision, ts, uncertain, attempts, created_at, wanted_at, and
    parent_ts. An answer in a thread waits until the thread's first message stands.
    """
    parent = outbox.alias("parent")
    statement = (
        select(
            outbox.c.id,
            outbox.c.key,
            outbox.c.channel,
            outbox.c.thread_key,
            outbox.c.message,
            outbox.c.revision,
            outbox.c.ts,
            outbox.c.uncertain,
            outbox.c.attempts,
            outbox.c.created_at,
            outbox.c.wanted_at,
            parent.c.ts.label("parent_ts"),
        )
        .outerjoin(parent, parent.c.key == outbox.c.thread_key)
        .where(_DUE, outbox.c.due_at <= now, _unclaimed(now))
        .where(or_(outbox.c.thread_key.is_(None), parent.c.ts.is_not(None)))
        .order_by(outbox.c.priority, outbox.c.due_at, outbox.c.id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def claim(session: AsyncSession, chosen: Sequence[str], now: datetime, by: str, until: datetime) -> set[str]:
    """Take these to send. Returns the ids that are ours; the others were taken by another replica."""
    statement = (
        update(outbox)
        .where(outbox.c.id.in_(chosen), _DUE, _unclaimed(now))
        .values(claimed_by=by, claimed_until=until, attempts=outbox.c.attempts + 1, uncertain=outbox.c.ts.is_(None))
        .returning(outbox.c.id)
    )
    return set(await session.scalars(statement))


async def release_all(session: AsyncSession, by: str) -> None:
    """Give back everything this replica had claimed before it began anew; what was uncertain stays so."""
    await session.execute(update(outbox).where(outbox.c.claimed_by == by).values(claimed_by=None, claimed_until=None))


async def standing(session: AsyncSession, row_id: str, revision: int, ts: str) -> None:
    """Slack shows this revision at `ts`. A newer one stays due."""
    newer = outbox.c.revision > revision
    statement = (
        update(outbox)
        .where(outbox.c.id == row_id)
        .values(
            ts=ts,
            sent_revision=revision,
            attempts=0,
            uncertain=False,
            error="",
            due_at=case((newer, outbox.c.due_at), else_=None),
            claimed_by=None,
            claimed_until=None,
        )
    )
    await session.execute(statement)
    wake(session, "outbox")  # answers in its thread may go now


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
        .where(_DUE, or_(outbox.c.thread_key.is_(None), parent.c.ts.is_not(None)))
    )
    return await earliest(session, statement)


async def waiting(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many messages wait for Slack, and since when the oldest does."""
    counted = await session.execute(select(func.count(), func.min(outbox.c.wanted_at)).where(_DUE))
    count, oldest = counted.one()
    return count, oldest


def _unclaimed(now: datetime) -> Any:
    return or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now)
