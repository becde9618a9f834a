"""Many devices with one cause at one site are one message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select, update

from fleet.alert import AlertKind, AlertState
from fleet.lifecycle import DeviceStatus
from storage import devices, schedule
from storage.db import Database
from storage.tables import Alert, alert_devices
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import refused, types


@pytest.fixture
async def house(db: Database) -> House:
    ladder = [{"after": "15m", "mention": "<!here>"}]
    return House(db, settings_for(alerts={"ladder": ladder}), NOW)


async def drifted(house: House, count: int, site: str = "oslo", **columns: object) -> None:
    rows = [
        build.device(f"{site}-{n:04}", house.now, site=site, reported_config_version=OLD, **columns)
        for n in range(count)
    ]
    await build.fleet(house.db, house.now, rows)
    async with house.db.begin() as session:
        await schedule.bring_forward(session, schedule.SWEEP, house.now)
    await house.settle()


async def mends(house: House, *numbers: int, site: str = "oslo") -> None:
    status = f'{{"reported_config_version":"{NEW}"}}'.encode()
    await house.hear_many([(f"{site}-{n:04}/status", status) for n in numbers])
    await house.settle()


async def alerts_in(house: House) -> Sequence[Alert]:
    async with house.db.read() as session:
        return (await session.scalars(select(Alert).order_by(Alert.id))).all()


def templates(house: House) -> dict[str, int]:
    return dict(Counter(each.message.template for each in house.deliver.posts()))


async def test_five_are_told_singly_and_six_as_a_group(house: House) -> None:
    await drifted(house, 5, "oslo")
    await drifted(house, 6, "bergen")
    await house.later(hours=24)
    assert templates(house) == {"alert/drift": 5, "alert/group": 1, "alert/devices": 1}


async def test_two_thousand_devices_of_a_site_are_one_message_with_a_listing(house: House) -> None:
    await drifted(house, 2000)
    await house.later(hours=24)
    await house.later(minutes=1)
    [alert] = await alerts_in(house)
    assert (alert.devices, alert.remaining, alert.device_id) == (2000, 2000, None)
    assert templates(house)["alert/group"] == 1
    assert templates(house)["alert/devices"] == 20
    listed = [row[0] for each in house.deliver.posts() for row in each.message.data.get("rows", [])]
    assert len(listed) == len(set(listed)) == 2000
    group = next(each for each in house.deliver.posts() if each.message.template == "alert/group")
    threads = {each.thread_ts for each in house.deliver.posts() if each.message.template == "alert/devices"}
    assert threads == {house.deliver.channel[group.key]}
    await mends(house, *range(2000))
    [alert] = await alerts_in(house)
    assert (alert.state, alert.remaining) == (AlertState.RESOLVED, 0)
    async with house.db.read() as session:
        left = select(func.count()).select_from(alert_devices).where(alert_devices.c.left_at.is_(None))
        assert await session.scalar(left) == 0


async def test_the_numbers_are_edited_as_devices_mend_and_not_at_every_step(house: House) -> None:
    await drifted(house, 10)
    await house.later(hours=24)
    before = len(house.deliver.edits())
    for n in range(6):
        await mends(house, n)
    assert len(house.deliver.edits()) == before
    await house.later(seconds=15)
    [edit] = house.deliver.edits()[before:]
    assert (edit.message.data["remaining"], edit.message.data["devices"]) == (4, 10)
    await mends(house, 6, 7, 8, 9)
    assert house.deliver.edits()[-1].message.data["state"] == "resolved"


async def test_devices_join_later_and_are_added_to_the_thread(house: House) -> None:
    await drifted(house, 6, last_seen_at=None)
    await house.later(hours=24)
    [alert] = await alerts_in(house)
    rows = [build.device(f"late-{n}", house.now, reported_config_version=OLD) for n in range(2)]
    await build.fleet(house.db, house.now, rows)
    await house.later(hours=1)
    await house.later(hours=24)
    await house.later(seconds=15)
    [alert] = await alerts_in(house)
    assert (alert.devices, alert.remaining) == (8, 8)
    added = house.deliver.posts()[-1].message
    assert (added.template, [row[0] for row in added.data["rows"]]) == ("alert/devices", ["late-0", "late-1"])
    assert house.deliver.edits()[-1].message.data["remaining"] == 8


async def test_a_group_is_acknowledged_once_for_all(house: House) -> None:
    await drifted(house, 7)
    await house.later(hours=24)
    [post, *_] = house.deliver.posts()
    assert [each.text for each in post.message.buttons] == ["Acknowledge", "Show devices", "Snooze 1 h"]
    answer = await types(house, post.message.buttons[0].run)
    assert answer.data["about"] == "the devices at oslo"
    await house.later(hours=1)
    assert "alert/call" not in templates(house)
    shown = await types(house, post.message.buttons[1].run)
    assert (shown.data["total"], shown.data["state"]) == (7, "acknowledged")
    listed = await types(house, "alert list")
    assert [row[1] for row in listed.data["rows"]] == ["the devices at oslo"]


async def test_a_group_with_nobody_acknowledging_calls_the_ladder_once(house: House) -> None:
    await drifted(house, 7)
    await house.later(hours=24)
    await house.later(minutes=15)
    assert templates(house)["alert/call"] == 1


async def test_one_that_follows_singles_of_the_last_minutes_makes_a_group(house: House) -> None:
    await drifted(house, 8, last_seen_at=NOW)
    for n in range(8):
        await house.ack(f"oslo-{n:04}", NEW, "rejected", error="no")
        await house.later(seconds=10)
    assert templates(house)["alert/drift"] == 5
    assert templates(house)["alert/group"] == 1
    group = next(each for each in await alerts_in(house) if each.device_id is None)
    assert (group.devices, group.data["cause"]) == (3, "rejected")


async def test_two_causes_at_one_site_are_two_messages(house: House) -> None:
    await drifted(house, 12, last_seen_at=NOW)
    for n in range(6):
        await house.ack(f"oslo-{n:04}", NEW, "rejected", error="no")
    await house.settle()
    await house.later(minutes=5)
    for _ in range(4):
        await house.later(minutes=5)
    await house.later(hours=24)
    assert sorted(each.data["cause"] for each in await alerts_in(house)) == ["rejected", "unresponsive"]


async def test_a_group_whose_devices_are_all_in_maintenance_calls_nobody(house: House) -> None:
    await drifted(house, 7)
    await house.later(hours=24)
    async with house.db.begin() as session:
        await session.execute(update(devices.devices).values(status=DeviceStatus.MAINTENANCE))
    await house.later(hours=3)
    assert "alert/call" not in templates(house)
    async with house.db.begin() as session:
        await session.execute(update(devices.devices).values(status=DeviceStatus.ACTIVE))
    await house.later(minutes=1)
    assert templates(house)["alert/call"] == 1


async def test_a_group_is_closed_by_hand_only_by_force(house: House) -> None:
    await drifted(house, 7)
    await house.later(hours=24)
    [alert] = await alerts_in(house)
    assert "still stands" in await refused(house, f"alert resolve {alert.id}")
    answer = await types(house, f"alert resolve {alert.id} --force power is out for the week")
    assert answer.data["still"] == 7
    await house.later(days=3)
    assert len(await alerts_in(house)) == 1
    await mends(house, *range(7))
    [alert] = await alerts_in(house)
    assert (alert.resolved_by, alert.resolved_why) == ("U0ANN", "power is out for the week")
    assert alert.kind is AlertKind.DRIFT
