"""Keeping the house in order: what is bounded is cut back."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from jobs.spec import Run, job
from storage import dead_letters
from storage.db import CLOCK

log = structlog.get_logger(__name__)


@job("upkeep", every=timedelta(minutes=10))
async def tidy(run: Run) -> datetime | None:
    """Forget the oldest dead letters beyond the number kept."""
    async with run.db.begin(CLOCK) as session:
        gone = await dead_letters.prune(session, run.settings.database.dead_letters_kept)
    if gone:
        log.info("old dead letters forgotten", rows=gone)
    return None
