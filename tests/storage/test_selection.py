"""Selectors find the devices that they mean, alike on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet import selector
from fleet.lifecycle import DeviceStatus
from storage import devices
from storage.db import Database
from tests import build
from tests.build import OLD
from tests.conftest import NOW

ONLINE = timedelta(minutes=5)


@pytest.fixture
async def fleet(db: Database) -> Database:
    rows = [
        build.device("dev-1", NOW, site="oslo", model="gw1", firmware_version="1.9.0", last_seen_at=NOW),
        build.device("dev-2", NOW, site="oslo", model="gw2", firmware_version="1.10.0", reported_config_version=OLD),
        build.device("dev-10", NOW, site="New York", model="gw2", last_seen_at=NOW - timedelta(hours=1)),
        build.device("pump_1", NOW, site="bergen", status=DeviceStatus.MAINTENANCE, firmware_version=""),
        build.device("Pump-2", NOW, site="100%", target_config_version=None),
    ]
    tags = [
        {"device_id": "dev-1", "name": "env", "value": "prod"},
        {"device_id": "dev-2", "name": "env", "value": "test"},
        {"device_id": "pump_1", "name": "roof", "value": "true"},
    ]
    await build.fleet(db, NOW, rows, tags=tags, groups=[{"name": "canary", "device_id": "dev-2"}])
    return db


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("all", "Pump-2 dev-1 dev-10 dev-2 pump_1"),
        ("dev-1", "dev-1"),
        ("dev-1 dev-2 nobody", "dev-1 dev-2"),
        ("dev-*", "dev-1 dev-10 dev-2"),
        ("pump*", "pump_1"),
        ("pump-1", ""),
        ("site:oslo", "dev-1 dev-2"),
        ("site:oslo,bergen model:gw2", "dev-2 pump_1"),
        ('site:"New York"', "dev-10"),
        ('site:"100%"', "Pump-2"),
        ("-site:oslo", "Pump-2 dev-10 pump_1"),
        ("firmware:<1.10", "Pump-2 dev-1 dev-10"),
        ("firmware:>=1.10", "dev-2"),
        ("firmware:1.1*", "dev-2"),
        ("-firmware:<1.10", "dev-2 pump_1"),
        ("status:maintenance", "pump_1"),
        ("tag:env", "dev-1 dev-2"),
        ("tag:env=prod", "dev-1"),
        ("-tag:env=prod", "Pump-2 dev-10 dev-2 pump_1"),
        ("group:canary", "dev-2"),
        ("-group:canary site:oslo", "dev-1"),
        ("is:online", "dev-1"),
        ("is:offline", "Pump-2 dev-10 dev-2 pump_1"),
        ("seen:<2h", "dev-1 dev-10"),
        ("seen:>30m", "dev-10"),
        ("seen:never", "Pump-2 dev-2 pump_1"),
        ("is:drifted", "dev-2"),
        ("-is:drifted dev-*", "dev-1 dev-10"),
        ("-is:drifted", "Pump-2 dev-1 dev-10 pump_1"),
        ("target:2026.2.0 -dev-*", "pump_1"),
        ("-target:2026.2.0", "Pump-2"),
        ("reported:2026.1.0", "dev-2"),
    ],
)
async def test_a_selector_finds_what_it_means(fleet: Database, written: str, meant: str) -> None:
    async with fleet.read() as session:
        page = await devices.find(session, selector.parse(written), NOW, ONLINE, 100)
    assert sorted(row.device_id for row in page.rows) == meant.split()
    assert page.total == len(meant.split())


async def test_pages_follow_one_another_without_gap_or_overlap(fleet: Database) -> None:
    seen: list[str] = []
    async with fleet.read() as session:
        while True:
            after = seen[-1] if seen else ""
            page = await devices.find(session, selector.parse("all"), NOW, ONLINE, 2, after)
            assert page.total == 5
            if not page.rows:
                break
            seen += [row.device_id for row in page.rows]
    assert len(seen) == len(set(seen)) == 5
