"""The clock runs jobs when they are woken, when they are due, and never twice at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bot.clock import Clock
from fleet.errors import Busy
from jobs.spec import Job, Run


class Counted:
    """A job's work that counts its runs and can be held up."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self.due: list[datetime | None] = []
        self.fault: Exception | None = None
        self.began = asyncio.Event()
        self.free = asyncio.Event()
        self.free.set()
        self.ran = asyncio.Condition()

    async def work(self, run: Run) -> datetime | None:
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        self.began.set()
        await self.free.wait()
        self.at_once -= 1
        async with self.ran:
            self.runs += 1
            self.ran.notify_all()
        if self.fault:
            raise self.fault
        return self.due.pop(0) if self.due else None

    async def until(self, runs: int) -> None:
        async with asyncio.timeout(5), self.ran:
            await self.ran.wait_for(lambda: self.runs >= runs)


@pytest.fixture
async def counted() -> Counted:
    return Counted()


@pytest.fixture
async def clock(counted: Counted) -> AsyncIterator[Clock]:
    job = Job("count", timedelta(hours=1), ("things",), counted.work)
    made = Clock([job], lambda: cast(Any, None))
    yield made
    counted.free.set()
    await made.stop()


async def test_every_job_runs_once_at_the_start(clock: Clock, counted: Counted) -> None:
    clock.start()
    await counted.until(1)


async def test_a_wake_runs_the_job_that_serves_it(clock: Clock, counted: Counted) -> None:
    clock.start()
    await counted.until(1)
    clock.wake({"other things"})
    clock.wake({"things"})
    await counted.until(2)


async def test_a_wake_while_it_runs_means_once_more_and_never_two_at_once(clock: Clock, counted: Counted) -> None:
    counted.free.clear()
    clock.start()
    await counted.began.wait()
    for _ in range(5):
        clock.wake({"things"})
    counted.free.set()
    await counted.until(2)
    assert (counted.runs, counted.most_at_once) == (2, 1)


async def test_a_job_that_names_a_due_moment_runs_then(clock: Clock, counted: Counted) -> None:
    counted.due = [datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC) + timedelta(milliseconds=50)]
    clock.start()
    await counted.until(3)


@pytest.mark.parametrize("fault", [Busy("The database is busy."), RuntimeError("a bug")])
async def test_a_failing_job_goes_on_at_the_next_wake(clock: Clock, counted: Counted, fault: Exception) -> None:
    counted.fault = fault
    clock.start()
    await counted.until(1)
    clock.wake({"things"})
    await counted.until(2)


async def test_stopping_waits_for_what_runs(clock: Clock, counted: Counted) -> None:
    counted.free.clear()
    clock.start()
    await counted.began.wait()
    stopping = asyncio.create_task(clock.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    counted.free.set()
    await stopping
    assert counted.runs == 1
