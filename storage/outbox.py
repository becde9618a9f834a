"""Everything that Muster posts on its own account: one row for each message, as it should read now.

    put ──> due, no ts ── posted ──> standing (ts) ── revise ──> due, ts ── edited ──> standing
                 ^                        │ the message was deleted, or cannot be edited any more
                 └────────────────────────┘ (posted anew)

A row is claimed before Slack is called and marked `uncertain` with it: if we never learn whether Slack took the post,
whoever tries next looks for it by its metadata first. A message may be a file (`attach`), which is found again by its
name, and has its id for a `ts`: it is posted once and never edited. Here is what others want said;
what becomes of a row from its claim on is in storage/outbox_sending.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, insert, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.message import Message
from storage import batch, ids
from storage.db import wake
from storage.outbox_sending import unclaimed
from storage.tables import outbox, outbox_files

ESCALATION, ANSWER, REPORT = 0, 2, 5
"""Priorities: an escalation overtakes every report that waits, and so does what a person has just asked for."""


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


async def withdraw(session: AsyncSession, keys: Sequence[str], now: datetime) -> None:
    """What of these was not posted, and is not being posted right now, is not to be posted any more."""
    if not keys:
        return
    given = batch.texts(session)
    statement = (
        update(outbox)
        .where(outbox.c.key == given.c.value, batch.and_not_guessed(outbox.c.ts.is_(None), unclaimed(now)))
        .values(due_at=None, error="nobody needs it any more")
    )
    await session.execute(statement, {"given": batch.dump(keys)})


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
