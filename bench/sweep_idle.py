"""The whole sweep of a large fleet in which nothing has drifted: it must cost what is drifted, not what there is."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from bench import registry
from bench.measure import Result
from bench.size import Size
from bench.surroundings import new_run
from jobs.drift import sweep
from storage import schedule

_GOAL = 100  # ms


def run(size: Size) -> Result:
    result = Result("sweep-idle")
    with registry.sqlite(size.devices) as path:
        asyncio.run(_measure(registry.sqlite_url(path), "SQLite", size, result))
    if size.postgres:
        with registry.postgres(size.devices) as url:
            asyncio.run(_measure(url, "PostgreSQL", size, result))
    result.notes.append(f"{size.devices:,} devices, none drifted; {size.repeats} sweeps, each with its commits.")
    return result


async def _measure(url: str, name: str, size: Size, result: Result) -> None:
    db = registry.database(url)
    took = []
    for _ in range(size.repeats + 1):
        now = datetime.now(UTC)
        async with db.begin() as session:
            await schedule.bring_forward(session, schedule.SWEEP, now)
        began = time.perf_counter()
        await sweep.work(new_run(db, now))
        took.append((time.perf_counter() - began) * 1e3)
    result.below(name, "ms", took[1:], _GOAL)  # the first one opens the connections
    await db.close()
