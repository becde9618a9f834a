"""Commands, clicks, pages and files, as people in Slack see them."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest

from sandbox.workspace import BOT_USER, FLEET_OPS, OPERATOR, RANDOM, VIEWER, SeenMessage, Workspace, ids
from tests import build
from tests.bot.conftest import Desk, OpenDesk
from tests.conftest import NOW

HOSTILE = '=HYPERLINK("http://evil.example"), <!channel>'


async def with_devices(desk: Desk, count: int) -> None:
    rows = [build.device(f"dev-{number:03}", NOW) for number in range(1, count + 1)]
    rows[0]["firmware_version"] = HOSTILE
    await build.fleet(desk.db, NOW, rows)


async def turn(ws: Workspace, page: SeenMessage, button: str) -> SeenMessage:
    """The same message, after its page was turned."""
    await ws.click(VIEWER, page.ts, button)
    return await ws.wait_for_answer(VIEWER, lambda message: message.ts == page.ts)


async def test_pages_are_turned_in_place_and_say_where_one_is(desk: Desk) -> None:
    await with_devices(desk, 45)
    run = await desk.ws.command(VIEWER, FLEET_OPS, "find all")
    [page] = run.answers
    assert page.says("1-20 of 45")
    assert page.buttons == ["Next page", "All as a file"]
    page = await turn(desk.ws, page, "Next page")
    assert page.says("21-40 of 45")
    assert page.says("dev-021")
    assert not page.says("dev-020")
    page = await turn(desk.ws, page, "Next page")
    assert page.says("41-45 of 45")
    assert page.buttons == ["Previous page", "All as a file"]
    page = await turn(desk.ws, page, "Previous page")
    assert page.says("21-40 of 45")
    assert page.says("dev-040")
    assert len(await desk.ws.messages(FLEET_OPS, user=VIEWER)) == 1


async def test_a_page_in_a_thread_is_turned_in_place_too(desk: Desk) -> None:
    await with_devices(desk, 25)
    question = await desk.ws.write(VIEWER, FLEET_OPS, "@Muster find -dev-999")
    page = await desk.ws.wait_for_answer(VIEWER)
    page = await turn(desk.ws, page, "Next page")
    assert page.says("21-25 of 25")
    assert (page.thread_ts, page.ephemeral_to) == (question.ts, None)


async def test_a_file_goes_to_the_direct_messages_of_the_asker(desk: Desk) -> None:
    await with_devices(desk, 25)
    run = await desk.ws.command(VIEWER, FLEET_OPS, "find --csv site:oslo")
    assert "has 25 devices for site:oslo. It is in your direct messages with Muster." in run.words.replace("`", "")
    [message] = await desk.ws.messages("D0VIEWER")
    assert message.user == BOT_USER
    [file] = message.files
    assert (file["name"], file["mimetype"]) == ("devices-2026-03-19-1430.csv", "text/csv")
    stored = desk.ws.state.files[file["id"]].content
    assert stored is not None
    rows = list(csv.DictReader(io.StringIO(stored.decode())))
    assert [row["device_id"] for row in rows] == [f"dev-{number:03}" for number in range(1, 26)]
    assert rows[0]["firmware_version"] == f"'{HOSTILE}"
    assert rows[0]["registered_at"] == "2026-03-19T14:30:00+00:00"
    assert rows[0]["last_seen_at"] == ""


async def test_a_file_goes_into_the_thread_where_it_was_asked_for(desk: Desk) -> None:
    await with_devices(desk, 3)
    question = await desk.ws.write(VIEWER, FLEET_OPS, "@Muster find --csv --here all")
    shared = await desk.ws.wait_for_answer(VIEWER, lambda message: bool(message.files))
    assert shared.thread_ts == question.ts
    assert f"for <@{VIEWER}>" in shared.text
    answer = await desk.ws.wait_for_answer(VIEWER, contains="has 3 devices")
    assert answer.thread_ts == question.ts


async def test_a_file_for_a_direct_message_goes_there(desk: Desk) -> None:
    await with_devices(desk, 3)
    await desk.ws.write(VIEWER, "@muster", "find --csv all")
    await desk.ws.wait_for_answer(VIEWER, contains="has 3 devices")
    assert len([message for message in await desk.ws.messages("D0VIEWER") if message.files]) == 1


async def test_a_file_that_would_be_too_large_is_cut_and_said_to_be(open_desk: OpenDesk) -> None:
    async with open_desk(slack={"file_max_bytes": 1000}) as desk:
        await with_devices(desk, 45)
        run = await desk.ws.command(VIEWER, FLEET_OPS, "find --csv all")
        [file] = desk.ws.state.files.values()
        assert file.content is not None
        assert len(file.content) <= 1000
        kept = file.content.count(b"\n") - 1
        assert f"The file was cut at {kept} devices of 45" in run.words


@pytest.mark.parametrize(
    ("channel", "fault", "said"),
    [
        (RANDOM, {}, "Muster is not in this channel. Invite it, or leave --here out"),
        (FLEET_OPS, {"method": "upload", "status": 503}, "Slack did not take the file (HTTP 503)"),
        (FLEET_OPS, {"method": "files.completeUploadExternal", "error": "posting_to_channel_denied"}, "denied)."),
    ],
)
async def test_a_file_that_slack_does_not_take_is_said_to_be(
    desk: Desk, channel: str, fault: dict[str, object], said: str
) -> None:
    await with_devices(desk, 3)
    if fault:
        await desk.ws.call("inject", **fault)
    run = await desk.ws.command(VIEWER, channel, "find --csv --here all")
    assert said in run.words


async def test_without_the_scope_the_answer_names_it(open_desk: OpenDesk) -> None:
    scopes = tuple(scope for scope in ids.SCOPES if scope != "files:write")
    async with open_desk(scopes=scopes) as desk:
        await with_devices(desk, 3)
        run = await desk.ws.command(VIEWER, FLEET_OPS, "find --csv all")
        assert "give its Slack app the scope files:write" in run.words


async def test_no_file_is_made_of_nothing(desk: Desk) -> None:
    run = await desk.ws.command(VIEWER, FLEET_OPS, "find --csv all")
    assert "No device matches" in run.words
    assert not desk.ws.state.files


async def test_here_without_a_file_is_a_mistake_that_can_be_mended(desk: Desk) -> None:
    run = await desk.ws.command(VIEWER, FLEET_OPS, "find --here site:oslo")
    assert run.answers[0].buttons == ["Run: find --csv --here site:oslo"]


async def test_a_mistake_offers_the_line_that_was_meant_and_runs_it(desk: Desk) -> None:
    run = await desk.ws.command(VIEWER, FLEET_OPS, "statsu")
    again = await desk.ws.click(VIEWER, run.answers[0].ts, "Run: status", wait=5)
    assert "The fleet at a glance" in again.words
    assert again.answers[0].ephemeral_to == VIEWER


async def test_help_names_what_the_asker_may_do(desk: Desk) -> None:
    viewer = await desk.ws.command(VIEWER, FLEET_OPS, "")
    assert "*status*" in viewer.words
    assert "`sweep`" not in viewer.words
    assert "not shown: a higher role is needed" in viewer.words
    operator = await desk.ws.command(OPERATOR, FLEET_OPS, "help")
    assert "`sweep`" in operator.words


async def test_what_muster_does_not_offer_is_answered_where_a_person_waits(desk: Desk) -> None:
    await desk.ws.shortcut(VIEWER, "summarise")
    answer = await desk.ws.wait_for_answer(VIEWER)
    assert answer.says("Muster has no shortcuts. Begin with /fleet help.")
    assert answer.channel == "D0VIEWER"
    message = await desk.ws.write(VIEWER, FLEET_OPS, "look at this")
    run = await desk.ws.shortcut(VIEWER, "summarise", ts=message.ts, wait=5)
    assert "has no shortcuts" in run.words
    assert run.answers[0].ephemeral_to == VIEWER


async def test_a_button_that_muster_did_not_offer_is_answered(desk: Desk) -> None:
    menu = {"type": "button", "action_id": "old", "text": {"type": "plain_text", "text": "Old"}}
    link = {**menu, "action_id": "link", "text": {"type": "plain_text", "text": "Runbook"}, "url": "https://x.example"}
    client = desk.slack.app.client
    blocks = [{"type": "actions", "elements": [menu, link]}]
    posted = await client.chat_postMessage(channel=FLEET_OPS, text="from another time", blocks=blocks)
    quiet = await desk.ws.click(VIEWER, str(posted["ts"]), "Runbook")
    run = await desk.ws.click(VIEWER, str(posted["ts"]), "Old", wait=5)
    assert "Muster does not know this button or menu any more." in run.words
    assert (quiet.error, (await desk.ws.answers(quiet)).answers) == (None, [])


async def test_whoever_is_being_answered_when_muster_stops_gets_the_words(desk: Desk) -> None:
    await with_devices(desk, 1)
    async with desk.db.begin():  # the command waits for its turn to write
        asking = asyncio.create_task(desk.ws.command(OPERATOR, FLEET_OPS, "device move dev-001 bergen"))
        while not any(each["ack_ms"] for each in await desk.ws.journal(kind="envelope")):  # noqa: ASYNC110 - Slack's side
            await asyncio.sleep(0.005)
        assert desk.slack.answers.under_way == 1
        stopping = asyncio.create_task(desk.slack.close())
        await asyncio.sleep(0.05)  # the sockets are closed, and only the answer is waited for
        assert not stopping.done()
    run = await asking
    await stopping
    assert "bergen" in run.words
