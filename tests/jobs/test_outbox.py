"""The outbox: everything is said once, in order, at Slack's pace, whatever Slack answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

import jobs
from fleet.message import Message
from jobs.ports import Gone, NotYet, Stands
from storage import outbox, outbox_sending
from storage.db import Database
from tests.conftest import NOW, settings_for
from tests.house import House


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    house.jobs = [jobs.post]
    return house


def says(text: str) -> Message:
    return Message(template="problem", data={"text": text, "reference": None})


async def put(
    house: House, key: str, text: str = "", *, priority: int = outbox.REPORT, thread: str | None = None
) -> None:
    async with house.db.begin() as session:
        await outbox.put(session, {key: says(text or key)}, "C1", house.now, priority, thread)


async def revise(house: House, key: str, text: str) -> None:
    async with house.db.begin() as session:
        await outbox.revise(session, {key: says(text)}, house.now)


def texts(house: House) -> list[str]:
    return [letter.message.data["text"] for letter in house.deliver.letters]


async def test_a_key_is_posted_once_however_often_it_is_put(house: House) -> None:
    await put(house, "a")
    await put(house, "a", "again")
    await house.settle()
    await put(house, "a", "and again")
    await house.settle()
    assert texts(house) == ["a"]


async def test_edits_that_pile_up_become_one(house: House) -> None:
    await put(house, "a")
    await house.settle()
    for number in range(5):
        await revise(house, "a", f"edit {number}")
    await house.settle()
    assert texts(house) == ["a", "edit 4"]
    assert house.deliver.letters[1].ts == house.deliver.channel["a"]


async def test_an_edit_before_the_post_is_the_post(house: House) -> None:
    await put(house, "a")
    await revise(house, "a", "better")
    await house.settle()
    assert texts(house) == ["better"]


async def test_escalations_overtake_reports(house: House) -> None:
    house.deliver.interval = timedelta(seconds=1)
    for number in range(5):
        await put(house, f"report {number}")
    await put(house, "escalation", priority=outbox.ESCALATION)
    await house.settle()
    for _ in range(6):
        await house.later(seconds=1)
    assert texts(house) == ["escalation", *(f"report {number}" for number in range(5))]


async def test_an_answer_in_a_thread_waits_until_the_thread_stands(house: House) -> None:
    await put(house, "answer", thread="alert")
    await house.settle()
    assert not texts(house)
    await put(house, "alert")
    await house.settle()
    assert texts(house) == ["alert", "answer"]
    assert house.deliver.letters[1].thread_ts == house.deliver.channel["alert"]


async def test_retry_after_is_obeyed(house: House) -> None:
    house.deliver.answers = [NotYet("Slack asks to slow down", after=timedelta(seconds=30))]
    await put(house, "a")
    await house.settle()
    await house.later(seconds=29)
    assert len(texts(house)) == 1
    await house.later(seconds=1)
    assert len(texts(house)) == 2
    assert "a" in house.deliver.channel


async def test_a_post_whose_answer_was_lost_is_found_and_not_repeated(house: House) -> None:
    house.deliver.answers = [NotYet("the connection was cut", uncertain=True)]
    await put(house, "a")
    await house.settle()
    house.deliver.channel["a"] = "17000000.000042"  # Slack had taken it
    await house.later(minutes=5)
    await revise(house, "a", "edited")
    await house.settle()
    assert texts(house) == ["a", "edited"]
    assert house.deliver.letters[1].ts == "17000000.000042"


async def test_a_post_that_was_revised_while_its_fate_was_unknown_is_found_and_edited(house: House) -> None:
    house.deliver.answers = [NotYet("the connection was cut", uncertain=True)]
    await put(house, "a")
    await house.settle()
    house.deliver.channel["a"] = "17000000.000042"
    await revise(house, "a", "edited")
    await house.later(minutes=5)
    assert [letter.ts for letter in house.deliver.letters] == [None, "17000000.000042"]


async def test_a_replica_that_died_while_posting_is_succeeded_and_the_post_is_looked_for(house: House) -> None:
    await put(house, "a")
    async with house.db.begin() as session:
        [row] = await outbox_sending.due(session, house.now, 10)
        await outbox_sending.claim(session, [row.id], house.now, "another", house.now + timedelta(minutes=1))
    house.deliver.channel["a"] = "17000000.000042"  # it had posted before it died
    await house.settle()
    assert not texts(house)
    await house.later(minutes=1)
    assert not texts(house)  # found, not posted again
    async with house.db.read() as session:
        assert await outbox_sending.waiting(session) == (0, None)


async def test_a_deleted_message_is_posted_anew(house: House) -> None:
    await put(house, "a")
    await house.settle()
    house.deliver.answers = [Gone("message_not_found"), Stands("17000000.000099")]
    await revise(house, "a", "edited")
    await house.settle()
    assert [letter.ts is None for letter in house.deliver.letters] == [True, False, True]
    assert texts(house)[-1] == "edited"


async def test_an_hour_without_slack_loses_and_doubles_nothing_and_says_how_late_it_is(house: House) -> None:
    house.deliver.answers = [NotYet("Slack cannot be reached", uncertain=True)] * 500
    for number in range(20):
        await put(house, f"report {number}")
    await put(house, "escalation", priority=outbox.ESCALATION)
    for _ in range(60):
        await house.later(minutes=1)
    assert not house.deliver.channel
    tried = len(house.deliver.letters)
    house.deliver.answers = []
    await house.later(minutes=6)
    delivered = house.deliver.letters[tried:]
    assert delivered[0].key == "escalation"
    assert len({letter.key for letter in delivered}) == len(delivered) == 21
    assert all(letter.late and letter.late >= timedelta(hours=1) for letter in delivered)


async def test_what_slack_never_takes_is_given_up_after_a_day(house: House) -> None:
    house.deliver.answers = [NotYet("channel_not_found")] * 2000
    await put(house, "a")
    for _ in range(26):
        await house.later(hours=1)
    tried = len(house.deliver.letters)
    await house.later(hours=10)
    assert len(house.deliver.letters) == tried
    async with house.db.read() as session:
        assert await outbox_sending.waiting(session) == (0, None)
