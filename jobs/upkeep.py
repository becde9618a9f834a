"""Keeping the house in order: what is bounded is cut back."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from jobs.spec import Run, job
from storage import certificate_requests, dead_letters, diagnostics, event_deliveries, fan_outs, seen_events
from storage.db import CLOCK

log = structlog.get_logger(__name__)

_EVENTS_KEPT = timedelta(days=2)
"""Slack sends an event again within minutes; with delayed events switched on, for a day."""

_REQUESTS_KEPT = timedelta(days=30)
"""What devices asked for certificates; a claim is refused by its time long before its nonce is forgotten."""

_AT_ONCE = 2000


@job("upkeep", every=timedelta(minutes=10))
async def tidy(run: Run) -> datetime | None:
    """Forget what is old: dead letters beyond the number kept, events told and events heard, diagnostics, requests."""
    await _forget_diagnostics(run)
    async with run.db.begin(CLOCK) as session:
        await seen_events.prune(session, run.now - _EVENTS_KEPT)
        await event_deliveries.prune(session, run.now - run.settings.events.keep_for, _AT_ONCE)
        await certificate_requests.prune(session, run.now - _REQUESTS_KEPT)
        gone = await dead_letters.prune(session, run.settings.database.dead_letters_kept)
    if gone:
        log.info("old dead letters forgotten", rows=gone)
    return None


async def _forget_diagnostics(run: Run) -> None:
    before, gone = run.now - run.settings.diagnostics.kept, _AT_ONCE
    while gone == _AT_ONCE:
        async with run.db.begin(CLOCK) as session:
            gone = await diagnostics.prune(session, before, _AT_ONCE)
            await fan_outs.prune(session, before)
