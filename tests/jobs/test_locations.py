"""Devices that report another site than the registry has."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest
from sqlalchemy import select, update

from fleet.alert import AlertKind, AlertState
from fleet.lifecycle import DeviceStatus
from fleet.location import streak
from storage import devices
from storage.db import Database
from storage.tables import Alert, AuditEntry, Device
from tests import build
from tests.build import NEW
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import VIC, refused, types


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    rows = [build.device(f"dev-{n}", NOW, last_seen_at=NOW) for n in range(1, 10)]
    await build.fleet(db, NOW, [*rows, build.device("homeless", NOW, site="")])
    return house


async def says(house: House, *sites: str | None, device_id: str = "dev-1") -> None:
    """One batch with a status for each site."""
    status = {"reported_config_version": NEW}
    payloads = [json.dumps({**status, "site": site} if site is not None else status).encode() for site in sites]
    await house.hear_many([(f"{device_id}/status", payload) for payload in payloads])
    await house.settle()


async def device(house: House, device_id: str = "dev-1") -> Device:
    async with house.db.read() as session:
        return await devices.get(session, device_id)


async def alerts_in(house: House) -> Sequence[Alert]:
    async with house.db.read() as session:
        return (await session.scalars(select(Alert).order_by(Alert.id))).all()


async def set_status(house: House, status: DeviceStatus) -> None:
    async with house.db.begin() as session:
        await session.execute(update(devices.devices).values(status=status))


async def test_three_statuses_from_another_site_are_one_alert(house: House) -> None:
    await says(house, "bergen")
    await says(house, "bergen")
    assert not house.deliver.letters
    await says(house, "bergen")
    [letter] = house.deliver.letters
    assert letter.message.template == "alert/location"
    assert [each.text for each in letter.message.buttons] == ["Accept new site", "Investigate", "Snooze 1 h"]
    await says(house, "bergen", "bergen")
    await house.later(days=2)
    assert len(house.deliver.letters) == 1


@pytest.mark.parametrize(
    "batches",
    [
        [("bergen", "bergen", "bergen")],
        [("bergen", "bergen"), ("bergen",)],
        [("oslo", "bergen", "bergen"), ("bergen",)],
        [("bergen",), (None,), ("bergen", None, "bergen")],
        [("voss", "bergen"), ("bergen", "bergen")],
        [("bergen", ""), ("bergen", "bergen")],
    ],
)
async def test_statuses_are_counted_and_not_batches(house: House, batches: list[tuple[str | None, ...]]) -> None:
    for batch in batches:
        await says(house, *batch)
    assert len(await alerts_in(house)) == 1


@pytest.mark.parametrize(
    "batches",
    [
        [("bergen", "bergen")],
        [("bergen", "bergen"), ("oslo",), ("bergen", "bergen")],
        [("bergen", "bergen", "voss"), ("voss",)],
        [("bergen", "bergen"), ("voss", "bergen"), ("bergen",)],
        [("bergen", "bergen", "oslo", "bergen", "bergen")],
    ],
)
async def test_a_right_site_or_another_wrong_one_begins_anew(
    house: House, batches: list[tuple[str | None, ...]]
) -> None:
    for batch in batches:
        await says(house, *batch)
    assert not await alerts_in(house)


async def test_the_column_follows_the_rule(house: House) -> None:
    chance = random.Random(7)
    said: list[str | None] = []
    for _ in range(60):
        batch = [chance.choice(["oslo", "bergen", "bergen", "voss", None]) for _ in range(chance.randint(1, 4))]
        said += batch
        payloads = [{"reported_config_version": NEW, **({"site": site} if site else {})} for site in batch]
        await house.hear_many([("dev-1/status", json.dumps(each).encode()) for each in payloads])
        assert (await device(house)).site_streak == streak(0, "", said, "oslo"), said


async def test_a_device_without_a_site_in_the_registry_stands_nowhere_wrong(house: House) -> None:
    await says(house, "bergen", "bergen", "bergen", "bergen", device_id="homeless")
    assert not await alerts_in(house)


async def test_the_alert_resolves_when_the_device_is_back(house: House) -> None:
    await says(house, *["bergen"] * 3)
    await says(house, "oslo")
    [alert] = await alerts_in(house)
    assert (alert.state, alert.resolved_by) == (AlertState.RESOLVED, "muster")
    [edit] = house.deliver.edits()
    assert edit.message.data["state"] == "resolved"
    await says(house, *["bergen"] * 3)
    assert len(house.deliver.posts()) == 2


async def test_yet_another_site_is_another_alert(house: House) -> None:
    await says(house, *["bergen"] * 3)
    await says(house, *["voss"] * 3)
    first, second = await alerts_in(house)
    assert (first.state, second.state) == (AlertState.RESOLVED, AlertState.OPEN)
    assert second.data["reported_site"] == "voss"


async def test_accepting_the_new_site_moves_the_device_and_resolves_the_alert(house: House) -> None:
    await says(house, *["bergen"] * 3)
    accept = house.deliver.letters[0].message.buttons[0]
    assert accept.run == "device move dev-1 bergen"
    assert "needs the role operator" in await refused(house, accept.run, VIC)
    answer = await types(house, accept.run)
    assert (answer.template, answer.data["state"]) == ("approve/asked", "approved")
    await house.settle()
    assert ((await device(house)).site, (await device(house)).site_streak) == ("bergen", 0)
    [alert] = await alerts_in(house)
    assert (alert.state, alert.resolved_by) == (AlertState.RESOLVED, "U0ANN")
    async with house.db.read() as session:
        [entry] = await session.scalars(select(AuditEntry).where(AuditEntry.action == "device.moved"))
    assert (entry.actor, entry.subject) == ("U0ANN", "dev-1")
    assert (entry.data["from"], entry.data["to"]) == ("oslo", "bergen")
    await says(house, *["bergen"] * 5)
    assert len(await alerts_in(house)) == 1
    assert "belongs to bergen already" in await refused(house, accept.run)


async def test_investigate_takes_the_alert_and_shows_the_device(house: House) -> None:
    await says(house, *["bergen"] * 3)
    [_, investigate, _] = house.deliver.letters[0].message.buttons
    for _ in range(2):  # somebody else looks too
        answer = await types(house, investigate.run)
        assert (answer.template, answer.data["reported_site"]) == ("device/show", "bergen")
    await house.settle()
    [alert] = await alerts_in(house)
    assert (alert.state, alert.acknowledged_by) == (AlertState.ACKNOWLEDGED, "U0ANN")
    assert house.deliver.edits()[-1].message.data["state"] == "acknowledged"


@pytest.mark.parametrize("status", [DeviceStatus.MAINTENANCE, DeviceStatus.SUSPENDED])
async def test_it_is_told_when_maintenance_ends_and_the_cause_lasts(house: House, status: DeviceStatus) -> None:
    await set_status(house, status)
    await says(house, *["bergen"] * 5)
    assert not await alerts_in(house)
    await set_status(house, DeviceStatus.ACTIVE)
    await house.later(minutes=1)
    assert [each.kind for each in await alerts_in(house)] == [AlertKind.LOCATION]


async def test_a_site_that_was_renamed_is_one_message(house: House) -> None:
    for n in range(1, 10):
        payload = json.dumps({"reported_config_version": NEW, "site": "Oslo 2"}).encode()
        await house.hear_many([(f"dev-{n}/status", payload)] * 3)
    await house.settle()
    [post, listed] = house.deliver.posts()
    assert (post.message.template, post.message.data["remaining"]) == ("alert/group", 9)
    assert listed.message.template == "alert/devices"
