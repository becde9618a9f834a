"""Everything that Muster says on its own account goes to Slack from here: paced, in order, again until it stands."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.message import Message
from jobs.ports import Delivered, Gone, Letter, NoEntry, NotYet, Stands
from jobs.spec import Run, job
from storage import outbox, outbox_sending
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

_LOOKED_AT = 200
_AT_ONCE = 20
_LONGEST_WAIT = timedelta(minutes=5)


@job("outbox", every=timedelta(seconds=15), woken_by=("outbox",))
async def post(run: Run) -> datetime | None:
    """Post and edit what waits for Slack, as fast as Slack allows, escalations first."""
    async with run.db.read() as session:
        waiting = await outbox_sending.due(session, run.now, _LOOKED_AT)
    chosen, free_at = _within_pace(run, waiting)
    if chosen:
        until = run.now + run.settings.database.claim_for
        async with run.db.begin(CLOCK) as session:
            ours = await outbox_sending.claim(session, [row.id for row in chosen], run.now, run.replica, until)
        by_channel: dict[str, list[AnyRow]] = defaultdict(list)
        for row in chosen:
            if row.id in ours:
                by_channel[row.channel].append(row)
        await asyncio.gather(*(_in_order(run, rows) for rows in by_channel.values()))
    if free_at or len(waiting) == _LOOKED_AT:
        return free_at or run.now
    async with run.db.read() as session:
        return await outbox_sending.next_due(session)


def _within_pace(run: Run, waiting: Sequence[AnyRow]) -> tuple[list[AnyRow], datetime | None]:
    """What may go now, and when the rest may."""
    chosen: list[AnyRow] = []
    free_at: datetime | None = None
    for row in waiting:
        if len(chosen) == _AT_ONCE:
            return chosen, run.now
        free = run.deliver.take_turn(row.channel, row.ts is not None, run.now)
        if free <= run.now:
            chosen.append(row)
        else:
            free_at = min(free_at or free, free)
    return chosen, free_at


async def _in_order(run: Run, rows: Sequence[AnyRow]) -> None:
    for row in rows:
        letter = await _letter(run, row)
        outcome = await _deliver(run, row, letter)
        await _record(run, row, outcome)


async def _letter(run: Run, row: AnyRow) -> Letter:
    late = run.now - row.wanted_at
    file = None
    if row.file_name is not None:
        async with run.db.read() as session:
            file = outbox.Attachment(row.file_name, await outbox_sending.file(session, row.key))
    return Letter(
        key=row.key,
        channel=row.channel,
        message=Message.model_validate_json(row.message),
        ts=row.ts,
        thread_ts=row.parent_ts,
        late=late if late >= run.settings.slack.say_late_after and row.ts is None else None,
        moved_from=row.moved_from,
        file=file,
    )


async def _deliver(run: Run, row: AnyRow, letter: Letter) -> Delivered:
    if row.uncertain and row.ts is None:
        found = await run.deliver.find(letter, row.created_at)
        if isinstance(found, NotYet):
            return found
        if isinstance(found, Stands):
            # What stands there may be an older revision of it.
            edited = row.revision > 1 and letter.file is None
            return await run.deliver.deliver(replace(letter, ts=found.ts, late=None), run.now) if edited else found
    return await run.deliver.deliver(letter, run.now)


async def _record(run: Run, row: AnyRow, outcome: Delivered) -> None:
    async with run.db.begin(CLOCK) as session:
        match outcome:
            case Stands(ts=ts, channel=channel):
                await outbox_sending.standing(session, row, ts, channel or row.channel)
            case NoEntry(why=why) if row.fallback is not None:
                log.info("a channel does not let Muster in, the person is told directly", key=row.key, why=why)
                await outbox_sending.move(session, row.id, run.now)
            case Gone(why=why):
                log.info("a message is gone and is posted anew", key=row.key, why=why)
                await outbox_sending.later(session, row.id, run.now, why, uncertain=False, gone=True)
            case NoEntry(why=why):
                await _try_later(run, session, row, NotYet(why))
            case NotYet():
                await _try_later(run, session, row, outcome)


async def _try_later(run: Run, session: AsyncSession, row: AnyRow, outcome: NotYet) -> None:
    if run.now - row.wanted_at > run.settings.slack.give_up_after:
        log.error("a message was given up", key=row.key, why=outcome.why)
        await outbox_sending.give_up(session, row.id, outcome.why)
        return
    wait = outcome.after or run.backoff(row.attempts, _LONGEST_WAIT)
    log.warning("Slack did not take a message", key=row.key, why=outcome.why, again_in=str(wait))
    await outbox_sending.later(session, row.id, run.now + wait, outcome.why, uncertain=outcome.uncertain)
