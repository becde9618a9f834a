"""Talking to Muster without a slash: `@Muster status` in channels and threads, plain words in direct messages.

The line is the same as behind `/fleet`. A mention is answered in the thread of its message, for everybody there; what
was refused or not understood is said to the asker alone. Events come again until they are acknowledged, so each is
taken once, by its id, in the registry. Messages of bots and edits of messages are not answered: no loops, no echoes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from bot.acknowledge import at_once
from bot.answers import Answer, Answers, Place
from bot.router import safely
from bot.slack_errors import LOST
from storage import seen_events
from storage.db import Database

log = structlog.get_logger(__name__)

Event = Mapping[str, Any]


class Talk:
    """Listens for mentions and direct messages, and answers each once."""

    def __init__(self, client: AsyncWebClient, answers: Answers, db: Database, now: Callable[[], datetime]) -> None:
        self._client = client
        self._answers = answers
        self._db = db
        self._now = now

    def listen(self, app: AsyncApp) -> None:
        """Before any catch-all of events: the first listener that fits is the only one."""
        app.event("app_mention")(ack=at_once, lazy=[self._heard])
        app.event("message")(ack=at_once, lazy=[self._heard])

    async def _heard(self, body: Event, context: AsyncBoltContext) -> None:
        event = body["event"]
        if not is_asked(event, str(context.bot_user_id)):
            return
        self._answers.begin()
        place = Place(event["user"], event["channel"], _thread(event))
        line = line_in(str(event.get("text") or ""), str(context.bot_user_id))
        answer = await self._once(str(body.get("event_id") or ""), line, place)
        if answer is not None and not answer.is_posted:
            await self._say(answer, place, event)

    async def _once(self, event_id: str, line: str, place: Place) -> Answer | None:
        """The answer, or None if the event was taken before, by this replica or another."""

        async def work() -> Answer | None:
            async with self._db.begin() as session:
                is_new = await seen_events.take(session, event_id, self._now())
            return await self._answers.to(line, place) if is_new else None

        return await safely(work(), self._answers.as_it_is)

    async def _say(self, answer: Answer, place: Place, event: Event) -> None:
        said: dict[str, Any] = {
            "channel": place.channel,
            "text": answer.rendered.text,
            "blocks": answer.rendered.blocks,
        }
        try:
            if answer.is_problem and not place.is_direct:
                # Slack shows an ephemeral message in a thread only if the thread has begun.
                begun = event.get("thread_ts")
                await self._client.chat_postEphemeral(user=place.user, thread_ts=begun, **said)
            else:
                await self._client.chat_postMessage(
                    thread_ts=place.thread_ts, unfurl_links=False, unfurl_media=False, **said
                )
        except LOST as lost:
            log.warning("an answer could not be given", template=answer.message.template, why=str(lost))


def is_asked(event: Event, bot_user: str) -> bool:
    """True for a new message by a person: a mention, or in direct messages. Not for bots, edits, joins and the like."""
    if event.get("bot_id") or event.get("edited") or event.get("subtype") not in (None, "file_share"):
        return False
    if not event.get("user") or event["user"] == bot_user:
        return False
    return event.get("type") == "app_mention" or event.get("channel_type") == "im"


def line_in(text: str, bot_user: str) -> str:
    """What was said to the bot: the words behind its name, or those before it where it stands last.

    `hello <@U0MUSTER>, status` -> `status`; `status <@U0MUSTER>` -> `status`; `<@U0MUSTER>` -> nothing, which is help.
    """
    name = rf"<@{re.escape(bot_user)}(?:\|[^<>]*)?>"
    before, *behind = re.split(name, text, maxsplit=1)
    said = re.sub(name, "", behind[0]).strip(" \t\n,:") if behind else ""
    return said or before.strip(" \t\n,:")


def _thread(event: Event) -> str | None:
    """A mention begins a thread where there is none; direct messages stay as they are."""
    thread = event.get("thread_ts")
    if thread or event.get("channel_type") == "im":
        return str(thread) if thread else None
    return str(event["ts"])
