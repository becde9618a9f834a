"""Mentions, threads and direct messages, as people in Slack see them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from bot.talk import is_asked, line_in
from sandbox.workspace import BOT_USER, FLEET_OPS, OPERATOR, RANDOM, VIEWER, SeenMessage, Workspace
from storage import seen_events
from storage.db import Database
from tests.bot.conftest import Desk, OpenDesk
from tests.conftest import NOW


async def said_by_bot(ws: Workspace, channel: str, **where: Any) -> list[SeenMessage]:
    return [message for message in await ws.messages(channel, **where) if message.user == BOT_USER]


async def asked(ws: Workspace, user: str, channel: str, text: str, **where: Any) -> SeenMessage:
    """The bot's answer to a message."""
    await ws.write(user, channel, text, **where)
    return await ws.wait_for_answer(user)


async def test_a_mention_is_answered_for_everybody_in_the_thread_of_its_message(desk: Desk) -> None:
    question = await desk.ws.write(VIEWER, FLEET_OPS, "@Muster status")
    answer = await desk.ws.wait_for_answer(VIEWER, contains="The fleet at a glance")
    assert (answer.thread_ts, answer.ephemeral_to) == (question.ts, None)


async def test_a_mention_in_a_thread_is_answered_in_that_thread(desk: Desk) -> None:
    first = await desk.ws.write(OPERATOR, FLEET_OPS, "dev-1 is odd")
    answer = await asked(desk.ws, VIEWER, FLEET_OPS, "@Muster find all", thread_ts=first.ts)
    assert answer.thread_ts == first.ts
    assert answer.says("No device matches `all`")


async def test_plain_words_in_direct_messages_are_commands(desk: Desk) -> None:
    for words in ("status", "/fleet status", "@Muster status", "STATUS"):
        answer = await asked(desk.ws, VIEWER, "@muster", words)
        assert answer.says("The fleet at a glance")
        assert (answer.channel, answer.thread_ts, answer.ephemeral_to) == ("D0VIEWER", None, None)


async def test_a_thread_in_direct_messages_is_kept(desk: Desk) -> None:
    first = await asked(desk.ws, VIEWER, "@muster", "status")
    answer = await asked(desk.ws, VIEWER, "@muster", "find all", thread_ts=first.ts)
    assert answer.thread_ts == first.ts


async def test_a_refusal_of_a_mention_is_seen_by_the_asker_alone(desk: Desk) -> None:
    answer = await asked(desk.ws, VIEWER, FLEET_OPS, "@Muster drift sweep")
    assert answer.says("needs the role operator")
    assert (answer.ephemeral_to, answer.thread_ts) == (VIEWER, None)
    other = await asked(desk.ws, VIEWER, FLEET_OPS, "@Muster drift sweep", thread_ts=answer.ts)
    assert (other.ephemeral_to, other.thread_ts) == (VIEWER, answer.ts)


async def test_a_mistake_in_a_thread_offers_the_line_that_was_meant(desk: Desk) -> None:
    first = await desk.ws.write(VIEWER, FLEET_OPS, "how is it going?")
    mistake = await asked(desk.ws, VIEWER, FLEET_OPS, "@Muster statsu", thread_ts=first.ts)
    assert mistake.buttons == ["Run: status"]
    run = await desk.ws.click(VIEWER, mistake.ts, "Run: status", wait=5)
    assert "The fleet at a glance" in run.words
    assert [answer.thread_ts for answer in run.answers] == [first.ts]


async def test_a_button_in_direct_messages_is_answered_for_good(desk: Desk) -> None:
    mistake = await asked(desk.ws, VIEWER, "@muster", "statsu")
    assert mistake.ephemeral_to is None
    run = await desk.ws.click(VIEWER, mistake.ts, "Run: status", wait=5)
    assert [answer.ephemeral_to for answer in run.answers] == [None]


async def test_where_the_bot_is_no_member_it_says_nothing(desk: Desk) -> None:
    await desk.ws.write(VIEWER, RANDOM, "@Muster status")
    await asked(desk.ws, VIEWER, FLEET_OPS, "@Muster status")
    assert await said_by_bot(desk.ws, RANDOM) == []


