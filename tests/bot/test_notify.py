"""Slack's side of the outbox, against the stand-in workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.notify import Pace, SlackDelivery
from bot.slack import web_client
from fleet.message import Message
from fleet.settings import SlackSettings
from jobs.ports import Gone, Letter, NoEntry, NotYet, Stands
from sandbox.workspace import APP_TOKEN, BOT_TOKEN, FLEET_OPS, OPERATOR, RateLimits, Workspace
from storage.outbox import Attachment
from tests.conftest import NOW


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    async with Workspace.start(port=0, limits=RateLimits(enabled=False)) as ws:
        yield ws


@pytest.fixture
def delivery(workspace: Workspace) -> SlackDelivery:
    given = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "ops_channel": FLEET_OPS, "base_url": workspace.base_url}
    settings = SlackSettings.model_validate(given)
    return SlackDelivery(web_client(settings, None, retries=False), settings)


def letter(key: str = "a", text: str = "hello", **more: object) -> Letter:
    message = Message(template="problem", data={"text": text, "reference": None})
    given = {"channel": FLEET_OPS, "ts": None, "thread_ts": None, "late": None, **more}
    return Letter(key=key, message=message, **given)  # type: ignore[arg-type]


async def stands(delivery: SlackDelivery, sent: Letter) -> str:
    outcome = await delivery.deliver(sent, NOW)
    assert isinstance(outcome, Stands)
    return outcome.ts


async def test_a_letter_is_posted_and_then_edited_in_place(workspace: Workspace, delivery: SlackDelivery) -> None:
    ts = await stands(delivery, letter())
    assert await stands(delivery, letter(text="edited", ts=ts)) == ts
    [message] = await workspace.messages(FLEET_OPS)
    assert "edited" in message.words


async def test_a_late_letter_says_how_late_it_is(workspace: Workspace, delivery: SlackDelivery) -> None:
    await stands(delivery, letter(late=timedelta(minutes=7)))
    [message] = await workspace.messages(FLEET_OPS)
    assert "delivered 7 min late" in message.words


async def test_an_answer_goes_into_its_thread(workspace: Workspace, delivery: SlackDelivery) -> None:
    parent = await stands(delivery, letter())
    await stands(delivery, letter("b", thread_ts=parent))
    assert await delivery.find(letter("b", thread_ts=parent), datetime.now(UTC)) is not None


async def test_a_letter_to_a_person_goes_into_their_direct_messages_and_is_found_and_edited_there(
    workspace: Workspace, delivery: SlackDelivery
) -> None:
    ts = await stands(delivery, letter(channel=OPERATOR))
    assert await delivery.find(letter(channel=OPERATOR), datetime.now(UTC)) == Stands(ts)
    await stands(delivery, letter(channel=OPERATOR, text="edited", ts=ts))
    [message] = await workspace.messages("D0OPERATOR")
    assert "edited" in message.words
    assert len(await workspace.journal(method="conversations.open")) == 1


async def test_slow_down_is_obeyed_by_everyone_in_the_channel(workspace: Workspace, delivery: SlackDelivery) -> None:
    await workspace.inject("chat.postMessage", status=429, retry_after=30)
    outcome = await delivery.deliver(letter(), NOW)
    assert outcome == NotYet("Slack asks to slow down", after=timedelta(seconds=30))
    assert delivery.take_turn(FLEET_OPS, False, NOW) == NOW + timedelta(seconds=30)
    assert delivery.take_turn("C0OTHER", False, NOW) <= NOW
    assert delivery.take_turn(FLEET_OPS, False, NOW + timedelta(seconds=30)) <= NOW + timedelta(seconds=30)


async def test_a_fault_of_slack_leaves_it_uncertain(workspace: Workspace, delivery: SlackDelivery) -> None:
    await workspace.inject("chat.postMessage", status=500)
    outcome = await delivery.deliver(letter(), NOW)
    assert isinstance(outcome, NotYet)
    assert outcome.uncertain


async def test_a_post_whose_answer_was_cut_off_is_found_by_its_metadata(
    workspace: Workspace, delivery: SlackDelivery
) -> None:
    before = datetime.now(UTC)
    await workspace.inject("chat.postMessage", accept_then_drop=True)
    outcome = await delivery.deliver(letter(), NOW)
    assert isinstance(outcome, NotYet)
    assert outcome.uncertain
    [message] = await workspace.messages(FLEET_OPS)
    assert await delivery.find(letter(), before) == Stands(message.ts)
    assert await delivery.find(letter("another"), before) is None


async def test_a_lost_post_is_found_behind_many_others(workspace: Workspace, delivery: SlackDelivery) -> None:
    before = datetime.now(UTC)
    ts = await stands(delivery, letter("wanted"))
    for number in range(250):
        await stands(delivery, letter(f"other {number}"))
    assert await delivery.find(letter("wanted"), before) == Stands(ts)


async def test_looking_for_a_post_while_slack_is_away_keeps_it_uncertain(
    workspace: Workspace, delivery: SlackDelivery
) -> None:
    await workspace.inject("conversations.history", status=500)
    outcome = await delivery.find(letter(), datetime.now(UTC))
    assert isinstance(outcome, NotYet)
    assert outcome.uncertain


@pytest.mark.parametrize("error", ["message_not_found", "edit_window_closed", "cant_update_message"])
async def test_what_cannot_be_edited_any_more_is_gone(
    workspace: Workspace, delivery: SlackDelivery, error: str
) -> None:
    ts = await stands(delivery, letter())
    await workspace.inject("chat.update", error=error)
    assert await delivery.deliver(letter(ts=ts), NOW) == Gone(error)


async def test_a_channel_that_does_not_exist_is_named(workspace: Workspace, delivery: SlackDelivery) -> None:
    outcome = await delivery.deliver(letter(channel="C0NOWHERE"), NOW)
    assert isinstance(outcome, NoEntry)
    assert outcome.why == "channel_not_found"


async def test_blocks_that_slack_refuses_are_sent_as_text(workspace: Workspace, delivery: SlackDelivery) -> None:
    await workspace.inject("chat.postMessage", error="invalid_blocks")
    await stands(delivery, letter(text="important"))
    [message] = await workspace.messages(FLEET_OPS)
    assert "important" in message.words


def test_one_a_second_after_the_first() -> None:
    pace = Pace(timedelta(seconds=1))
    assert pace.take_turn("C1", NOW) <= NOW
    assert pace.take_turn("C1", NOW) == NOW + timedelta(seconds=1)
    assert pace.take_turn("C1", NOW) == NOW + timedelta(seconds=1)  # asking does not take the turn
    assert pace.take_turn("C2", NOW) <= NOW
    later = NOW + timedelta(seconds=1)
    assert pace.take_turn("C1", later) <= later


def test_a_burst_and_then_the_rate() -> None:
    pace = Pace(timedelta(seconds=1), burst=3)
    assert [pace.take_turn("C1", NOW) <= NOW for _ in range(4)] == [True, True, True, False]


def with_file(**more: object) -> Letter:
    return letter("file", "what it is", file=Attachment("dev-1-diag-1.log", b"x" * 100), **more)


@pytest.mark.parametrize("fault", [{"status": 429, "retry_after": 7}, {"status": 500}])
@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"])
async def test_a_file_that_slack_does_not_take_is_tried_again(
    workspace: Workspace, delivery: SlackDelivery, method: str, fault: dict[str, int]
) -> None:
    await workspace.inject(method=method, **fault)
    assert isinstance(await delivery.deliver(with_file(), NOW), NotYet)
    file_id = await stands(delivery, with_file())
    assert file_id.startswith("F")
    [message] = await workspace.messages(FLEET_OPS)
    assert (message.text, message.files[0]["name"], message.files[0]["size"]) == ("what it is", "dev-1-diag-1.log", 100)


async def test_a_file_whose_answer_was_lost_is_found_by_its_name(workspace: Workspace, delivery: SlackDelivery) -> None:
    thread_ts = await stands(delivery, letter())
    assert await delivery.find(with_file(thread_ts=thread_ts), NOW) is None
    file_id = await stands(delivery, with_file(thread_ts=thread_ts))
    assert await delivery.find(with_file(thread_ts=thread_ts), NOW) == Stands(file_id)


async def test_a_person_has_a_channel_that_is_edited_in_and_takes_files(
    workspace: Workspace, delivery: SlackDelivery
) -> None:
    posted = await delivery.deliver(letter(channel=OPERATOR, moved_from=FLEET_OPS), NOW)
    assert isinstance(posted, Stands)
    assert posted.channel is not None
    assert posted.channel.startswith("D")
    assert await stands(delivery, letter(text="edited", channel=posted.channel, ts=posted.ts)) == posted.ts
    await stands(delivery, with_file(channel=OPERATOR))
    assert await delivery.find(letter(channel=OPERATOR), NOW) is not None
    assert [bool(each.files) for each in await workspace.messages(posted.channel)] == [False, True]
