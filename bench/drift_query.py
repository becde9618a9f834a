"""The query of the sweep at a large fleet, 1 % of it drifted, beside the bare driver giving the same Python values."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import event

from bench import registry
from bench.measure import Figure, Result, own_cpu, series
from bench.size import Size
from storage import drift_sweep
from storage.db import Database

_GOAL = 1.5
_DRIFTED = 100  # one in so many
_DRIFT = (
    "UPDATE devices SET reported_config_version = '{old}' WHERE device_id IN "
    "(SELECT device_id FROM (SELECT device_id, row_number() OVER (ORDER BY device_id) AS n FROM devices) AS t "
    "WHERE n % {one_in} = 0)"
)

Rows = Sequence[tuple[Any, ...]]
Query = Callable[[], Awaitable[Rows]]


def run(size: Size) -> Result:
    result = Result("drift-query")
    with registry.sqlite(size.devices) as path:
        make_drift(path)
        asyncio.run(_sqlite(path, size, result))
    if size.postgres:
        with registry.postgres(size.devices) as url:
            asyncio.run(_postgres(url, size, result))
    result.notes.append(
        f"{size.devices:,} devices, {size.devices // _DRIFTED:,} rows, among their columns an aware datetime; "
        f"{size.repeats} times each in turns; the same statement, compared value by value."
    )
    return result


def make_drift(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(_statement())
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def _statement() -> str:
    return _DRIFT.format(old=registry.OLD, one_in=_DRIFTED)


async def _sqlite(path: Path, size: Size, result: Result) -> None:
    db, now = registry.database(registry.sqlite_url(path)), datetime.now(UTC)
    statement, parameters = await _as_it_runs(db, now, size.devices)
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA cache_size=-65536")

        async def bare() -> Rows:
            parse = datetime.fromisoformat
            rows = await connection.execute_fetchall(statement, parameters)
            return [(a, b, c, parse(seen) if seen else None, *others) for a, b, c, seen, *others in rows]

        await _compare("SQLite, against aiosqlite", db, now, bare, size, result)
    await db.close()


async def _postgres(url: str, size: Size, result: Result) -> None:
    db, now = registry.database(url), datetime.now(UTC)
    connection = await registry.connect_postgres(url)
    await connection.execute(_statement())
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("SET enable_seqscan = off")  # as the sweep does
    statement, parameters = await _as_it_runs(db, now, size.devices)

    async def bare() -> Rows:
        return await connection.fetch(statement, *parameters)

    await _compare("PostgreSQL, against asyncpg", db, now, bare, size, result)
    await connection.close()
    await db.close()


async def _as_it_runs(db: Database, now: datetime, limit: int) -> tuple[str, Sequence[Any]]:
    """The text and the parameters that reach the driver."""
    ran: list[tuple[str, Any]] = []

    def remember(_c: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        ran.append((statement, parameters))

    event.listen(db.engine.sync_engine, "before_cursor_execute", remember)
    async with db.begin() as session:
        await drift_sweep.find(session, now, limit)
    event.remove(db.engine.sync_engine, "before_cursor_execute", remember)
    return next(each for each in ran if "hours_since_seen" in each[0])


async def _compare(what: str, db: Database, now: datetime, bare: Query, size: Size, result: Result) -> None:
    async def muster() -> Rows:
        async with db.read() as session:
            return await drift_sweep.find(session, now, size.devices)

    same = [tuple(row) for row in await muster()] == [tuple(row) for row in await bare()]
    if not same or len(await muster()) != size.devices // _DRIFTED:
        raise RuntimeError("Muster and the bare driver do not find the same rows")
    took: dict[Query, list[float]] = {muster: [], bare: []}
    used: dict[Query, list[float]] = {muster: [], bare: []}
    for number in range(size.repeats):
        for query in (muster, bare) if number % 2 else (bare, muster):
            began, before = time.perf_counter(), own_cpu()
            await query()
            took[query].append((time.perf_counter() - began) * 1e3)
            used[query].append((own_cpu() - before) * 1e3)
    result.at_most(what, "ms", took[muster], took[bare], _GOAL)
    processor = Figure(f"{what}: processor time here", "ms", series(used[muster]), series(used[bare]))
    result.figures.append(processor)  # on a busy machine this says more; of PostgreSQL it is the client's part alone
