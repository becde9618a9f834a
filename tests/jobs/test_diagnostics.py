"""One question to one device, from the command to the answer in Slack."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot.render import render
from fleet.operation import OperationState
from jobs import diagnostic_answers
from jobs.upkeep import tidy
from storage import batch, diagnostics
from storage.db import Database
from storage.tables import DeadLetter, DiagnosticRequest, Operation, diagnostic_chunks
from storage.tables import devices as devices_table
from storage.tables import diagnostics as table
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.jobs.diagnosing import JOBS, METRICS, answer, asked, chunk, files, shown
from tests.typed import VIC, refused, types

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB\n-----END EC PRIVATE KEY-----\n"


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    rows = [build.device(f"dev-{number}", NOW, last_seen_at=NOW) for number in (1, 2)]
    await build.fleet(db, NOW, [*rows, build.device("dev-off", NOW, last_seen_at=NOW - timedelta(hours=3))])
    house.jobs = JOBS
    return house


async def ask(house: House, line: str) -> dict[str, Any]:
    """Type it, let it leave; what the device got."""
    message = await types(house, f"diag {line}")
    assert message.template == "diag/asking"
    await house.later(seconds=0.2)
    kind, device_id = line.split()[:2]
    return asked(house, kind, device_id)


async def the_request(house: House) -> DiagnosticRequest:
    async with house.db.read() as session:
        return (await session.scalars(select(DiagnosticRequest))).one()


async def letters(house: House) -> list[str]:
    async with house.db.read() as session:
        return list(await session.scalars(select(DeadLetter.reason)))


def words(house: House) -> str:
    rendered = render(shown(house).message)
    return f"{rendered.text}\n{rendered.blocks}"


async def test_a_ping_is_measured_from_its_leaving_to_its_coming_and_edits_the_question(house: House) -> None:
    request = await ask(house, "ping dev-1")
    assert request["request_id"].startswith("diag-20260319-")
    assert (request["operation"], request["requested_by"]) == ("ping", "U0ANN")
    device_ts = (house.now + timedelta(seconds=90)).isoformat()
    echo = answer(request, "ping", {"sent_at": request["params"]["sent_at"]}, device_ts=device_ts)
    await house.hear_many([echo], at=100.042)
    await house.settle()
    assert [each.ts is None for each in house.deliver.letters] == [True, False]
    assert "answered in *42 ms*" in words(house)
    assert "90 s ahead" in words(house)
    row = await the_request(house)
    assert (row.state, row.rtt_ms, row.approximate) == ("answered", pytest.approx(42.0), False)
    async with house.db.read() as session:
        assert (await session.get_one(Operation, row.id)).state is OperationState.DONE


async def test_a_ping_that_another_process_sent_is_measured_by_the_wall_clock_and_says_so(house: House) -> None:
    request = await ask(house, "ping dev-1")
    house.publish.departures = type(house.publish.departures)()
    house.now += timedelta(milliseconds=1500)
    await house.hear_many([answer(request, "ping", {})], at=5.0)
    await house.settle()
    assert "answered in about *1,500 ms*" in words(house)
    assert (await the_request(house)).approximate


async def test_later_pings_are_shown_beside_the_last_ones(house: House) -> None:
    for took in (0.010, 0.020, 0.300):
        await house.hear_many([answer(await ask(house, "ping dev-1"), "ping", {})], at=100.0 + took)
    await house.settle()
    assert "Its last 3 pings" in words(house)
    assert "half within 20 ms, 95 % within 300 ms" in words(house)
    history = await types(house, "diag history dev-1")
    assert [row[1:4] for row in history.data["rows"]] == [["ping", "answered", f"{ms} ms"] for ms in (300, 20, 10)]


async def test_an_answer_that_overtakes_the_record_of_its_question_is_taken(house: House) -> None:
    await types(house, "diag ping dev-1")
    async with house.db.read() as session:
        row = (await session.scalars(select(DiagnosticRequest))).one()
    await house.hear_many([answer({"request_id": row.id}, "ping", {})])
    await house.settle()
    assert (await the_request(house)).state == "answered"
    assert len(house.deliver.letters) == 1  # question and answer became one post
    assert not house.publish.sent  # what is answered needs not be asked


async def test_a_device_that_does_not_answer_is_named_after_thirty_seconds_and_may_still_answer(house: House) -> None:
    request = await ask(house, "ping dev-1")
    await house.later(seconds=29)
    assert len(house.deliver.letters) == 1
    await house.later(seconds=1)
    assert "did not answer" in words(house)
    assert [each.text for each in shown(house).message.buttons] == ["Ask again", "Show device"]
    await house.later(minutes=3)
    await house.hear_many([answer(request, "ping", {})], at=400.0)
    await house.settle()
    assert "answered in *300,000 ms*" in words(house)


async def test_metrics_stand_beside_those_of_the_model_and_what_is_out_of_line_is_marked(house: House) -> None:
    others = [build.device(f"other-{number}", NOW, last_seen_at=NOW) for number in range(6)]
    async with house.db.begin() as session:
        await session.execute(batch.insert(session, devices_table), others)
    for each in others:
        request = await ask(house, f"metrics {each['device_id']}")
        await house.hear_many([answer(request, "metrics", METRICS, each["device_id"])])
    request = await ask(house, "metrics dev-1")
    await house.hear_many([answer(request, "metrics", {**METRICS, "cpu_percent": 60.0, "mqtt_connections": 9})])
    await house.settle()
    said = shown(house).message
    assert said.data["marked"] == ["CPU above its peers", "MQTT connections above its peers"]
    assert said.data["rows"][0] == ["CPU", "60 %", "12 %", "above its peers"]
    assert "6 other devices of model" in words(house)


async def test_a_short_log_stands_in_the_message_with_its_counts_and_times(house: House) -> None:
    request = await ask(house, "logs dev-1 --lines 50 --level warning")
    assert request["operation"] == "log-request"
    assert request["params"] == {"lines": 50, "level": "warning"}
    text = "2026-03-19T10:00:00Z ERROR no route\n2026-03-19T10:05:00Z WARN retry\n"
    await house.hear_many([chunk(request, 1, 1, text)])
    await house.settle()
    said = shown(house).message.data
    assert (said["found"], said["levels"]) == (2, [["error", 1], ["warning", 1]])
    assert (said["first"], said["last"]) == ("2026-03-19T10:00:00Z", "2026-03-19T10:05:00Z")
    assert said["text"] == text
    assert not files(house)


async def test_a_long_log_is_put_together_in_order_and_sent_as_a_file_into_the_thread(house: House) -> None:
    request = await ask(house, "logs dev-1")
    parts = ["".join(f"line {part}-{number}\n" for number in range(30)) for part in range(3)]
    for number in (3, 1, 1, 2):
        await house.hear_many([chunk(request, number, 3, parts[number - 1])])
    await house.settle()
    [file] = files(house)
    assert file.file is not None
    assert file.file.content.decode() == "".join(parts)
    assert file.thread_ts == house.deliver.channel[f"diag:{request['request_id']}"]
    assert "in the thread, as a file" in words(house)
    async with house.db.read() as session:
        assert not await session.scalar(select(func.count()).select_from(diagnostic_chunks))


async def test_secrets_are_masked_in_slack_and_in_what_is_kept_also_across_chunks(house: House) -> None:
    request = await ask(house, "logs dev-1")
    text = f"a\npassword=hunter2\n{PEM}Authorization: Bearer abcdefghijkl\nb\n"
    middle = text.index("MHcC") + 2
    await house.hear_many([chunk(request, 1, 2, text[:middle]), chunk(request, 2, 2, text[middle:])])
    await house.settle()
    kept = (await the_request(house)).text
    assert kept == shown(house).message.data["text"]
    for secret in ("hunter2", "MHcC", "CAQEEIB", "abcdefghijkl"):
        assert secret not in kept
    assert kept.startswith("a\npassword=[redacted]\n")
    assert kept.endswith("\nb\n")


async def test_a_device_that_dies_after_two_of_three_chunks_is_shown_with_a_map_and_may_complete_it(
    house: House,
) -> None:
    request = await ask(house, "logs dev-1")
    await house.hear_many([chunk(request, 1, 3, "one\n"), chunk(request, 3, 3, "three\n")])
    await house.later(seconds=29)
    assert len(house.deliver.letters) == 1
    await house.later(seconds=1)
    said = shown(house).message
    assert (said.data["map"], said.data["missing"]) == ("■□■", ["chunk 2"])
    assert "chunk 2 of 3 did not come" in said.data["text"]
    assert said.buttons[0].text == "Ask again for the rest"
    assert said.buttons[0].run == "diag logs dev-1 --lines 200"
    await house.hear_many([chunk(request, 2, 3, "two\n")])
    await house.settle()
    assert shown(house).message.data["text"] == "one\ntwo\nthree\n"
    assert (await the_request(house)).state == "answered"


async def test_what_comes_after_the_request_has_expired_is_a_dead_letter_without_its_text(house: House) -> None:
    request = await ask(house, "logs dev-1")
    await house.hear_many([chunk(request, 1, 2, "one\n")])
    await house.later(seconds=30)
    await house.later(minutes=5)
    assert not shown(house).message.data["open"]
    await house.hear_many([chunk(request, 2, 2, "token=abc\n")])
    assert (await the_request(house)).state == "incomplete"
    async with house.db.read() as session:
        [letter] = (await session.scalars(select(DeadLetter))).all()
    assert (letter.reason, letter.payload) == (diagnostic_answers.LATE, b"")


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ((1, 3, "other"), "a chunk came twice with different text"),
        ((2, 4, "two"), "the number of chunks changed"),
        ((4, 3, "four"), "a chunk is numbered beyond their number"),
        ((2, 3, "x" * 100), ""),
    ],
)
async def test_a_device_that_contradicts_itself_is_told_at_once_and_what_came_before_is_kept(
    house: House, second: tuple[int, int, str], why: str
) -> None:
    request = await ask(house, "logs dev-1")
    await house.hear_many([chunk(request, 1, 3, "one\n")])
    await house.hear_many([chunk(request, *second)])
    await house.settle()
    row = await the_request(house)
    assert row.fault == why
    assert (row.state == "faulty") == bool(why)
    if why:
        assert why in words(house)
        assert "one\n" in row.text


async def test_two_requests_to_one_device_are_kept_apart(house: House) -> None:
    first, second = await ask(house, "logs dev-1"), await ask(house, "logs dev-1 --level error")
    await house.hear_many(
        [chunk(second, 2, 2, "B2"), chunk(first, 1, 2, "A1"), chunk(second, 1, 2, "B1"), chunk(first, 2, 2, "A2")]
    )
    await house.settle()
    async with house.db.read() as session:
        texts = [(await diagnostics.get(session, each["request_id"])).text for each in (first, second)]
    assert texts == ["A1A2", "B1B2"]


async def test_nobody_answers_for_another_device_or_another_question(house: House) -> None:
    request = await ask(house, "ping dev-1")
    await house.hear_many([answer(request, "ping", {}, "dev-2"), answer(request, "metrics", METRICS)])
    assert (await the_request(house)).state == "asked"
    assert set(await letters(house)) == {diagnostic_answers.UNKNOWN}


async def test_an_offline_device_is_said_to_be_offline_and_is_asked_when_it_is_heard(house: House) -> None:
    message = await types(house, "diag ping dev-off")
    assert message.template == "diag/offline"
    assert [each.run for each in message.buttons[:2]] == ["diag ping dev-off --wait", "diag ping dev-off --anyway"]
    await types(house, message.buttons[0].run)
    await house.later(seconds=0.2)
    assert not house.publish.sent
    assert "It is asked for a sign of life when it is heard again" in words(house)
    await house.later(hours=2)
    await house.say("dev-off", build.NEW)
    await house.later(seconds=2)
    await house.hear_many([answer(asked(house, "ping", "dev-off"), "ping", {}, "dev-off")], at=100.5)
    await house.settle()
    assert "answered in *500 ms*" in words(house)


async def test_a_device_that_does_not_come_back_is_given_up_after_a_day(house: House) -> None:
    await types(house, "diag metrics dev-off --wait")
    await house.later(hours=24)
    assert "did not come back in time" in words(house)
    assert not house.publish.sent


async def test_a_question_waits_for_the_broker_and_is_given_up_when_it_stays_away(house: House) -> None:
    house.publish.connected = False
    await types(house, "diag ping dev-1")
    await house.later(seconds=30)
    assert "no connection to the broker" in words(house)
    await house.later(minutes=5)
    assert "could not reach the broker" in words(house)
    house.publish.connected = True
    await house.later(minutes=1)
    assert not house.publish.sent


async def test_results_are_forgotten_after_their_time(house: House) -> None:
    request = await ask(house, "logs dev-1")
    await house.hear_many([chunk(request, 1, 2, "one\n")])
    await house.later(minutes=6)
    async with house.db.begin() as session:
        await session.execute(update(table).values(created_at=NOW - timedelta(days=31)))
    await tidy.work(house.run())
    async with house.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(table)) == 0


async def test_a_shown_log_comes_again_and_only_to_those_who_may_read_logs(house: House) -> None:
    request = await ask(house, "logs dev-1")
    await house.hear_many([chunk(request, 1, 1, "x\n" * 100)])
    await house.settle()
    message = await types(house, f"diag show {request['request_id']}")
    await house.settle()
    assert message.data["found"] == 100
    assert "Logs are for the role operator" in await refused(house, f"diag show {request['request_id']}", VIC)
    assert [each.file.content for each in files(house) if each.file] == [b"x\n" * 100] * 2


async def test_chunks_that_several_replicas_hear_at_once_after_a_restart_make_one_exact_log(house: House) -> None:
    request = await ask(house, "logs dev-1")
    replicas = [House(house.db, house.settings, house.now) for _ in range(8)]
    texts = [f"line {number}\n" for number in range(1, 9)]
    heard = (
        replica.hear_many([chunk(request, number, 8, text)])
        for number, (replica, text) in enumerate(zip(replicas, texts, strict=True), 1)
    )
    await asyncio.gather(*heard)
    await house.settle()
    row = await the_request(house)
    assert (row.state, row.text) == ("answered", "".join(texts))
