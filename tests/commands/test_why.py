"""A device's story, and the newest entries of the audit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from fleet.operation import OperationKind, OperationState
from fleet.roles import Person, Role
from storage import audit, ids, operations, schedule, tables
from storage.db import Database
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import refused, types

APRIL = Person("U0APRIL", Role.APPROVER)


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    await build.fleet(db, NOW, [build.device(f"dev-{n}", NOW, last_seen_at=NOW) for n in (1, 2)])
    return house


async def drifts_and_refuses(house: House) -> None:
    await house.say("dev-1", OLD)
    async with house.db.begin() as session:
        await schedule.bring_forward(session, schedule.SWEEP, house.now)
    await house.later(seconds=1)
    await house.ack("dev-1", NEW, "rejected", error="no room")
    await house.later(seconds=1)


async def test_the_story_tells_in_order_who_did_what_with_links(house: House) -> None:
    await drifts_and_refuses(house)
    alert = house.deliver.posts()[-1].key.removeprefix("alert:")
    await types(house, f"alert ack {alert}")
    house.now = house.now.replace(minute=40)
    await house.say("dev-1", NEW)
    await house.later(seconds=1)
    async with house.db.begin() as session:
        told = {"devices": ["dev-1", "dev-9"], "why": "spring"}
        await audit.add(session, house.now, "U0OLGA", "config.assigned", "2026.3", told)
        await audit.add(session, house.now, "U0OLGA", "device.moved", "dev-2")
    await house.later(seconds=1)
    rows = (await types(house, "why dev-1")).data["rows"]
    said = [row["what"] for row in rows]
    assert said == [
        "device registered",
        "drift found",
        "asked: config",
        "alert opened: drift",
        "alert acknowledged: drift",
        "drift resolved",
        "alert over: drift",
        "config assigned",
    ]
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert (rows[-1]["who"], rows[-1]["detail"]) == ("U0OLGA", "why: spring")
    assert rows[4]["who"] == "U0ANN"
    assert "no room" in rows[3]["detail"]
    ts = house.deliver.channel[f"alert:{alert}"].replace(".", "")
    assert rows[3]["url"] == f"https://slack.com/archives/C0FLEETOPS/p{ts}"


async def test_a_long_story_is_paged_and_nothing_is_lost_or_doubled(house: House) -> None:
    for number in range(40):
        house.now = NOW.replace(hour=15, minute=number)
        async with house.db.begin() as session:
            await audit.add(session, house.now, "olga", "device.noted", "dev-1", {"n": number})
    line, found = "why dev-1", []
    for _ in range(10):
        answer = await types(house, line)
        found = [row["detail"] for row in answer.data["rows"]] + found
        earlier = [button.run for button in answer.buttons if button.text == "Earlier"]
        if not earlier:
            break
        line = earlier[0]
    assert found == ["", *(f"n: {number}" for number in range(40))]


async def test_rounds_that_nobody_answers_are_one_line_and_the_alert_stays_in_sight(house: House) -> None:
    await drifts_and_refuses(house)
    asked = {"kind": OperationKind.CONFIG, "device_id": "dev-1", "version": NEW, "requested_by": "muster"}
    hours = [house.now + timedelta(hours=n) for n in range(1, 21)]
    rounds = [{**asked, "id": ids.new("op", at), "created_at": at, "due_at": at, "sent_at": at} for at in hours]
    async with house.db.begin() as session:
        await operations.add(session, rounds)
        replaced = {"state": OperationState.CANCELLED, "attempt": 4}
        await session.execute(update(tables.operations).where(tables.operations.c.state == "queued").values(replaced))
    house.now = hours[-1]
    rows = (await types(house, "why dev-1")).data["rows"]
    assert "alert opened: drift" in [row["what"] for row in rows]
    last = rows[-1]
    assert (last["detail"], last["times"]) == (f"{NEW}, no answer, attempt 4", 20)
    assert (last["at"], last["until"]) == (hours[0], hours[-1])


async def test_a_device_that_was_registered_by_itself_is_registered_once(house: House) -> None:
    await types(house, "device register new-1")
    [row] = (await types(house, "why new-1")).data["rows"]
    assert (row["what"], row["who"]) == ("device registered", "U0ANN")


async def test_a_device_that_does_not_exist_has_no_story(house: House) -> None:
    assert "dev-1" in await refused(house, "why dev-11")


async def test_approvers_see_the_newest_entries_and_narrow_them(house: House) -> None:
    async with house.db.begin() as session:
        for number in range(25):
            await audit.add(session, NOW, "U0ANN" if number % 2 else "muster", "device.moved", f"dev-{number}")
        await audit.add(session, NOW, "U0ANN", "config.added", "2026.9")
    answer = await types(house, "audit", APRIL)
    assert len(answer.data["rows"]) == 20
    rest = await types(house, answer.buttons[0].run, APRIL)
    subjects = [row[3] for each in (answer, rest) for row in each.data["rows"]]
    assert len(set(subjects)) == len(subjects) == 26
    assert {row[1] for row in (await types(house, "audit --who <@U0ANN>", APRIL)).data["rows"]} == {"U0ANN"}
    [row] = (await types(house, "audit --what config", APRIL)).data["rows"]
    assert row[3] == "2026.9"
    [row] = (await types(house, 'audit --what "config added"', APRIL)).data["rows"]
    assert row[3] == "2026.9"
    nothing = (await types(house, "audit --since 2027-01-01", APRIL)).data
    assert (nothing["rows"], nothing["kinds"], nothing["nobody"]) == ([], [], "")
    assert (await types(house, "audit --what stop", APRIL)).data["kinds"] == ["config", "device"]
    assert (await types(house, "audit --what moved", APRIL)).data["kinds"] == ["device.moved"]
    assert (await types(house, "audit --who olga", APRIL)).data["nobody"] == "olga"
    assert "approver" in await refused(house, "audit")
