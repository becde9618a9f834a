"""The one path to a device: whatever is asked of one is an operation, and only this sends operations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from fleet.operation import OperationState
from jobs.dispatch import BY_KIND
from jobs.spec import Dispatch, Run, job
from link.publish import Outgoing
from storage import campaign_turns, fences, operations
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

_BATCH = 500
_BROKER_AWAY = timedelta(seconds=2)


@job("delivery", every=timedelta(seconds=30), woken_by=("operations",))
async def send(run: Run) -> datetime | None:
    """Send what is queued for devices."""
    until = run.now + run.settings.database.claim_for
    messages: dict[str, Outgoing] = {}
    async with run.db.begin(CLOCK) as session:
        for dispatch, over in _by_kind(await operations.expire(session, run.now, _BATCH)):
            await dispatch.expired(run, session, over)
        connected = run.publish.connected
        claimed = await operations.claim(session, run.now, run.replica, until, _BATCH) if connected else ()
        unwanted = await campaign_turns.unwanted(session, claimed)
        for dispatch, rows in _by_kind([row for row in claimed if row.id not in unwanted]):
            messages |= await dispatch.messages(run, session, rows)
        if left_out := [row.id for row in claimed if row.id not in messages]:
            await operations.close(session, left_out, OperationState.CANCELLED, run.now)
    if messages:
        await _send(run, [row for row in claimed if row.id in messages], messages)
    if not connected:
        return run.now + _BROKER_AWAY
    async with run.db.read() as session:
        # Lifting the fence wakes this job: until then nothing is due.
        return None if await fences.standing(session) else await operations.next_due(session)


async def _send(run: Run, claimed: Sequence[AnyRow], messages: Mapping[str, Outgoing]) -> None:
    async def may() -> bool:
        async with run.db.read() as session:
            return await fences.standing(session) is None

    outcomes = await run.publish.publish_many([messages[row.id] for row in claimed], may)
    left_at = run.clock()  # not when the run began: what is timed from a send must not come too early
    sent = [row for row, outcome in zip(claimed, outcomes, strict=True) if outcome.sent]
    unsent = [row.id for row, outcome in zip(claimed, outcomes, strict=True) if not outcome.sent]
    async with run.db.begin(CLOCK) as session:
        if sent:
            await operations.sent(session, [{"id": row.id, "attempt": row.attempt} for row in sent], left_at)
            for dispatch, rows in _by_kind(sent):
                await dispatch.sent(run, session, rows)
        if unsent:
            await operations.release(session, unsent, run.replica, run.now + _BROKER_AWAY)
    if unsent:
        why = next(outcome.reason for outcome in outcomes if not outcome.sent)
        log.warning("not everything could be sent, tried again soon", unsent=len(unsent), sent=len(sent), why=why)


def _by_kind(rows: Sequence[AnyRow]) -> Iterator[tuple[Dispatch, list[AnyRow]]]:
    """The rows of each kind, with how that kind is sent."""
    for kind, dispatch in BY_KIND.items():
        if of_kind := [row for row in rows if row.kind is kind]:
            yield dispatch, of_kind
