"""What people, devices, brokers, databases and Slack get wrong: a clear sentence or a counted dead letter, and on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiomqtt
import pytest

from fleet.drift import CaseState
from sandbox.broker import EmbeddedBroker, free_port
from sandbox.workspace import OPERATOR, VIEWER
from storage import dead_letters
from tests.brokers import RunningBroker
from tests.build import NEW, OLD
from tests.conftest import NOW
from tests.walks.conftest import House, a_device, a_house, eventually, message_key, say

ROOT = Path(__file__).parents[2]

# --- people ---


TYPED = {
    "device show dev-9": ["There is no device called dev-9.", "Did you mean dev-1?"],
    "drift show dev-9": ["There is no device called dev-9."],
    "drift retry dev-9": ["There is no device called dev-9."],
    "find site:": ["site"],
    "find sit:oslo": ["there is no field sit. Did you mean site:?", "Run: find site:oslo"],
    "find status:sleeping": ["sleeping"],
    "find (dev-1": ["(dev-1"],
    "find": ["Which devices? Name them", "For example:", "Usage:", "/fleet find <selector>"],
    "find all --afer dev-1": ["There is no flag --afer here.", "--after", "Run: find all --after dev-1"],
    "status --verbose": ["status takes no flags, so --verbose is not understood."],
    "alert ack 000000": ["There is no alert called 000000.", "/fleet alert list"],
    "config show 1999.1": ["1999.1"],
    "config add 2026.9.9 {bad": ["The configuration is not valid JSON: Expecting property name"],
    "config assign 1999.1 dev-1": ["1999.1"],
    "config assign 2026.2.0 site:nowhere": ["No device matches site:nowhere", "Nothing was changed"],
    "bulk retag": ["Which tag?", "/fleet bulk retag env environment"],
    "bulk retag env": ["Which new name?"],
    "make coffee": ["There is no command make coffee.", "/fleet help"],
}


async def test_what_is_typed_wrong_is_answered_with_what_is_wrong_and_what_is_right(house: House) -> None:
    await house.register("dev-1")
    for typed, words in TYPED.items():
        answer = await house.types(typed)
        assert [each for each in words if each not in answer.words] == [], f"{typed}: {answer.words}"
        assert "Reference" not in answer.words  # which would be a fault of ours
        assert answer.answers[0].ephemeral_to == OPERATOR


async def test_who_lacks_the_role_is_told_which_one_and_who_gives_it(house: House) -> None:
    await house.register("dev-1", reported_config_version=OLD, last_seen_at=NOW)
    await house.settle()
    answer = await house.types("drift retry dev-1", VIEWER)
    assert "/fleet drift retry needs the role operator; yours is viewer" in answer.words
    assert "app.yaml under roles.operator" in answer.words
    assert len(await house.operations()) == 1


async def test_an_empty_fleet_is_no_fault(house: House) -> None:
    await house.settle()
    for line, words in {
        "status": "There are no devices yet.",
        "find all": "No device matches `all`",
        "drift list": "No device has an open drift case.",
        "alert list": "No alert is open.",
        "config show": "There is no configuration yet.",
        "drift sweep": "*0 devices* drifted",
    }.items():
        assert words in (await house.types(line)).words


# --- the broker ---


async def test_without_a_broker_commands_answer_and_when_it_comes_everything_goes_on(sqlite_url: str) -> None:
    port = free_port()
    async with a_house(sqlite_url, port, wait=False) as house:
        await house.register("dev-1", reported_config_version=OLD, last_seen_at=NOW)
        await house.settle()
        assert "drift case is *pushing*" in (await house.types("device show dev-1")).words
        assert "It has not left yet." in (await house.types("drift show dev-1")).words
        with EmbeddedBroker(port=port):
            await house.connected()
            async with a_device(port) as line:
                await line.subscribe("dev-1/config/desired", qos=1)
                await house.later(seconds=5)
                pushed = await asyncio.wait_for(anext(aiter(line.messages)), 5)
                assert NEW.encode() in bytes(pushed.payload)  # type: ignore[arg-type]
                await say(line, "dev-1/config/ack", {"version": NEW, "status": "applied"})
                await house.in_state("resolved")


# --- the database ---


@contextmanager
def locked(url: str) -> Iterator[sqlite3.Connection]:
    """Another process' write transaction, as SQLite sees it; it ends with the block at the latest."""
    other = sqlite3.connect(url.partition(":///")[2], isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield other
    finally:
        other.close()


async def test_a_locked_database_is_said_in_time_and_no_status_is_lost(sqlite_url: str, broker: RunningBroker) -> None:
    async with a_house(sqlite_url, broker.port, database={"lock_timeout": "1s"}) as house:
        await house.register("dev-1")
        async with a_device(broker.port) as line:
            with locked(sqlite_url):
                for boot in range(5):
                    await say(line, "dev-1/status", {"reported_config_version": OLD, "boot_id": f"boot-{boot}"})
                began = time.monotonic()
                answer = await house.types("drift sweep")
                # What devices said may be before it in the queue: that gives up first, and then the command.
                assert time.monotonic() - began < 3
                assert "The database is busy with another writer. Nothing was changed" in answer.words
                assert "try again in a moment" in answer.words
                assert f"`{NEW}`" in (await house.types("device show dev-1")).words  # who only looks does not wait
                await eventually(lambda: refusals(house))
                assert (await house.device()).boot_id == ""
            await house.heard(reported_config_version=OLD, boot_id="boot-4")
        assert "The sweep begins now." in (await house.types("drift sweep")).words


async def refusals(house: House) -> int:
    """How often the registry did not take what devices said."""
    return house.muster.connection.stats.batch_failures


# --- Slack ---


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "retry_after": 7, "times": 2},
        {"status": 500, "times": 2},
        {"status": 503},
        {"drop": True},
        {"accept_then_drop": True},
        {"error": "fatal_error"},
    ],
    ids=lambda fault: "-".join(str(each) for each in fault),
)
async def test_an_alert_stands_once_whatever_slack_answers_first(
    house: House, line: aiomqtt.Client, fault: dict[str, object]
) -> None:
    await house.register("dev-1", reported_config_version=OLD, last_seen_at=NOW)
    await house.settle()
    await say(line, "dev-1/config/ack", {"version": NEW, "status": "rejected", "error": "no room"})
    await house.in_state("rejected")
    await house.ws.inject("chat.postMessage", **fault)  # type: ignore[arg-type]
    await house.settle()
    if fault.get("status") == 429:
        await house.later(seconds=6)
        assert not await house.posts()  # not before Slack said
    for _ in range(5):
        await house.later(seconds=10)
    [post] = await house.posts()
    assert message_key(post).startswith("alert:")
    assert "no room" in post.words
    assert not await house.ws.pending_faults()


