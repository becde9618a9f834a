"""Transactions: fair turns, plain words for faults, and wakes after the commit."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import literal_column, select, text

from fleet.errors import Busy, Unavailable
from fleet.settings import DatabaseSettings
from storage import configs
from storage.columns import UtcDateTime
from storage.db import CLOCK, DEVICES, PEOPLE, Database, FairLock, wake
from storage.tables import config_versions
from tests.conftest import NOW


async def test_people_write_before_devices_and_devices_before_the_clock() -> None:
    lock, order = FairLock(), []

    async def write(priority: int, name: str) -> None:
        await lock.acquire(priority)
        order.append(name)
        lock.release()

    await lock.acquire(CLOCK)
    waiting = [
        asyncio.create_task(write(priority, name))
        for priority, name in [(CLOCK, "job"), (DEVICES, "batch 1"), (DEVICES, "batch 2"), (PEOPLE, "person")]
    ]
    await asyncio.sleep(0)
    lock.release()
    await asyncio.gather(*waiting)
    assert order == ["person", "batch 1", "batch 2", "job"]


async def test_a_turn_that_nobody_waits_for_any_more_is_passed_on() -> None:
    lock = FairLock()
    await lock.acquire(PEOPLE)
    gone, next_one = asyncio.create_task(lock.acquire(PEOPLE)), asyncio.create_task(lock.acquire(PEOPLE))
    await asyncio.sleep(0)
    lock.release()  # handed to the first, which is cancelled in the same moment
    gone.cancel()
    await asyncio.wait_for(next_one, 1)
    lock.release()
    await asyncio.wait_for(lock.acquire(PEOPLE), 1)


async def test_nothing_is_kept_of_a_transaction_that_fails(db: Database) -> None:
    heard: list[frozenset[str]] = []
    db.on_wake(heard.append)

    async def fail_half_way() -> None:
        async with db.begin() as session:
            await configs.add(session, "1", "{}", "", "olga", NOW)
            wake(session, "operations")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        await fail_half_way()
    async with db.read() as session:
        assert not (await session.scalars(select(config_versions.c.version))).all()
    assert not heard


async def test_jobs_are_woken_after_the_commit_in_this_process(db: Database) -> None:
    heard: list[frozenset[str]] = []
    db.on_wake(heard.append)
    async with db.begin() as session:
        wake(session, "operations", "cases")
        assert not heard
    assert heard[0] == {"operations", "cases"}


async def test_a_commit_wakes_other_replicas_on_postgresql(postgres_registry: str) -> None:
    ours, theirs = (Database(DatabaseSettings.model_validate({"url": postgres_registry})) for _ in range(2))
    heard = asyncio.Event()
    theirs.on_wake(lambda topics: heard.set() if topics == {"operations"} else None)
    theirs.listen()
    for _ in range(50):  # until the other one has begun to listen
        async with ours.begin() as session:
            wake(session, "operations")
        try:
            await asyncio.wait_for(heard.wait(), 0.2)
            break
        except TimeoutError:
            continue
    assert heard.is_set()
    await ours.close()
    await theirs.close()


async def test_readers_do_not_wait_for_a_writer(db: Database) -> None:
    async with db.begin() as writing:
        await configs.add(writing, "1", "{}", "", "olga", NOW)
        async with db.read() as session:
            assert not (await session.scalars(select(config_versions.c.version))).all()


async def test_a_locked_database_is_said_plainly_and_nothing_is_lost(sqlite_url: str, tmp_path: Path) -> None:
    settings = {"url": sqlite_url, "lock_timeout": "100ms"}
    db = Database(DatabaseSettings.model_validate(settings))
    other = sqlite3.connect(tmp_path / "muster.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="Nothing was changed; try again in a moment"):
        async with db.begin() as session:
            await configs.add(session, "1", "{}", "", "olga", NOW)
    other.execute("ROLLBACK")
    other.close()
    async with db.begin() as session:
        assert await configs.add(session, "1", "{}", "", "olga", NOW)
    await db.close()


async def test_a_moment_without_a_time_zone_is_refused_where_it_is_read(sqlite_url: str) -> None:
    db = Database(DatabaseSettings.model_validate({"url": sqlite_url}))
    async with db.read() as session:
        written_by_hand = select(literal_column("'2026-03-19 14:30:00'", UtcDateTime()))
        with pytest.raises(ValueError, match="a moment without a time zone: 2026-03-19 14:30:00"):
            await session.scalar(written_by_hand)
    await db.close()


async def test_a_second_bot_on_the_same_file_is_refused(sqlite_url: str) -> None:
    first, second = (Database(DatabaseSettings.model_validate({"url": sqlite_url})) for _ in range(2))
    first.claim_file()
    with pytest.raises(Unavailable, match="Another Muster is running on"):
        second.claim_file()
    await first.close()
    second.claim_file()
    await second.close()


async def test_sqlite_keeps_what_was_acknowledged_through_a_power_cut(sqlite_url: str) -> None:
    db = Database(DatabaseSettings.model_validate({"url": sqlite_url}))
    async with db.begin() as session:
        synchronous = await session.scalar(text("PRAGMA synchronous"))
        journal = await session.scalar(text("PRAGMA journal_mode"))
    assert (synchronous, journal) == (2, "wal")  # 2 is FULL
    await db.close()


async def test_a_postgresql_that_is_away_is_said_plainly(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://nobody@/none?host={tmp_path}"
    db = Database(DatabaseSettings.model_validate({"url": url}))
    with pytest.raises(Unavailable, match="The database cannot be reached"):
        async with db.read() as session:
            await session.execute(text("SELECT 1"))
    await db.close()
