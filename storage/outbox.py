"""Everything that Muster posts on its own account: one row for each message, as it should read now.

    put ──> due, no ts ── posted ──> standing (ts) ── revise ──> due, ts ── edited ──> standing
                 ^                        │ the message was deleted, or cannot be edited any more
                 └────────────────────────┘ (posted anew)

A row is claimed before Slack is called and marked `uncertain` with it: if we never learn whether Slack took the post,
whoever tries next looks for it by its metadata first. A message may be a file (`attach`), which is found again by its
name, and has its id for a `ts`: it is posted once and never edited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.message import Message
from storage import batch, ids
from storage.db import AnyRow, earliest, wake
from storage.tables import outbox, outbox_files

ESCALATION, ANSWER, REPORT = 0, 2, 5
"""Priorities: an escalation overtakes every report that waits, and so does what a person has just asked for."""

DUE = text("outbox.due_at IS NOT NULL")  # as the partial index has it


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person asked: a channel, and the thread there that the answer belongs into, if any.

    If the channel does not let Muster in, what is meant for it goes to the person instead.
    """

    channel: str
    thread_ts: str | None
    person: str


async def put(
    session: AsyncSession,
    messages: Mapping[str, Message],
    channel: str,
    now: datetime,
    priority: int = REPORT,
    thread_key: str | None = None,
) -> None:
    """Post each message once under its key, not before `now`; a key that is there already is left as it is."""
    rows = [
        {**_row(key, message, channel, now, priority), "thread_key": thread_key} for key, message in messages.items()
    ]
    if rows:
        await session.execute(batch.insert(session, outbox).on_conflict_do_nothing(index_elements=["key"]), rows)
        wake(session, "outbox")


async def answer(
    session: AsyncSession, key: str, message: Message, place: Place, now: datetime, after: timedelta = timedelta(0)
) -> None:
    """Post once under its key what a person waits for, where they asked; `after` a moment, or once it is revised."""
    row = _row(key, message, place.channel, now, ANSWER)
    row |= {"thread_ts": place.thread_ts, "fallback": place.person, "due_at": now + after}
    await session.execute(batch.insert(session, outbox).on_conflict_do_nothing(index_elements=["key"]), [row])
    wake(session, "outbox")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in full. Its name is unique, since the post is found again by it."""

    name: str
    content: bytes


async def attach(
    session: AsyncSession,
    files: Mapping[str, tuple[Attachment, Message]],
    place: Place,
    now: datetime,
    thread_key: str | None = None,
) -> None:
    """Post each file once under its key, with what is said to it: in the thread of `place`, or of our `thread_key`."""
    for key, (file, message) in files.items():
        row = _row(key, message, place.channel, now, ANSWER)
        row |= {"thread_ts": place.thread_ts, "fallback": place.person}
        row["thread_key"] = None if place.thread_ts else thread_key
        statement = batch.insert(session, outbox).on_conflict_do_nothing(index_elements=["key"]).returning(outbox.c.key)
        if await session.scalar(statement, [row]):
            await session.execute(
                insert(outbox_files), [{"key": key, "name": file.name[-200:], "content": file.content}]
            )
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
    # What was not posted yet waits for a moment of its own, such as a morning; but for a question that is answered.
    free = or_(outbox.c.ts.is_not(None), outbox.c.priority == ANSWER)
    hurried = and_(outbox.c.attempts == 0, outbox.c.due_at > soon, free)
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
        .where(DUE, outbox.c.due_at <= now, _unclaimed(now))
        .where(or_(outbox.c.thread_key.is_(None), parent.c.ts.is_not(None)))
        .order_by(outbox.c.priority, outbox.c.due_at, outbox.c.id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def claim(session: AsyncSession, chosen: Sequence[str], now: datetime, by: str, until: datetime) -> set[str]:
    """Take these to send. Returns the ids that are ours; the others were taken by another replica."""
    statement = (
        update(outbox)
        .where(outbox.c.id.in_(chosen), DUE, _unclaimed(now))
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


async def withdraw(session: AsyncSession, keys: Sequence[str], now: datetime) -> None:
    """What of these was not posted, and is not being posted right now, is not to be posted any more."""
    if not keys:
        return
    given = batch.texts(session)
    statement = (
        update(outbox)
        .where(outbox.c.key == given.c.value, batch.and_not_guessed(outbox.c.ts.is_(None), _unclaimed(now)))
        .values(due_at=None, error="nobody needs it any more")
    )
    await session.execute(statement, {"given": batch.dump(keys)})


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


def _row(key: str, message: Message, channel: str, now: datetime, priority: int) -> dict[str, Any]:
    return {
        "id": ids.new("ob", now),
        "key": key,
        "channel": channel,
        "priority": priority,
        "message": message.model_dump_json(),
        "created_at": now,
        "wanted_at": now,
        "due_at": now,
    }


def _unclaimed(now: datetime) -> Any:
    return or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now)