async def test_slack_that_is_away_for_an_hour_gets_the_alert_late_and_once(house: House, line: aiomqtt.Client) -> None:
    await house.register("dev-1", reported_config_version=OLD, last_seen_at=NOW)
    await house.settle()
    await say(line, "dev-1/config/ack", {"version": NEW, "status": "rejected", "error": "no room"})
    await house.in_state("rejected")
    await house.ws.inject("*", status=500, times=10_000)
    for _ in range(20):
        await house.later(minutes=3)
    await house.ws.pending_faults(clear=True)
    for _ in range(3):
        await house.later(minutes=3)
    [post] = [each for each in await house.posts() if "no room" in each.words]
    assert "late" in post.words


# --- devices ---


async def letters(house: House) -> dict[str, int]:
    async with house.db.read() as session:
        return await dead_letters.counts(session, NOW)


BAD: dict[str, tuple[str, bytes]] = {
    "too large": ("dev-1/status", b'{"reported_config_version":"' + b"x" * 1024 * 1024 + b'"}'),
    "not utf-8": ("dev-1/status", b'{"reported_config_version":"\xff\xfe"}'),
    "not json": ("dev-1/status", b"{ this is not JSON"),
    "not an object": ("dev-1/status", b"[1, 2]"),
    "names another device": ("dev-1/status", b'{"reported_config_version":"2026.1.0","device_id":"dev-2"}'),
    "bad field: reported_config_version": ("dev-1/status", b'{"reported_config_version":7}'),
    "unknown device": ("dev-9/status", b'{"reported_config_version":"2026.1.0"}'),
    "bad device id": ("-dev-/status", b'{"reported_config_version":"2026.1.0"}'),
}


