"""Versions that nobody knows, devices that flap, and what the drift of a device that is ahead says."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import select, update

from fleet.alert import AlertKind, AlertState
from fleet.lifecycle import DeviceStatus
from storage import configs, devices, schedule
from storage.db import Database
from storage.tables import Alert
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import refused, types

PAUSED = [DeviceStatus.MAINTENANCE, DeviceStatus.SUSPENDED]


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    await build.fleet(db, NOW, [build.device(f"dev-{n}", NOW, last_seen_at=NOW) for n in range(1, 4)])
    return house


async def alerts_in(house: House, kind: AlertKind) -> Sequence[Alert]:
    async with house.db.read() as session:
        return (await session.scalars(select(Alert).where(Alert.kind == kind).order_by(Alert.id))).all()


async def drifts(house: House, version: str, *device_ids: str) -> None:
    for device_id in device_ids or ("dev-1",):
        await house.say(device_id, version)
    async with house.db.begin() as session:
        await schedule.bring_forward(session, schedule.SWEEP, house.now)
    await house.settle()


async def set_status(house: House, status: DeviceStatus) -> None:
    async with house.db.begin() as session:
        await session.execute(update(devices.devices).values(status=status))


async def test_the_pushes_of_a_drift_case_are_configurations_alone(house: House) -> None:
    await drifts(house, OLD)
    for _ in range(6):
        await types(house, "diag ping dev-1")
        await house.later(seconds=1)
    pushes = (await types(house, "drift show dev-1")).data["operations"]
    assert [row[0] for row in pushes] == [NEW]


async def test_a_version_that_nobody_knows_is_pushed_over_and_told_after_half_an_hour(house: House) -> None:
    await drifts(house, "2031.9", "dev-1", "dev-2")
    assert len(house.publish.pushes("dev-1")) == 1
    assert "nobody knows" in str((await types(house, "drift list")).data["rows"])
    assert (await types(house, "drift show dev-1")).data["how"] == "unknown"
    await house.later(minutes=29)
    assert not house.deliver.letters
    await house.later(minutes=1)
    [post, listed] = house.deliver.posts()
    assert (post.message.template, post.message.data["version"]) == ("alert/unknown_version", "2031.9")
    assert [row[0] for row in listed.message.data["rows"]] == ["dev-1", "dev-2"]


async def test_a_factory_version_that_the_push_mends_is_told_to_nobody(house: House) -> None:
    await drifts(house, "factory")
    await house.ack("dev-1", NEW)
    await house.later(hours=5)
    assert not house.deliver.letters


async def test_the_unknown_version_is_over_when_somebody_adds_it_or_the_devices_leave_it(house: House) -> None:
    await drifts(house, "2031.9", "dev-1", "dev-2")
    await house.later(minutes=30)
    await house.say("dev-1", NEW)
    await house.later(minutes=1)
    [alert] = await alerts_in(house, AlertKind.UNKNOWN_VERSION)
    assert (alert.state, alert.remaining, alert.devices) == (AlertState.OPEN, 1, 2)
    assert "nobody knows it" in await refused(house, f"alert resolve {alert.id}")
    async with house.db.begin() as session:
        await configs.add(session, "2031.9", "{}", "", "olga", house.now)
    await house.later(minutes=1)
    [alert] = await alerts_in(house, AlertKind.UNKNOWN_VERSION)
    assert alert.state is AlertState.RESOLVED


async def test_two_unknown_versions_are_two_alerts(house: House) -> None:
    await drifts(house, "2031.9", "dev-1")
    await drifts(house, "2032.0", "dev-2")
    await house.later(minutes=30)
    assert len(await alerts_in(house, AlertKind.UNKNOWN_VERSION)) == 2


@pytest.mark.parametrize("status", PAUSED)
async def test_an_unknown_version_waits_while_alerts_are_paused(house: House, status: DeviceStatus) -> None:
    await set_status(house, status)
    await drifts(house, "2031.9")
    await house.later(hours=2)
    assert not await alerts_in(house, AlertKind.UNKNOWN_VERSION)
    await set_status(house, DeviceStatus.ACTIVE)
    await house.later(minutes=1)
    assert len(await alerts_in(house, AlertKind.UNKNOWN_VERSION)) == 1


async def test_the_escalation_of_an_unknown_version_says_so(house: House) -> None:
    await drifts(house, "2031.9")
    await house.later(hours=25)
    [alert] = await alerts_in(house, AlertKind.DRIFT)
    assert alert.data["how"] == "unknown"


async def test_a_device_ahead_of_its_target_is_said_to_be(house: House) -> None:
    async with house.db.begin() as session:
        await configs.add(session, "2026.10.0", "{}", "", "olga", house.now)
    await drifts(house, "2026.10.0")
    assert (await types(house, "drift show dev-1")).data["how"] == "ahead"
    assert (await types(house, "drift list")).data["rows"][0][3] == "2026.10.0 (ahead)"
    await house.later(hours=25)
    [alert] = await alerts_in(house, AlertKind.DRIFT)
    assert alert.data["how"] == "ahead"


async def flaps(house: House, times: int = 3, device_id: str = "dev-1", hours: float = 2) -> None:
    for _ in range(times):
        await drifts(house, OLD, device_id)
        await house.ack(device_id, NEW)
        await house.later(hours=hours)


async def test_three_cases_in_a_day_are_one_alert_and_a_fourth_none(house: House) -> None:
    await flaps(house, 2)
    assert not house.deliver.letters
    await flaps(house, 3)
    [letter] = house.deliver.letters
    assert (letter.message.template, letter.message.data["cases"]) == ("alert/flapping", 3)
    assert (await types(house, "drift show dev-1")).data["flapping"]


async def test_three_cases_in_more_than_a_day_are_no_flapping(house: House) -> None:
    await flaps(house, 5, hours=12.1)
    assert not await alerts_in(house, AlertKind.FLAPPING)


async def test_flapping_is_over_when_a_day_passes_without_a_case(house: House) -> None:
    await flaps(house)
    await house.later(hours=21)
    assert [each.state for each in await alerts_in(house, AlertKind.FLAPPING)] == [AlertState.OPEN]
    await house.later(hours=1)
    assert [each.state for each in await alerts_in(house, AlertKind.FLAPPING)] == [AlertState.RESOLVED]
    await house.later(days=3)
    assert len(await alerts_in(house, AlertKind.FLAPPING)) == 1


async def test_a_device_that_flaps_is_not_escalated_for_each_case(house: House) -> None:
    await flaps(house)
    for _ in range(3):
        await drifts(house, OLD)
        await house.ack("dev-1", NEW, "rejected", error="no")
        await house.settle()
        await house.say("dev-1", NEW)
    assert not await alerts_in(house, AlertKind.DRIFT)
    await drifts(house, OLD)
    await house.later(hours=25)  # the last case lasts: the flapping is over, and it is escalated
    assert [each.state for each in await alerts_in(house, AlertKind.FLAPPING)] == [AlertState.RESOLVED]
    await house.later(minutes=1)
    assert len(await alerts_in(house, AlertKind.DRIFT)) == 1


@pytest.mark.parametrize("status", PAUSED)
async def test_flapping_waits_while_alerts_are_paused(house: House, status: DeviceStatus) -> None:
    await set_status(house, status)
    await flaps(house)
    assert not house.deliver.letters
    await set_status(house, DeviceStatus.ACTIVE)
    await house.later(minutes=1)
    assert len(await alerts_in(house, AlertKind.FLAPPING)) == 1
