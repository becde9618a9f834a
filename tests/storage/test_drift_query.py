"""The query of the sweep: what it finds, and that the partial index serves the very statement that runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event

from fleet.lifecycle import DeviceStatus
from fleet.settings import DatabaseSettings
from storage import batch, drift_sweep
from storage.db import Database
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.postgres import analyze, rows_read


async def test_its_columns_are_those_that_operators_need(db: Database) -> None:
    seen = NOW - timedelta(hours=3, minutes=30)
    rows = [
        build.device("dev-late", NOW, reported_config_version=OLD, last_seen_at=seen),
        build.device("dev-never", NOW, reported_config_version="", last_seen_at=None),
        build.device("dev-fine", NOW),
        build.device("dev-gone", NOW, reported_config_version=OLD, status=DeviceStatus.DECOMMISSIONED),
        build.device("dev-new", NOW, reported_config_version="", status=DeviceStatus.MANUFACTURED),
        build.device("dev-free", NOW, reported_config_version=OLD, target_config_version=None),
    ]
    await build.fleet(db, NOW, rows)
    async with db.read() as session:
        found = await drift_sweep.find(session, NOW, 10)
    late, never = found
    assert late._asdict() == {
        "device_id": "dev-late",
        "target_config_version": NEW,
        "reported_config_version": OLD,
        "last_seen_at": seen,
        "site": "oslo",
        "hours_since_seen": pytest.approx(3.5, abs=1e-6),
        "case_id": None,
    }
    assert (never.device_id, never.last_seen_at, never.hours_since_seen) == ("dev-never", None, None)


async def test_last_heard_comes_first_and_never_heard_last(db: Database) -> None:
    seen = {"dev-a": NOW - timedelta(hours=5), "dev-b": NOW, "dev-c": None, "dev-d": NOW - timedelta(hours=3)}
    rows = [build.device(name, NOW, reported_config_version=OLD, last_seen_at=at) for name, at in seen.items()]
    await build.fleet(db, NOW, rows)
    async with db.read() as session:
        found = await drift_sweep.find(session, NOW, 10)
    assert [row.device_id for row in found] == ["dev-b", "dev-d", "dev-a", "dev-c"]


async def test_the_partial_index_serves_the_statement_that_the_sweep_runs(db: Database) -> None:
    rows = [
        build.device(f"dev-{n:05}", NOW, last_seen_at=NOW, reported_config_version=OLD if n % 100 == 0 else NEW)
        for n in range(20_000)
    ]
    await build.fleet(db, NOW, rows)
    ran: list[tuple[str, object]] = []
    house = House(db, settings_for(), NOW)
    listener = _remember(ran)
    event.listen(db.engine.sync_engine, "before_cursor_execute", listener)
    await house.settle()
    event.remove(db.engine.sync_engine, "before_cursor_execute", listener)
    statement, parameters = next(each for each in ran if "hours_since_seen" in each[0])
    await analyze(db)
    async with db.read() as session:
        await batch.by_index(session)
        connection = await session.connection()
        if db.is_sqlite:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            assert "ix_devices_drifted" in str(plan.all())
            return
        # The plan that a prepared statement settles on comes after five executions: look after ten.
        raw = (await connection.get_raw_connection()).driver_connection
        prepared = await raw.prepare(statement)
        for _ in range(10):
            await prepared.fetch(*parameters)  # type: ignore[misc]
        of_ours = "statement LIKE '%hours_since_seen%' AND generic_plans + custom_plans >= 10"
        [(name,)] = await raw.fetch(f"SELECT name FROM pg_prepared_statements WHERE {of_ours}")
        literals = ", ".join(f"'{each}'" for each in parameters)  # type: ignore[attr-defined]
        plan = await raw.fetch(f'EXPLAIN EXECUTE "{name}"({literals})')
        assert "ix_devices_drifted" in "\n".join(row[0] for row in plan)


async def test_a_sweep_of_many_reads_each_once_also_when_the_table_of_cases_was_empty_before(
    postgres_registry: str,
) -> None:
    """The plan of an empty table must not be kept, and its statistics not be believed."""
    db = Database(DatabaseSettings.model_validate({"url": postgres_registry}))
    rows = [build.device(f"dev-{n:03}", NOW, last_seen_at=NOW, reported_config_version=OLD) for n in range(800)]
    await build.fleet(db, NOW, rows)
    policy = settings_for().drift
    await analyze(db)
    for _ in range(12):  # as often as it takes until PostgreSQL would keep a plan
        async with db.begin() as session:
            await drift_sweep.find(session, NOW, 0)
    async with db.begin() as session:
        found = await drift_sweep.find(session, NOW, 400)
        assert await drift_sweep.take_up(session, found, NOW, policy, "olga") == 400
    async with db.begin() as session:
        assert len(await drift_sweep.find(session, NOW, 400)) == 400
        assert await rows_read(session) < 800 * 10
    await db.close()


def _remember(ran: list[tuple[str, object]]):  # type: ignore[no-untyped-def]
    def remember(_connection, _cursor, statement, parameters, _context, _many):  # type: ignore[no-untyped-def]
        ran.append((statement, parameters))

    return remember


async def test_a_case_that_is_open_for_the_present_target_is_not_found_again(db: Database) -> None:
    await build.fleet(db, NOW, [build.device("dev-1", NOW, reported_config_version=OLD, last_seen_at=NOW)])
    house = House(db, settings_for(), NOW)
    await house.settle()
    async with db.read() as session:
        assert not await drift_sweep.find(session, NOW, 10)
