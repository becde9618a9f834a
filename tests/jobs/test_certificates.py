"""Certificates on their way to their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

import jobs
from fleet.alert import AlertState
from fleet.lifecycle import DeviceStatus
from storage import devices
from storage.db import Database
from storage.tables import Alert
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import types


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    rows = [build.device(f"dev-{n:03}", NOW, last_seen_at=NOW) for n in range(30)]
    await build.fleet(db, NOW, rows)
    return house


async def certify(house: House, not_after: datetime, *device_ids: str) -> None:
    rows = [{"device_id": each, "serial": "4A", "not_after": not_after} for each in device_ids or ("dev-000",)]
    async with house.db.begin() as session:
        await devices.certified(session, rows)
    await house.settle()


async def alerts_in(house: House) -> Sequence[Alert]:
    async with house.db.read() as session:
        return (await session.scalars(select(Alert).order_by(Alert.id))).all()


def said(house: House) -> list[str]:
    return [each.message.template for each in house.deliver.posts()]


async def test_one_alert_gets_louder_in_place_at_each_threshold(house: House) -> None:
    end = NOW + timedelta(days=31)
    await certify(house, end)
    assert not house.deliver.letters
    await house.later(days=1)
    [post] = house.deliver.posts()
    assert (post.message.template, post.message.data["level"]) == ("alert/certificate", 30)
    levels = []
    for days_left in (14, 7, 1, 0):
        house.now = end - timedelta(days=days_left, seconds=1)
        await house.settle()
        assert len(house.deliver.edits()) == len(levels)
        house.now = end - timedelta(days=days_left)
        await house.settle()
        levels.append(house.deliver.edits()[-1].message.data["level"])
    assert levels == [14, 7, 1, 0]
    assert said(house) == ["alert/certificate", *["alert/again"] * 4]
    thread = house.deliver.channel[post.key]
    assert {each.thread_ts for each in house.deliver.posts()[1:]} == {thread}
    assert len(await alerts_in(house)) == 1
    await house.later(days=100)
    assert len(house.deliver.posts()) == 5


async def test_a_renewal_resolves_it(house: House) -> None:
    await certify(house, NOW + timedelta(days=10))
    await certify(house, NOW + timedelta(days=400))
    [alert] = await alerts_in(house)
    assert alert.state is AlertState.RESOLVED
    assert house.deliver.edits()[-1].message.data["state"] == "resolved"


async def test_one_found_late_begins_where_it_stands(house: House) -> None:
    await certify(house, NOW + timedelta(days=5))
    [alert] = await alerts_in(house)
    assert (alert.level, alert.level_at) == (7, NOW + timedelta(days=4))


async def test_a_threshold_calls_again_although_somebody_acknowledged_it(db: Database) -> None:
    house = House(db, settings_for(alerts={"ladder": [{"after": "15m", "mention": "<!here>"}]}), NOW)
    await build.fleet(db, NOW, [build.device("dev-000", NOW)])
    await certify(house, NOW + timedelta(days=10))
    [alert] = await alerts_in(house)
    await types(house, f"alert ack {alert.id}")
    await house.later(days=2)
    assert "alert/call" not in said(house)
    await house.later(days=1)
    assert [each.state for each in await alerts_in(house)] == [AlertState.OPEN]
    await house.later(minutes=15)
    assert said(house).count("alert/call") == 1


async def test_one_that_was_closed_by_force_is_told_again_at_the_next_threshold(house: House) -> None:
    await certify(house, NOW + timedelta(days=10))
    [alert] = await alerts_in(house)
    await types(house, f"alert resolve {alert.id} --force renewed by hand soon")
    await house.later(days=2)
    assert len(await alerts_in(house)) == 1
    await house.later(days=1)
    first, second = await alerts_in(house)
    assert (first.state, second.state, second.level) == (AlertState.RESOLVED, AlertState.OPEN, 7)


async def test_many_of_one_day_at_one_site_are_one_message(house: House) -> None:
    end = NOW + timedelta(days=30)
    house.jobs = [jobs.expiry, jobs.post]
    for n in range(30):
        await certify(house, end + timedelta(minutes=10 * n), f"dev-{n:03}")
    for _ in range(30):
        await house.later(minutes=10)
    assert said(house).count("alert/certificate") == 5
    assert said(house).count("alert/group") == 1
    group = next(each for each in await alerts_in(house) if each.device_id is None)
    assert group.remaining == 25
    await house.later(days=16)
    assert said(house).count("alert/again") == 6


async def test_many_at_once_are_one_message_from_the_start(house: House) -> None:
    await certify(house, NOW + timedelta(days=3), *(f"dev-{n:03}" for n in range(30)))
    assert said(house) == ["alert/group", "alert/devices"]


@pytest.mark.parametrize("status", [DeviceStatus.MAINTENANCE, DeviceStatus.SUSPENDED])
async def test_it_waits_while_alerts_are_paused(house: House, status: DeviceStatus) -> None:
    async def become(status: DeviceStatus) -> None:
        async with house.db.begin() as session:
            await session.execute(update(devices.devices).values(status=status))

    await become(status)
    await certify(house, NOW + timedelta(days=20))
    assert not house.deliver.letters
    await become(DeviceStatus.ACTIVE)
    await house.later(minutes=10)
    assert said(house) == ["alert/certificate", "alert/suppressed"]
    await become(status)
    await house.later(days=8)
    assert len(house.deliver.letters) == 2
    await become(DeviceStatus.ACTIVE)
    await house.later(minutes=10)
    assert said(house) == ["alert/certificate", "alert/suppressed", "alert/again"]


async def test_the_device_shows_its_certificate(house: House) -> None:
    await certify(house, NOW + timedelta(days=10))
    shown = (await types(house, "device show dev-000")).data
    assert (shown["certificate_serial"], shown["certificate_ends_soon"]) == ("4A", True)
