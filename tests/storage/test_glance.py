"""The fleet at a glance costs the same few statements at any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

import commands.fleet
from commands.spec import Call
from fleet.glance import Site
from fleet.lifecycle import UNWATCHED, DeviceStatus
from fleet.roles import Person, Role
from fleet.settings import Settings
from storage import drift_sweep, glance
from storage.db import Database
from tests import build
from tests.conftest import NOW

ONLINE = timedelta(minutes=5)


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements that this database is asked, but for those around a transaction."""
    asked: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            asked.append(statement)

    engines = {db._reader.sync_engine, db._writer.sync_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", hear)
    yield asked
    for engine in engines:
        event.remove(engine, "before_cursor_execute", hear)


def many(count: int) -> list[dict[str, Any]]:
    """A fleet over 40 sites: every 10th drifted, every 3rd not heard from."""
    return [
        build.device(
            f"dev-{number:05}",
            NOW,
            site=f"site-{number % 40:02}",
            status=list(DeviceStatus)[number % len(DeviceStatus)],
            reported_config_version=build.NEW if number % 10 else build.OLD,
            last_seen_at=NOW - timedelta(minutes=1) if number % 3 else None,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [0, 10, 5000])
async def test_the_status_asks_at_most_six_statements(db: Database, settings: Settings, count: int) -> None:
    rows = many(count)
    await build.fleet(db, NOW, rows)
    call = Call(Person("U0VIEWER", Role.VIEWER), "C0FLEETOPS", NOW, db, settings)
    with counted(db) as asked:
        message = await commands.fleet.status(call)
    assert 0 < len(asked) <= 6, "\n".join(asked)
    assert message.data["total"] == count
    assert message.data["online"] == sum(row["last_seen_at"] is not None for row in rows)
    drifted = [row for row in rows if row["reported_config_version"] != build.NEW]
    assert message.data["drifted"] == sum(row["status"] not in UNWATCHED for row in drifted)
    assert message.data["site_count"] == min(count, 40)
    assert len(message.data["sites"]) == (0 if not count else 10 if count == 10 else 11)
    assert sum(line[1] for line in message.data["sites"]) == count


async def test_sites_are_counted_with_their_troubles(db: Database) -> None:
    rows = [
        build.device("dev-1", NOW, site="oslo", last_seen_at=NOW),
        build.device("dev-2", NOW, site="oslo", last_seen_at=NOW - timedelta(hours=1)),
        build.device("dev-3", NOW, site="oslo", reported_config_version="", status=DeviceStatus.MANUFACTURED),
        build.device("dev-4", NOW, site="", reported_config_version=build.OLD, last_seen_at=NOW),
        build.device("dev-5", NOW, site="", reported_config_version=build.OLD, status=DeviceStatus.DECOMMISSIONED),
    ]
    await build.fleet(db, NOW, rows)
    async with db.begin() as session:
        found = (await session.execute(drift_sweep.drifted(NOW, 10))).all()
        await drift_sweep.take_up(session, found, NOW, Settings.model_fields["drift"].default, "sweep")
    async with db.read() as session:
        seen = await glance.glance(session, NOW, ONLINE)
    assert set(seen.sites) == {
        Site("oslo", devices=3, online=1, offline=1),
        Site("", devices=2, online=1, drifted=1),
    }
    assert (seen.total, seen.online, seen.drifted, seen.alerts) == (5, 2, 1, 0)
    assert sum(seen.cases.values()) == 1
