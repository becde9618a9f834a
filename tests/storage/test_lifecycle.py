"""Moves of devices: all that belongs to one happens with it, in one transaction, for one device or for thousands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, event, select

from fleet.lifecycle import MOVES, DeviceStatus
from fleet.operation import OperationKind
from fleet.settings import Settings
from storage import billing, devices, lifecycle
from storage import operations as queue
from storage.db import AnyRow, Database
from storage.lifecycle import Moved
from storage.lifecycle_actions import ACTIONS
from storage.tables import (
    billing_ledger,
    billing_periods,
    decommissions,
    events,
    maintenance_windows,
    operations,
    transitions,
)
from tests import build
from tests.conftest import settings_for

S = DeviceStatus


async def move(db: Database, ids: Sequence[str], to: S, now: datetime, settings: Settings, **details: Any) -> Moved:
    async with db.begin() as session:
        return await lifecycle.move(session, ids, to, "U0OLGA", "because", now, settings, **details)


async def rows(db: Database, table: Table) -> Sequence[AnyRow]:
    async with db.read() as session:
        return (await session.execute(select(table))).all()


async def kinds(db: Database) -> list[str]:
    async with db.read() as session:
        return list(await session.scalars(select(events.c.type).order_by(events.c.seq)))


def test_each_legal_move_has_its_actions_and_no_other_move_has() -> None:
    assert set(ACTIONS) == {(before, after) for before, legal in MOVES.items() for after in legal}


async def test_of_all_36_pairs_of_states_only_the_legal_ones_move(
    db: Database, settings: Settings, now: datetime
) -> None:
    pairs = [(before, after) for before in S for after in S]
    await build.fleet(db, now, [build.device(f"{a}-{b}", now, status=a) for a, b in pairs])
    for after in S:
        named = [f"{before}-{after}" for before in S]
        done = await move(db, named, after, now + timedelta(hours=1), settings)
        assert set(done.moved) == {f"{before}-{after}" for before in S if after in MOVES[before]}
        assert set(done.refused) == set(named) - set(done.moved)
    async with db.read() as session:
        for before, after in pairs:
            device = await devices.get(session, f"{before}-{after}")
            moved = after in MOVES[before]
            assert device.status is (after if moved else before)
            assert device.status_since == (now + timedelta(hours=1) if moved else None)
    history = await rows(db, transitions)
    assert {(row.before, row.after) for row in history} == {(a, b) for a, b in pairs if b in MOVES[a]}
    assert all((row.by, row.why) == ("U0OLGA", "because") for row in history)


async def test_an_unknown_device_is_refused_and_named_twice_is_moved_once(
    db: Database, settings: Settings, now: datetime
) -> None:
    await build.fleet(db, now, [build.device("dev-1", now)])
    done = await move(db, ["dev-1", "dev-9", "dev-1"], S.SUSPENDED, now, settings)
    assert done.moved == ["dev-1"]
    assert done.refused == {"dev-9": "There is no device called dev-9."}
    assert len(await rows(db, transitions)) == 1


async def test_billing_starts_stops_resumes_and_never_has_two_open_periods(
    db: Database, settings: Settings, now: datetime
) -> None:
    await build.fleet(db, now, [build.device("dev-1", now, status=S.PROVISIONED)])
    path = (S.ACTIVE, S.MAINTENANCE, S.ACTIVE, S.SUSPENDED, S.ACTIVE, S.DECOMMISSIONED)
    for hours, to in enumerate(path):
        assert (await move(db, ["dev-1"], to, now + timedelta(hours=hours), settings)).moved
    ledger = await rows(db, billing_ledger)
    assert [row.kind for row in ledger] == ["start", "stop", "resume", "stop"]
    assert [(row.at - now) / timedelta(hours=1) for row in ledger] == [0, 3, 4, 5]
    periods = await rows(db, billing_periods)
    assert [(row.started_at, row.ended_at) for row in periods] == [
        (now, now + timedelta(hours=3)),
        (now + timedelta(hours=4), now + timedelta(hours=5)),
    ]
    async with db.begin() as session:
        for _ in range(2):
            await billing.start(session, ["dev-1"], billing.BillingKind.START, now, "U0OLGA", "twice")
    assert len(await rows(db, billing_periods)) == 3


async def test_a_transaction_that_is_rolled_back_leaves_nothing(
    db: Database, settings: Settings, now: datetime
) -> None:
    await build.fleet(db, now, [build.device("dev-1", now)])

    async def crash() -> None:
        async with db.begin() as session:
            await lifecycle.move(session, ["dev-1"], S.DECOMMISSIONED, "U0OLGA", "old", now, settings)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await crash()
    for table in (transitions, billing_ledger, events, operations, decommissions):
        assert not await rows(db, table)


async def test_maintenance_is_recorded_and_told_to_the_cmms(db: Database, now: datetime) -> None:
    settings = settings_for(lifecycle={"sites": [{"name": "oslo", "zone": "Europe/Oslo"}]})
    await build.fleet(db, now, [build.device("dev-1", now)])
    await move(db, ["dev-1"], S.MAINTENANCE, now, settings, until=now + timedelta(hours=3))
    (window,) = await rows(db, maintenance_windows)
    assert (window.state, window.zone, window.began_at) == ("running", "Europe/Oslo", now)
    assert window.due_at == window.ends_at == now + timedelta(hours=3)
    await move(db, ["dev-1"], S.ACTIVE, now + timedelta(hours=1), settings)
    (window,) = await rows(db, maintenance_windows)
    assert (window.state, window.ended_at, window.due_at) == ("over", now + timedelta(hours=1), None)
    assert await kinds(db) == [
        *("device.status.changed", "maintenance.started", "alerts.suppressed"),
        *("device.status.changed", "maintenance.ended", "alerts.resumed"),
    ]
    told = {row.type: row.data for row in await rows(db, events)}
    assert told["maintenance.ended"]["window_id"] == window.id
    assert told["maintenance.ended"]["zone"] == "Europe/Oslo"


async def test_a_decommissioned_device_is_archived_unwatched_and_cleared(db: Database, now: datetime) -> None:
    settings = settings_for(lifecycle={"sites": [{"name": "bergen", "retain_years": 10}]})
    fleet = [build.device("dev-1", now), build.device("dev-2", now, site="bergen")]
    await build.fleet(db, now, fleet, tags=[{"device_id": "dev-1", "name": "env", "value": "prod"}])
    assert (await move(db, ["dev-1", "dev-2"], S.DECOMMISSIONED, now, settings)).moved == ["dev-1", "dev-2"]
    async with db.read() as session:
        first, second = await devices.get(session, "dev-1"), await devices.get(session, "dev-2")
    assert first.retention == second.retention == "long_term_archive"
    assert (first.retain_until, second.retain_until) == (now.replace(year=2033), now.replace(year=2036))
    cleared = {(row.device_id, row.params["topic"]) for row in await rows(db, operations)}
    topics = ("config/desired", "firmware/desired")
    assert cleared == {(device, topic) for device in ("dev-1", "dev-2") for topic in topics}
    first_export = (await rows(db, decommissions))[0]
    lines = [json.loads(line) for line in first_export.export.splitlines()]
    assert len(lines) == first_export.export_rows
    assert [line["device_id"] for line in lines if line["table"] == "devices"] == ["dev-1"]
    assert {"table": "device_tags", "device_id": "dev-1", "name": "env", "value": "prod"} in lines
    told = [row.data for row in await rows(db, events) if row.type == "retention.changed"]
    assert told[0] == {"policy": "long_term_archive", "retain_until": "2033-03-19T14:30:00.000000+00:00"}


async def test_what_another_replica_is_sending_leaves_before_the_topics_are_cleared(
    db: Database, settings: Settings, now: datetime
) -> None:
    await build.fleet(db, now, [build.device("dev-1", now)])
    push = {"id": "op-1", "kind": OperationKind.CONFIG, "device_id": "dev-1", "version": build.NEW}
    until = now + timedelta(minutes=1)
    async with db.begin() as session:
        await queue.add(session, [{**push, "requested_by": "muster", "created_at": now, "due_at": now}])
        assert len(await queue.claim(session, now, "muster-2", until, 10)) == 1
    await move(db, ["dev-1"], S.DECOMMISSIONED, now, settings)
    found = {(row.kind, row.state, row.due_at) for row in await rows(db, operations)}
    assert found == {("config", "cancelled", now), ("clear", "queued", until)}


async def test_a_provisioned_device_gets_its_first_configuration_if_there_is_one(db: Database, now: datetime) -> None:
    bare = {"status": S.MANUFACTURED, "target_config_version": None}
    await build.fleet(db, now, [build.device(f"dev-{n}", now, **bare) for n in (1, 2)])
    for device, version, target in (("dev-1", build.NEW, build.NEW), ("dev-2", "2099.1", None)):
        settings = settings_for(provisioning={"config_version": version})
        assert (await move(db, [device], S.PROVISIONED, now, settings)).moved == [device]
        async with db.read() as session:
            row = await devices.get(session, device)
        assert (row.target_config_version, row.target_set_at) == (target, now if target else None)


async def test_with_a_telemetry_store_a_decommission_waits_unless_somebody_answers_for_it(
    db: Database, now: datetime
) -> None:
    store = {"telemetry_store_secret": "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="}
    settings = settings_for(web={"enabled": True}, lifecycle=store)
    await build.fleet(db, now, [build.device(f"dev-{i}", now) for i in (1, 2)])
    done = await move(db, ["dev-1", "dev-2"], S.DECOMMISSIONED, now, settings)
    assert (done.moved, done.waiting, done.refused) == ([], ["dev-1", "dev-2"], {})
    assert await kinds(db) == ["export.requested"] * 2
    done = await move(db, ["dev-2"], S.DECOMMISSIONED, now, settings, without_export=True)
    assert done.moved == ["dev-2"]
    states = {row.device_id: (row.state, row.settled_by) for row in await rows(db, decommissions)}
    assert states == {"dev-1": ("waiting", None), "dev-2": ("overridden", "U0OLGA")}


async def test_thousands_of_devices_are_moved_by_a_handful_of_statements(
    sqlite_url: str, settings: Settings, now: datetime
) -> None:
    db = Database(settings_for(sqlite_url).database)
    await build.fleet(db, now, [build.device(f"dev-{i}", now, status=S.SUSPENDED) for i in range(2000)])
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(db.engine.sync_engine, "before_cursor_execute", count)
    done = await move(db, [f"dev-{i}" for i in range(2000)], S.ACTIVE, now, settings)
    assert len(done.moved) == 2000
    assert statements < 30
    await db.close()
