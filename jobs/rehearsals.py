"""A campaign played through before it begins: the engine itself, on a copy of its targets, against simulated devices.

The copy is a registry of its own in a temporary file, the clock is virtual, and the broker is a class: the jobs that
run are those that run in earnest, and no device hears of it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from fleet.message import Message
from fleet.rehearsal import Behaviour
from fleet.settings import DatabaseSettings
from jobs.rehearsal_stage import Stage
from jobs.spec import Run, job
from storage import campaign_news, campaigns, outbox, rehearsals
from storage.db import CLOCK, Database
from storage.outbox import Place
from storage.tables import Rehearsal

log = structlog.get_logger(__name__)


@job("rehearsals", every=timedelta(minutes=1), woken_by=("rehearsals",))
async def rehearse(run: Run) -> datetime | None:
    """Play through the campaigns that somebody wants to see first."""
    async with run.db.begin(CLOCK) as session:
        asked = await rehearsals.claim(session, run.now, run.replica, run.now + timedelta(minutes=10))
    if asked is None:
        return None
    result = await _played(run, asked)
    async with run.db.begin(CLOCK) as session:
        said, place = Message(template="bulk/rehearsed", data=result), Place(asked.channel, None, asked.asked_by)
        await outbox.answer(session, f"rehearsal:{asked.id}", said, place, run.now)
        await rehearsals.done(session, asked.id, run.now)
    return run.now


async def _played(run: Run, asked: Rehearsal) -> dict[str, Any]:
    behaviour = Behaviour.model_validate(asked.params)
    async with _scratch() as db:
        every = await rehearsals.copy(run.db, db, asked.campaign_id, behaviour, run.now, run.settings)
        async with db.read() as session:
            ends = await rehearsals.certificate_ends(session)
        stage = Stage(run, db, behaviour, run.now, asked.campaign_id)
        with structlog.contextvars.bound_contextvars(rehearsal=asked.id):  # else the log tells it as in earnest
            row = await stage.play()
        async with db.read() as session:
            facts = await campaign_news.facts(session, row, stage.now)
            late = await rehearsals.late(session, ends, stage.now)
    took = stage.now - run.now
    log.info("a campaign was rehearsed", campaign=row.id, took=str(took), status=row.status.value)
    return {
        **facts,
        "status": row.status.value,
        "took_s": took.total_seconds(),
        "every": every,
        "quota": campaigns.rollout_of(row).wave,
        "days": math.ceil(took / timedelta(days=1)),
        "late": late,
        "over": row.ended_at is not None,
        "asked_by": asked.asked_by,
        "behaviour": behaviour.model_dump(mode="json"),
        "slowest_s": behaviour.slowest.total_seconds(),
    }


@asynccontextmanager
async def _scratch() -> AsyncIterator[Database]:
    """An empty registry in a temporary file."""
    with tempfile.TemporaryDirectory(prefix="muster-rehearsal-") as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'rehearsal.db'}"
        db = Database(DatabaseSettings.model_validate({"url": url, "synchronous": "normal"}))
        try:
            await rehearsals.create(db)
            yield db
        finally:
            await db.close()