async def test_what_cannot_be_read_is_counted_and_the_next_status_is_stored(house: House, line: aiomqtt.Client) -> None:
    await house.register("dev-1", "dev-2")
    for reason, (topic, payload) in BAD.items():
        await say(line, topic, payload)
        await say(line, topic, payload)
        await say(line, "dev-1/status", {"reported_config_version": OLD, "boot_id": f"after {reason}"})
        await house.heard(reported_config_version=OLD, boot_id=f"after {reason}")
        expected = (1, 2) if reason == "unknown device" else (2,)  # of a stranger, a batch is one word
        assert (await letters(house))[reason] in expected
    assert (await letters(house)).keys() == BAD.keys()
    assert (await house.device("dev-2")).last_seen_at is None
    seen = (await house.types("status")).words
    assert [reason for reason in BAD if reason not in seen] == []


async def test_a_status_that_was_retained_is_not_the_voice_of_the_device(
    sqlite_url: str, broker: RunningBroker
) -> None:
    async with a_device(broker.port) as line:
        await say(line, "dev-1/status", {"reported_config_version": OLD, "boot_id": "of old"}, retain=True)
        async with a_house(sqlite_url, broker.port, wait=False) as house:
            await house.register("dev-1")
            await house.connected()
            await eventually(lambda: letters(house))
            assert await letters(house) == {"retained copy": 1}
            row = await house.device()
            assert (row.last_seen_at, row.reported_config_version, row.boot_id) == (None, NEW, "")
            await say(line, "dev-1/status", {"reported_config_version": OLD, "boot_id": "of now"})
            await house.heard(reported_config_version=OLD, boot_id="of now")
            await house.sweep()
            assert (await house.in_state("pushing")).state is CaseState.PUSHING


# --- the machine that it runs on ---


async def muster_run(**environment: str) -> tuple[int | None, str]:
    """`python -m bot run` with the app.yaml of the repository: its exit code, and what it says."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "run", "--settings", str(ROOT / "app.yaml")),
        env={**inherited, **environment, "COLUMNS": "500"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode()


async def test_a_second_bot_on_the_same_file_is_refused_with_a_sentence(house: House, sqlite_url: str) -> None:
    code, said = await muster_run(
        MUSTER_SLACK_BOT_TOKEN="xoxb-test",
        MUSTER_SLACK_APP_TOKEN="xapp-test",
        MUSTER_SLACK_BASE_URL=house.ws.base_url,
        MUSTER_OPS_CHANNEL="C0FLEETOPS",
        MUSTER_DATABASE_URL=sqlite_url,
    )
    assert code == 1
    assert "Another Muster is running on" in said
    assert "Stop it first" in said
    assert "Traceback" not in said
    assert "There are no devices yet." in (await house.types("status")).words  # the first one goes on


async def test_a_missing_token_is_named_and_nothing_is_started(sqlite_url: str) -> None:
    code, said = await muster_run(
        MUSTER_SLACK_APP_TOKEN="xapp-test", MUSTER_OPS_CHANNEL="C0FLEETOPS", MUSTER_DATABASE_URL=sqlite_url
    )
    assert code == 1
    assert "MUSTER_SLACK_BOT_TOKEN (for slack.bot_token)" in said
    assert "MUSTER_SLACK_APP_TOKEN" not in said
    assert "Traceback" not in said
