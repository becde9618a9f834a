"""Other systems are told what happened: every event to each endpoint that wants it, at least once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from fleet.event import DeliveryState
from fleet.settings import EndpointSettings
from jobs.ports import Notice, Taken, Untaken
from jobs.spec import Run, job
from storage import event_deliveries, schedule
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

_ROUTED_AT_ONCE = 1000


@job("events", every=timedelta(seconds=30), woken_by=("events",))
async def tell(run: Run) -> datetime | None:
    """Tell other systems what happened, and try again where they did not take it."""
    routed = await _route(run)
    due = await asyncio.gather(*(_serve(run, each) for each in run.settings.events.endpoints))
    moments = [moment for moment in due if moment is not None]
    return run.now if routed == _ROUTED_AT_ONCE else min(moments, default=None)


async def _route(run: Run) -> int:
    async with run.db.read() as session:
        if not await event_deliveries.any_unrouted(session):
            return 0
    wishes = {each.name: each.types for each in run.settings.events.endpoints}
    async with run.db.begin(CLOCK) as session:
        return await event_deliveries.route(session, wishes, run.now, _ROUTED_AT_ONCE)


async def _serve(run: Run, endpoint: EndpointSettings) -> datetime | None:
    """Send what is due to one endpoint. Returns when to come again."""
    policy = run.settings.events
    async with run.db.read() as session:
        if (pause := await schedule.due_at(session, _pause(endpoint), run.now)) > run.now:
            return pause
        due = await event_deliveries.next_due(session, endpoint.name)
    if due is None or due > run.now:
        return due
    until = run.now + max(run.settings.database.claim_for, 2 * policy.timeout)
    async with run.db.begin(CLOCK) as session:
        rows = await event_deliveries.claim(session, endpoint.name, run.now, run.replica, until, policy.at_once)
    answers = await asyncio.gather(*(run.tell.tell(endpoint, _notice(row), run.now) for row in rows))
    return await _record(run, endpoint, rows, answers)


def _notice(row: AnyRow) -> Notice:
    return Notice(row.id, row.seq, row.type, row.subject, row.at, row.data)


async def _record(
    run: Run, endpoint: EndpointSettings, rows: Sequence[AnyRow], answers: Sequence[Taken | Untaken]
) -> datetime | None:
    settled = [_settled(run, row, answer) for row, answer in zip(rows, answers, strict=True)]
    paused = [
        row["due_at"]
        for row, answer in zip(settled, answers, strict=True)
        if isinstance(answer, Untaken) and answer.all
    ]
    async with run.db.begin(CLOCK) as session:
        await event_deliveries.settle(session, endpoint.name, settled, run.now)
        if paused:
            await schedule.ran(session, _pause(endpoint), run.now, max(paused))
        due = await event_deliveries.next_due(session, endpoint.name)
    if untaken := [answer for answer in answers if isinstance(answer, Untaken)]:
        log.warning("an endpoint did not take events", endpoint=endpoint.name, count=len(untaken), why=untaken[0].why)
    return max(paused) if paused else due


def _settled(run: Run, row: AnyRow, answer: Taken | Untaken) -> dict[str, Any]:
    policy = run.settings.events
    kept = {"seq": row.seq, "due_at": run.now, "error": ""}
    if isinstance(answer, Taken):
        return {**kept, "state": DeliveryState.DELIVERED}
    kept["error"] = answer.why
    if answer.gone or run.now - row.since >= policy.give_up_after:
        log.error("an event was given up", event_id=row.id, type=row.type, subject=row.subject, why=answer.why)
        return {**kept, "state": DeliveryState.DEAD}
    wait = answer.after or run.backoff(row.attempts, policy.longest_wait)
    return {**kept, "state": DeliveryState.PENDING, "due_at": run.now + wait}


def _pause(endpoint: EndpointSettings) -> str:
    """The name under which it is kept until when nothing is sent to an endpoint."""
    return f"events to {endpoint.name}"
