"""Silencing and closing: of an alert, and of the escalation of a device's drift."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from fleet.alert import AlertState
from jobs.escalation import call_people
from storage import devices, drift
from storage.db import Database
from storage.tables import Alert, AuditEntry, DriftCase, Event
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import VIC, refused, types


@pytest.fixture
async def house(db: Database) -> House:
    ladder = [{"after": "15m", "mention": "<!here>"}, {"after": "1h", "mention": "<@U0BOSS>"}]
    house = House(db, settings_for(alerts={"ladder": ladder}), NOW)
    row = build.device("dev-1", NOW, reported_config_version=OLD, last_seen_at=NOW)
    await build.fleet(db, NOW, [row, build.device("dev-2", NOW, last_seen_at=NOW)])
    await house.settle()
    return house


async def the_alert(house: House) -> Alert:
    async with house.db.read() as session:
        return (await session.scalars(select(Alert))).one()


async def the_case(house: House) -> DriftCase:
    async with house.db.read() as session:
        return (await drift.history(session, "dev-1", 1))[0]


def called(house: House) -> list[str]:
    return [each.message.data["mention"] for each in house.deliver.posts() if each.message.template == "alert/call"]


async def test_the_button_snoozes_for_an_hour_and_then_the_ladder_begins_anew(house: House) -> None:
    await house.later(hours=24)
    await house.later(minutes=15)
    assert called(house) == ["<!here>"]
    button = next(each for each in house.deliver.posts()[0].message.buttons if each.text == "Snooze 1 h")
    answer = await types(house, button.run)
    assert answer.data["until"] == house.now + timedelta(hours=1)
    await house.settle()
    edit = house.deliver.edits()[-1].message
    assert (edit.data["state"], edit.data["snoozed_by"]) == ("snoozed", "U0ANN")
    assert [each.text for each in edit.buttons] == [
        "Acknowledge",
        "End snooze",
        "Retry push",
        "Ping",
        "Logs",
        "Show device",
    ]
    await house.later(minutes=59)
    assert called(house) == ["<!here>"]
    await house.later(minutes=1)
    assert (await the_alert(house)).state is AlertState.OPEN
    assert house.deliver.edits()[-1].message.data["state"] == "open"
    assert house.deliver.posts()[-1].message.template == "alert/again"
    await house.later(minutes=15)
    await house.later(minutes=45)
    assert called(house) == ["<!here>", "<!here>", "<@U0BOSS>"]


@pytest.mark.parametrize("line", ["alert ack {id}", "alert snooze {id} 1h", "alert resolve {id} --force it is known"])
async def test_a_call_that_has_not_left_yet_is_withdrawn(house: House, line: str) -> None:
    await house.later(hours=24)
    house.now += timedelta(minutes=15)
    await call_people.work(house.run())
    await types(house, line.format(id=(await the_alert(house)).id))
    await house.settle()
    await house.later(minutes=5)
    assert called(house) == []


async def test_a_snooze_is_ended_by_hand_and_by_the_cause(house: House) -> None:
    await house.later(hours=24)
    alert = await the_alert(house)
    await types(house, f"alert snooze {alert.id} 2h")
    await types(house, f"alert snooze {alert.id} 0")
    assert (await the_alert(house)).state is AlertState.OPEN
    assert "not snoozed" in await refused(house, f"alert snooze {alert.id} 0")
    await types(house, f"alert snooze {alert.id} 2h")
    await house.say("dev-1", NEW)
    await house.later(hours=3)
    assert (await the_alert(house)).state is AlertState.RESOLVED
    assert called(house) == []
    assert "resolved already" in await refused(house, f"alert snooze {alert.id} 2h")


async def test_an_alert_is_shown_with_its_cause_and_with_what_can_be_done(house: House) -> None:
    await house.later(hours=24)
    alert = await the_alert(house)
    shown = await types(house, f"alert show {alert.id}")
    assert [each.text for each in shown.buttons] == [each.text for each in house.deliver.posts()[-1].message.buttons]
    assert shown.data["rows"] == [["dev-1", f"reports {OLD}, should run {NEW}", alert.opened_at]]
    of_device = await types(house, "device show dev-1")
    assert of_device.data["alerts"] == [[alert.id[-6:], "drift", "open", alert.opened_at, None]]
    assert f"alert show {alert.id}" in [each.run for each in of_device.buttons]
    taken = await types(house, f"alert investigate {alert.id}")
    assert (taken.template, taken.data["taken"], taken.data["alerts"][0][2]) == ("device/show", "dev-1", "acknowledged")
    assert not (await types(house, f"alert investigate {alert.id}", VIC)).data.get("taken")
    await types(house, f"alert resolve {alert.id} --force known broken")
    closed = (await types(house, f"alert show {alert.id}")).data
    assert (closed["by"], closed["resolved_at"], closed["resolved_why"]) == ("U0ANN", house.now, "known broken")
    assert not (await types(house, "device show dev-1")).data["alerts"]


async def test_a_site_that_no_other_device_has_is_said_with_near_ones(house: House) -> None:
    asked = await types(house, "device move dev-1 osloo")
    assert (asked.data["new_site"], asked.data["near"]) == ("osloo", ["oslo"])
    await build.fleet(house.db, NOW, [build.device("dev-3", NOW, site="bergen")])
    assert "new_site" not in (await types(house, "device move dev-1 bergen")).data


async def test_lists_of_alerts_and_of_drift_are_turned_and_narrowed(db: Database) -> None:
    """One site each, so that nothing is grouped."""
    house = House(db, settings_for(), NOW)
    rows = [build.device(f"dev-{n:02}", NOW, site=f"site-{n:02}", reported_config_version=OLD) for n in range(33)]
    await build.fleet(db, NOW, rows)
    await house.later(seconds=1)
    await house.later(hours=25)
    for name, size in (("alert list", 20), ("drift list", 30)):
        first = await types(house, name)
        turn = next(each for each in first.buttons if each.text == "Next page")
        second = await types(house, turn.run)
        assert (len(first.data["rows"]), second.data["first"], second.data["last"]) == (size, size + 1, 33)
        back = next(each for each in second.buttons if each.text == "Previous page")
        assert (await types(house, back.run)).data["rows"] == first.data["rows"]
        both = [row[0] for each in (first, second) for row in each.data["rows"]]
        assert len(set(both)) == 33
        narrowed = (await types(house, f"{name} site:site-07")).data
        assert (narrowed["total"], narrowed["selector"], len(narrowed["rows"])) == (1, "site:site-07", 1)
        assert "canray" in await refused(house, f"{name} group:canray")
    assert (await types(house, "alert list site:site-07")).data["rows"][0][1] == "dev-07"


async def test_a_snoozed_alert_can_be_acknowledged(house: House) -> None:
    await house.later(hours=24)
    alert = await the_alert(house)
    await types(house, f"alert snooze {alert.id} 1h")
    await types(house, f"alert ack {alert.id}")
    await house.later(hours=2)
    assert (await the_alert(house)).state is AlertState.ACKNOWLEDGED
    assert called(house) == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("alert snooze al-1 1h", "There is no alert called al-1"),
        ("alert snooze {id} 8d", "168 h at most"),
        ("alert snooze {id} -5m", "it must be a time such as"),
        ("alert snooze {id} soon", "time such as"),
        ("drift snooze dev-1 8d", "168 h at most"),
        ("drift snooze dev-1 0", "is not snoozed"),
        ("drift snooze dev-2 1h", "There is nothing to snooze"),
        ("alert snooze {id} 9999999999d", "longer than can be counted"),
        ("alert snooze {id} -1h", "how-long cannot be '-1h'"),
        ("drift snooze dev-9 1h", "no device called dev-9"),
        ("alert resolve {id}", "still stands: dev-1 does not run the target yet"),
        ("device move dev-1 oslo", "belongs to oslo already"),
        ("device move dev-9 oslo", "no device called dev-9"),
    ],
)
async def test_what_is_refused(house: House, line: str, why: str) -> None:
    await house.later(hours=24)
    assert why in await refused(house, line.format(id=(await the_alert(house)).id))


@pytest.mark.parametrize(
    "line", ["alert snooze a 1h", "alert resolve a", "alert investigate a", "drift snooze dev-1 1h", "device move a b"]
)
async def test_viewers_may_not(house: House, line: str) -> None:
    assert "needs the role operator" in await refused(house, line, VIC)


async def test_an_alert_is_closed_by_force_and_not_told_again(house: House) -> None:
    await house.later(hours=24)
    alert = await the_alert(house)
    answer = await types(house, f"alert resolve {alert.id} --force it is replaced on Monday")
    assert (answer.template, answer.data["still"]) == ("alert/resolved", 1)
    await house.later(days=2)
    closed = await the_alert(house)
    assert (closed.resolved_by, closed.resolved_why) == ("U0ANN", "it is replaced on Monday")
    assert house.deliver.edits()[-1].message.data["resolved_why"] == "it is replaced on Monday"
    edit = house.deliver.edits()[-1].message
    assert (edit.template, edit.data["about"], edit.data["remaining"]) == ("alert/closed", "dev-1", 1)
    async with house.db.read() as session:
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "alert.resolved"))).one()
    assert (entry.actor, entry.data["forced"]) == ("U0ANN", True)
    assert "resolved already" in await refused(house, f"alert resolve {alert.id} --force")


async def test_an_alert_whose_cause_is_over_is_closed_with_a_reason_and_told_to_others_once(house: House) -> None:
    await house.later(hours=24)
    async with house.db.begin() as session:
        await devices.set_target(session, ["dev-1"], OLD, house.now)
        await drift.resolve_mended(session, house.now)
    answer = await types(house, f"alert resolve {(await the_alert(house)).id} it was replaced")
    assert answer.data["still"] == 0
    closed = await the_alert(house)
    assert (closed.state, closed.resolved_by, closed.resolved_why) == (AlertState.RESOLVED, "U0ANN", "it was replaced")
    async with house.db.read() as session:
        assert len((await session.scalars(select(Event).where(Event.type == "alert.resolved"))).all()) == 1


async def test_an_alert_that_ends_with_another_target_says_what_is_so_now(house: House) -> None:
    await house.later(hours=24)
    async with house.db.begin() as session:
        await devices.set_target(session, ["dev-1"], OLD, house.now)
    await house.say("dev-1", OLD)
    await house.settle()
    edit = house.deliver.edits()[-1].message
    assert (edit.template, edit.data["target"]) == ("alert/drift", NEW)
    assert edit.data["present"] == {"target": OLD, "reported": OLD}


async def test_a_snoozed_case_is_not_escalated_before_its_time(house: House) -> None:
    await house.later(hours=20)
    answer = await types(house, 'drift snooze dev-1 10h --why "site visit at noon"')
    assert answer.data["until"] == house.now + timedelta(hours=10)
    shown = (await types(house, "drift show dev-1")).data
    assert (shown["snoozed"], shown["case"]["snooze_why"]) == (True, "site visit at noon")
    assert (await types(house, "drift list")).data["rows"][0][2].endswith(", snoozed")
    await house.later(hours=9, minutes=59)
    assert not house.deliver.letters
    await house.later(minutes=1)
    assert len(house.deliver.letters) == 1
    assert not (await types(house, "drift show dev-1")).data["snoozed"]


async def test_0_ends_the_snooze_of_a_case(house: House) -> None:
    await house.later(hours=20)
    await types(house, "drift snooze dev-1 5d")
    await house.later(hours=5)
    assert not house.deliver.letters
    await types(house, "drift snooze dev-1 0")
    await house.settle()
    assert len(house.deliver.letters) == 1
    assert (await the_case(house)).snoozed_by is None


async def test_the_alert_of_a_case_is_snoozed_with_it(house: House) -> None:
    await house.later(hours=24)
    await types(house, "drift snooze dev-1 3h")
    assert (await the_alert(house)).state is AlertState.SNOOZED
    await types(house, "drift snooze dev-1 0")
    assert (await the_alert(house)).state is AlertState.OPEN