async def test_an_event_that_comes_again_is_answered_once(open_desk: OpenDesk) -> None:
    async with open_desk(ack_within=0, retries=(0.0, 0.0, 0.0)) as desk:
        await asked(desk.ws, VIEWER, FLEET_OPS, "@Muster status")
        while len(sent := await desk.ws.journal(kind="envelope")) < 4 or None in [each["ack_ms"] for each in sent]:
            await desk.ws.state.changes.wait(5)
        await asked(desk.ws, VIEWER, "@muster", "find all")
        assert {each["outcome"] for each in sent} == {"ack_timeout"}
        assert len(await said_by_bot(desk.ws, FLEET_OPS)) == 1


async def test_bots_and_edits_are_not_answered(desk: Desk) -> None:
    question = await desk.ws.write(VIEWER, "@muster", "status")
    await desk.ws.wait_for_answer(VIEWER)
    await desk.ws.edit(VIEWER, question.ts, "find all")
    mention = await desk.ws.write(VIEWER, FLEET_OPS, "status")
    await desk.ws.edit(VIEWER, mention.ts, "@Muster status")
    bot = {"channel": FLEET_OPS, "ts": "1700000000.000100", "text": f"<@{BOT_USER}> status"}
    await desk.ws.event({"type": "app_mention", "user": "U0WORKFLOW", "bot_id": "B0WORKFLOW", **bot})
    await desk.ws.event({"type": "message", "subtype": "bot_message", "channel_type": "im", **bot})
    await desk.ws.event({"type": "member_joined_channel", "user": VIEWER, "channel": FLEET_OPS})
    last = await asked(desk.ws, VIEWER, FLEET_OPS, "@Muster find all")
    assert [each.ts for each in await said_by_bot(desk.ws, FLEET_OPS)] == [last.ts]
    assert len(await said_by_bot(desk.ws, "D0VIEWER")) == 1
    assert {each["outcome"] for each in await desk.ws.journal(kind="envelope")} == {"acked"}


async def test_when_the_registry_is_busy_the_asker_is_told(desk: Desk) -> None:
    file = str(desk.db.engine.url.database)
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await asked(desk.ws, VIEWER, FLEET_OPS, "@Muster status")
    assert answer.says("The database is busy with another writer.")
    assert answer.ephemeral_to == VIEWER


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<@U0MUSTER> status", "status"),
        ("<@U0MUSTER|muster>: find  site:oslo", "find  site:oslo"),
        ("hello <@U0MUSTER>, status", "status"),
        ("status <@U0MUSTER>", "status"),
        ("<@U0MUSTER> <@U0MUSTER> status", "status"),
        ("<@U0MUSTER>", ""),
        ("find <@U0KIM>", "find <@U0KIM>"),
    ],
)
def test_the_line_stands_behind_the_name(text: str, line: str) -> None:
    assert line_in(text, BOT_USER) == line


@pytest.mark.parametrize(
    ("event", "answered"),
    [
        ({"type": "app_mention", "user": "U1"}, True),
        ({"type": "message", "channel_type": "im", "user": "U1"}, True),
        ({"type": "message", "channel_type": "im", "user": "U1", "subtype": "file_share"}, True),
        ({"type": "message", "channel_type": "channel", "user": "U1"}, False),
        ({"type": "message", "channel_type": "im", "user": "U1", "bot_id": "B1"}, False),
        ({"type": "message", "channel_type": "im", "user": BOT_USER}, False),
        ({"type": "message", "channel_type": "im"}, False),
        ({"type": "message", "channel_type": "im", "subtype": "message_changed"}, False),
        ({"type": "message", "channel_type": "im", "user": "U1", "subtype": "channel_join"}, False),
        ({"type": "app_mention", "user": "U1", "edited": {"user": "U1"}}, False),
    ],
)
def test_only_new_messages_of_people_are_questions(event: dict[str, Any], answered: bool) -> None:
    assert is_asked(event, BOT_USER) is answered


async def test_an_event_is_taken_once_and_then_forgotten(db: Database) -> None:
    async with db.begin() as session:
        assert await seen_events.take(session, "Ev1", NOW)
        assert not await seen_events.take(session, "Ev1", NOW)
        assert await seen_events.take(session, "Ev2", NOW + timedelta(days=1))
        assert await seen_events.prune(session, NOW + timedelta(hours=1)) == 1
        assert await seen_events.take(session, "Ev1", NOW)
        assert not await seen_events.take(session, "Ev2", NOW)
