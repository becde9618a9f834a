"""One question to many devices: asked at a pace, watched, and reported with who did not answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import select

from fleet.roles import Person, Role
from jobs.ports import NoEntry, NotYet
from storage.db import Database
from storage.tables import DiagnosticRequest, FanOut
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.jobs.diagnosing import JOBS, METRICS, answer, asked, chunk, files, shown
from tests.typed import ANN, APPROVER, VIC, refused, types

ONLINE = [f"dev-{number:02}" for number in range(20)]


@pytest.fixture
async def house(db: Database) -> House:
    diagnostics = {"fan_out_per_second": 20, "fan_out_most": 25, "fan_out_running": 1}
    house = House(db, settings_for(diagnostics=diagnostics), NOW)
    online = [build.device(each, NOW, last_seen_at=NOW) for each in ONLINE]
    offline = [build.device(f"gone-{number}", NOW) for number in range(2)]
    never = build.device("new-1", NOW, status="manufactured")
    await build.fleet(db, NOW, [*online, *offline, never])
    house.jobs = JOBS
    return house


async def ask(house: House, kind: str = "ping") -> str:
    """Ask everybody, until the last is asked. The id."""
    message = await types(house, f"diag {kind} all")
    assert message.template == "diag/progress"
    for _ in range(8):
        await house.later(seconds=0.5)
    return str(message.data["id"])


async def answered(house: House, kind: str, device_ids: Iterable[str], payload: object = None) -> None:
    messages = [answer(asked(house, kind, each), kind, payload or {}, each) for each in device_ids]
    for at, message in enumerate(messages):
        await house.hear_many([message], at=100.0 + 0.01 * (at + 1))


async def test_devices_are_asked_at_a_pace_and_counted_in_one_message(house: House) -> None:
    message = await types(house, "diag ping all")
    assert message.data["total"] == 22
    asked_by_then = []
    for _ in range(4):
        asked_by_then.append(len(house.publish.sent))
        await house.later(seconds=0.5)
    assert asked_by_then == [0, 10, 20, 20]
    await house.later(seconds=5)
    data = shown(house, "fan-out:").message.data
    assert (data["asked"], data["offline"], data["waited_for"], data["left"]) == (20, 2, 20, 0)
    assert len(house.deliver.posts()) == 1


async def test_nobody_counts_as_asked_or_silent_while_everything_is_stopped(house: House) -> None:
    await types(house, "bulk stop-all", APPROVER)
    await ask(house)
    await house.later(seconds=5)
    data = shown(house, "fan-out:").message.data
    assert (data["asked"], data["offline"], data["waited_for"], data["left"]) == (0, 2, 0, 20)
    await house.later(minutes=10)  # it is too late to ask them
    await house.later(seconds=5)
    report = shown(house, "fan-out:").message
    assert (report.template, report.data["stopped_by"]) == ("diag/report", APPROVER.id)
    assert (report.data["asked"], report.data["given_up"], report.data["silent"]) == (0, 20, [])


async def test_the_report_comes_when_all_have_answered_with_picture_table_and_the_slowest(house: House) -> None:
    await ask(house)
    await answered(house, "ping", ONLINE)
    await house.later(seconds=4)
    report = shown(house, "fan-out:").message
    assert report.template == "diag/report"
    assert (report.data["answered"], report.data["asked"], report.data["offline"]) == (20, 20, 2)
    assert (round(report.data["p50"]), round(report.data["p95"])) == (100, 190)
    assert report.data["worst"][0] == ["dev-19", "200 ms"]
    assert len(report.data["worst"]) == 10
    picture, table = files(house)
    assert picture.file is not None
    assert picture.file.content.startswith(b"\x89PNG")
    assert table.file is not None
    lines = table.file.content.decode().splitlines()
    assert len(lines) == 23
    assert lines[1].startswith("dev-00,gw2,answered,,10.0,")
    assert {each.thread_ts for each in files(house)} == {house.deliver.channel[f"fan-out:{report.data['id']}"]}


async def test_it_closes_when_the_silent_ones_ran_out_of_time_and_names_them(house: House) -> None:
    await ask(house)
    await answered(house, "ping", ONLINE[:18])
    await house.later(seconds=20)
    assert shown(house, "fan-out:").message.template == "diag/progress"
    await house.later(seconds=15)
    report = shown(house, "fan-out:").message
    assert (report.template, report.data["silent"]) == ("diag/report", ["dev-18", "dev-19"])
    async with house.db.read() as session:
        assert (await session.scalars(select(FanOut))).one().closed_at is not None


async def test_a_restart_in_the_middle_goes_on_where_it_was(house: House) -> None:
    await types(house, "diag ping all")
    await house.later(seconds=0.5)
    again = House(house.db, house.settings, house.now)
    again.jobs = JOBS
    for _ in range(4):
        await again.later(seconds=0.5)
    async with house.db.read() as session:
        asked_ones = list(await session.scalars(select(DiagnosticRequest.device_id).order_by("device_id")))
    assert asked_ones == [*ONLINE, "gone-0", "gone-1"]
    assert len(house.publish.sent) + len(again.publish.sent) == 20


async def test_metrics_and_logs_of_many_are_ranked_by_trouble(house: House) -> None:
    await ask(house, "metrics")
    for each in ONLINE:
        disk = 15 << 30 if each == "dev-07" else 4 << 30
        message = answer(asked(house, "metrics", each), "metrics", {**METRICS, "disk_used_bytes": disk}, each)
        await house.hear_many([message])
    await house.later(seconds=4)
    assert shown(house, "fan-out:").message.data["worst"][0][0] == "dev-07"
    await ask(house, "logs")
    for each in ONLINE:
        text = "ERROR a\nERROR b\n" if each == "dev-03" else "INFO a\n"
        await house.hear_many([chunk(asked(house, "logs", each), 1, 1, text, each)])
    await house.later(seconds=4)
    assert shown(house, "fan-out:").message.data["worst"] == [["dev-03", "2 lines of error and worse"]]
    assert "error" in files(house)[-1].file.content.decode()  # type: ignore[union-attr]


async def test_what_is_too_much_is_refused_with_what_would_do(house: House) -> None:
    assert "needs the role operator" in await refused(house, "diag ping all", VIC)
    assert "No device that could answer" in await refused(house, "diag ping site:nowhere")
    assert "--wait and --anyway are for one device" in await refused(house, "diag ping all --wait")
    await build.fleet(house.db, NOW, [build.device(f"more-{number}", NOW) for number in range(9)])
    assert "at most 25" in await refused(house, "diag ping all")
    await types(house, "diag ping site:oslo -more-*")
    assert "are under way already: 1 of 1" in await refused(house, "diag ping dev-*")
    assert (await types(house, "diag ping dev-01", Person("U0VIC", Role.VIEWER))).template == "diag/asking"


async def test_where_muster_is_not_let_in_the_answer_goes_to_whoever_asked(house: House) -> None:
    house.deliver.answers = [NoEntry("not_in_channel")]
    await types(house, "diag ping dev-01", ANN)
    await house.later(seconds=0.2)
    refused_one, moved = house.deliver.letters
    assert (refused_one.channel, moved.channel, moved.moved_from) == ("C0FLEETOPS", "U0ANN", "C0FLEETOPS")
    await house.hear_many([answer(asked(house, "ping", "dev-01"), "ping", {}, "dev-01")], at=100.1)
    await house.settle()
    assert house.deliver.letters[-1].message.template == "diag/ping"
    assert house.deliver.letters[-1].ts is not None


async def test_a_file_is_sent_again_until_slack_has_it_and_once_if_its_answer_is_lost(house: House) -> None:
    await types(house, "diag logs dev-01")
    await house.later(seconds=0.2)
    house.deliver.answers = [NotYet("Slack asks to slow down", after=timedelta(seconds=30))] * 2
    await house.hear_many([chunk(asked(house, "logs", "dev-01"), 1, 1, "x\n" * 99, "dev-01")])
    await house.settle()
    await house.later(seconds=31)
    assert len([each for each in house.deliver.channel if each.endswith(":1")]) == 1
    sent = len(files(house))
    await house.later(minutes=10)
    assert len(files(house)) == sent
