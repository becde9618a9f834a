"""Typed commands, clicks and shortcuts: acknowledged at once, answered by the response_url that each brings.

An answer is for the asker alone unless its audience is the channel. A button that turns a page (`replaces`) puts its
answer in the place of the message it stands in. What Muster has not offered is answered with a sentence where a person
waits for one, and else only acknowledged.
"""

from __future__ import annotations

import re
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from bot.acknowledge import at_once
from bot.answers import PROBLEM, Answer, Answers, Place
from bot.home import Home
from bot.render import FORMS, REPLACES
from bot.slack_errors import LOST
from bot.views import Views
from fleet.message import Message

log = structlog.get_logger(__name__)

_ANY = re.compile(".*")

Body = dict[str, Any]


class Interactions:
    """Listens for everything that has a person waiting at a response_url."""

    def __init__(self, client: AsyncWebClient, answers: Answers, views: Views, home: Home, root: str) -> None:
        self._client = client
        self._answers = answers
        self._views = views
        self._home = home
        self._root = root

    def listen(self, app: AsyncApp) -> None:
        app.command(self._root)(ack=at_once, lazy=[self._command])
        app.command(_ANY)(ack=at_once, lazy=[self._other_command])
        app.action(_ANY)(ack=at_once, lazy=[self._click])
        app.shortcut(_ANY)(ack=at_once, lazy=[self._shortcut])
        self._views.listen(app)
        app.view(_ANY)(at_once)
        app.view_closed(_ANY)(at_once)
        app.options(_ANY)(_no_options)

    async def _command(self, body: Body, respond: AsyncRespond) -> None:
        place = Place(body["user_id"], body["channel_id"])
        line = str(body.get("text") or "").strip()
        await _respond(respond, await self._answers.to(line, place))
        await self._home.follow(place.user, line)

    async def _other_command(self, body: Body, respond: AsyncRespond) -> None:
        await _respond(respond, await self._not_ours(f"Muster listens to {self._root}, not to {body.get('command')}."))

    async def _click(self, body: Body, respond: AsyncRespond) -> None:
        place = _place(body)
        for action in body.get("actions") or []:
            if line := action.get("value"):
                await self._pressed(action, line, body, respond)
                await self._home.follow(place.user, line)
            elif not action.get("url"):
                unknown = await self._not_ours("Muster does not know this button or menu any more.")
                await _respond(respond, unknown, place)

    async def _pressed(self, action: Body, line: str, body: Body, respond: AsyncRespond) -> None:
        """A button that runs a line. One on the Home tab or in a modal has no message to be answered beside."""
        place, action_id = _place(body), str(action.get("action_id"))
        if action_id.startswith(FORMS) or "view" in body:
            answer = await self._views.open(body["trigger_id"], line, place)
        else:
            answer = await self._answers.to(line, place)
        if answer is not None:
            replaces = action_id.startswith(REPLACES) and not answer.is_problem
            await _respond(respond, answer, place, replaces=replaces)

    async def _shortcut(self, body: Body, respond: AsyncRespond) -> None:
        """A global shortcut has no channel to answer in, so its answer goes into the direct messages."""
        answer = await self._not_ours("Muster has no shortcuts.")
        if body.get("response_url"):
            await _respond(respond, answer)
            return
        try:
            await self._client.chat_postMessage(
                channel=body["user"]["id"], text=answer.rendered.text, blocks=answer.rendered.blocks
            )
        except LOST as lost:
            _not_given(answer, lost)

    async def _not_ours(self, why: str) -> Answer:
        data = {"text": f"{why} Begin with {self._root} help.", "reference": None}
        return await self._answers.shown(Message(template=PROBLEM, data=data))


async def _respond(
    respond: AsyncRespond, answer: Answer, place: Place | None = None, *, replaces: bool = False
) -> None:
    if answer.is_posted or not respond.response_url:
        return
    public = answer.is_public or (place is not None and place.is_direct)
    try:
        await respond(
            text=answer.rendered.text,
            blocks=answer.rendered.blocks,
            response_type="in_channel" if public else "ephemeral",
            replace_original=replaces,
            thread_ts=place.thread_ts if place and not replaces else None,
        )
    except LOST as lost:
        _not_given(answer, lost)


def _place(body: Body) -> Place:
    """Where the clicked message stands. The one that began a thread is answered beside it, not in the thread.

    A click on the Home tab or in a modal is made in no channel: what follows goes to the person's direct messages.
    """
    container = body.get("container") or {}
    thread = container.get("thread_ts")
    channel = str((body.get("channel") or body["user"])["id"])
    clicked = None if container.get("is_ephemeral") else container.get("message_ts")
    return Place(body["user"]["id"], channel, None if thread == container.get("message_ts") else thread, clicked)


def _not_given(answer: Answer, lost: Exception) -> None:
    """The work is done and in the registry; only the words did not arrive."""
    log.warning("an answer could not be given", template=answer.message.template, why=str(lost))


async def _no_options(ack: AsyncAck) -> None:
    await ack(options=[])
