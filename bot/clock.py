"""APScheduler runs the jobs: each at the earliest of a wake, the moment its last run named, and its interval."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.base import STATE_RUNNING
from apscheduler.triggers.interval import IntervalTrigger

from fleet.errors import FleetError, Unavailable
from jobs.spec import Job, Run

log = structlog.get_logger(__name__)

_PATIENCE = 10.0  # seconds
_AGAIN = timedelta(seconds=2)
"""When a job runs again that found its database locked or away: the work is there, and its interval may be long."""


@dataclass(slots=True)
class JobStats:
    """What one job has done since the process started."""

    runs: int = 0
    failures: int = 0
    seconds: float = 0.0  # of work, in all runs together
    last_seconds: float = 0.0


class Clock:
    """Schedules are code, progress is rows: nothing here survives a restart, and nothing needs to.

    That a job never runs twice at once is kept here: APScheduler counts a run as ended only some turns of the event
    loop after it has, and with `max_instances=1` it drops a wake that comes in between.
    """

    def __init__(self, jobs: Sequence[Job], new_run: Callable[[], Run]) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.stats = {job.name: JobStats() for job in jobs}
        self._new_run = new_run
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def start(self) -> None:
        """Run every job once now, and then as its rows want it."""
        now = datetime.now(UTC)
        for job in self.jobs.values():
            self._scheduler.add_job(
                self._go,
                IntervalTrigger(seconds=int(job.every.total_seconds())),
                args=[job],
                id=job.name,
                next_run_time=now,
                coalesce=True,
                max_instances=2,
                misfire_grace_time=None,
            )
        self._scheduler.start()

    async def stop(self) -> None:
        """No job begins any more; those that run get a few seconds to finish, and are cancelled then."""
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=_PATIENCE)
        self._scheduler.shutdown(wait=False)

    def wake(self, topics: Iterable[str]) -> None:
        """Run the jobs that serve these topics at once, or once more if they are running."""
        if self._scheduler.state != STATE_RUNNING:
            return
        woken = set(topics)
        for job in self.jobs.values():
            if woken.isdisjoint(job.woken_by):
                continue
            if job.name in self._running:
                self._again.add(job.name)
            else:
                self._scheduler.modify_job(job.name, next_run_time=datetime.now(UTC))

    async def _go(self, job: Job) -> None:
        if job.name in self._running:
            self._again.add(job.name)
            return
        task = asyncio.current_task()
        assert task is not None
        self._running[job.name] = task
        try:
            due = await self._until_nothing_is_due(job)
        finally:
            del self._running[job.name]
        if self._scheduler.state == STATE_RUNNING:
            latest = datetime.now(UTC) + job.every
            self._scheduler.modify_job(job.name, next_run_time=min(due, latest) if due else latest)

    async def _until_nothing_is_due(self, job: Job) -> datetime | None:
        while True:
            self._again.discard(job.name)
            due = await self.run(job)
            more = job.name in self._again or (due is not None and due <= datetime.now(UTC))
            if not more or self._scheduler.state != STATE_RUNNING:
                return due

    async def run(self, job: Job) -> datetime | None:
        """One run. A failing job is logged and tried again at its interval, or soon: it never stops the others."""
        run = self._new_run()
        stats = self.stats[job.name]
        began = time.perf_counter()
        try:
            return await job.work(run)
        except FleetError as known:
            stats.failures += 1
            log.warning("a job could not do its work", job=job.name, why=str(known))
            if isinstance(known, Unavailable):
                return datetime.now(UTC) + _AGAIN
        except Exception:
            stats.failures += 1
            log.exception("a job failed", job=job.name)
        finally:
            stats.runs += 1
            stats.last_seconds = time.perf_counter() - began
            stats.seconds += stats.last_seconds
        return None
