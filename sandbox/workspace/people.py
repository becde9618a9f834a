"""What people do: type commands, click, write; and what they see of how it went.

Sources: Slack's "Implementing slash commands", "Handling user interaction", "Events API".
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace import clicks, ids, shapes, words
from sandbox.workspace.errors import SlackError
from sandbox.workspace.journal import Journal
from sandbox.workspace.responses import ResponseUrls
from sandbox.workspace.rules import check_blocks, check_text
from sandbox.workspace.socket_mode import Delivery, SocketMode
from sandbox.workspace.state import Channel, Message, State, User

Json = dict[str, Any]
Spawn = Callable[[Coroutine[Any, Any, None]], object]

TRIGGER_LIVES = 3.0
#: Pauses in seconds before an unacknowledged event is sent again: at once, after a minute, after five.
RETRIES = (0.0, 60.0, 300.0)


@dataclass(slots=True)
class Run:
    """One command or click: `settled` when the app acknowledged it or failed to. `error` is Slack's word for that."""

    id: str
    user: str
    channel: str
    said: str
    error: str | None = None
    notice: str | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    answers: list[Message] = field(default_factory=list)
    silent: bool = False

    def shape(self) -> Json:
        return {
            "id": self.id,
            "user": self.user,
            "channel": self.channel,
            "said": self.said,
            "error": self.error,
            "notice": self.notice,
            "settled": self.settled.is_set(),
        }


@dataclass(slots=True)
class _Trigger:
    user: str
    issued: float
    used: bool = False


class People:
    """The personas' hands. Everything here is what a person could do in Slack's own client."""

    def __init__(
        self,
        state: State,
        sockets: SocketMode,
        responses: ResponseUrls,
        journal: Journal,
        spawn: Spawn,
        *,
        slash: str = "/fleet",
        retries: tuple[float, ...] = RETRIES,
    ) -> None:
        self.slash = slash
        self.runs: OrderedDict[str, Run] = OrderedDict()
        self._state = state
        self._sockets = sockets
        self.responses = responses
        self._journal = journal
        self._spawn = spawn
        self._retries = retries
        self._triggers: OrderedDict[str, _Trigger] = OrderedDict()
        self._numbers = itertools.count(1)

    # -- commands

    def command(
        self, user_id: str, channel_name: str, text: str, thread_ts: str | None = None, *, silent: bool = False
    ) -> Run:
        """Types `/fleet …` into a channel. The run settles when the app acknowledges or fails.

        The answers to a `silent` one are kept with the run and shown to nobody: so the page asks for its hints.
        """
        user, channel = self._in_channel(user_id, channel_name)
        slash, _, rest = text.strip().partition(" ")
        run = self._start(user, channel, text.strip(), silent=silent)
        if thread_ts is not None:
            return self._refuse(run, f"{slash} is not supported in threads. Sorry!", "not_supported_in_threads")
        if slash != self.slash:
            return self._refuse(run, f"{slash} is not a valid command.", "invalid_command")
        payload = {
            "token": ids.VERIFICATION_TOKEN,
            "team_id": ids.TEAM,
            "team_domain": ids.TEAM_DOMAIN,
            "channel_id": channel.id,
            "channel_name": "directmessage" if channel.is_im else channel.name,
            "user_id": user.id,
            "user_name": user.name,
            "command": slash,
            "text": words.typed(self._state, rest.strip(), named=True),
            "api_app_id": ids.APP,
            "is_enterprise_install": "false",
            "response_url": self.responses.issue(run, kind="commands"),
            "trigger_id": self._trigger(user.id),
        }
        self._spawn(self._deliver_command(run, payload))
        return run

    async def _deliver_command(self, run: Run, payload: Json) -> None:
        delivery = await self._sockets.deliver("slash_commands", payload, accepts_payload=True)
        if not delivery.acked:
            self._failed(run, delivery)
            return
        answer = delivery.payload
        if answer.get("text") or answer.get("blocks"):
            try:
                check_text(str(answer.get("text") or ""))
                check_blocks(answer.get("blocks") or [])
            except SlackError as refusal:
                self._refuse(run, f"{payload['command']} failed with the error {refusal.code}", refusal.code)
                return
            self.responses.answer(run, answer)
        self._settle(run)

    def _failed(self, run: Run, delivery: Delivery) -> None:
        """Neither commands nor clicks are sent again: the person is told, and may repeat it."""
        error = "operation_timeout" if delivery.outcome == "ack_timeout" else "dispatch_failed"
        command = run.said.partition(" ")[0]
        self._refuse(run, f"{command} failed with the error {error}", error)

    def _refuse(self, run: Run, notice: str, error: str) -> Run:
        """A line from Slackbot that only this person sees."""
        run.error, run.notice = error, notice
        message = Message(
            run.channel, self._state.next_ts(), ids.SLACKBOT, words.escaped(notice), ephemeral_to=run.user, run=run.id
        )
        run.answers.append(message if run.silent else self._state.post(message))
        self._settle(run)
        return run

    # -- clicks

    def click(
        self,
        user_id: str,
        ts: str,
        action: str,
        *,
        value: str | None = None,
        block: str | None = None,
        channel: str | None = None,
    ) -> Run:
        """Clicks what `clicks.find` finds; for a menu `value` says which option."""
        message = self._visible(user_id, ts, channel)
        user, home = self._in_channel(user_id, message.channel)
        found = clicks.find(message, action, value, block)
        run = self._start(user, home, f"click {action}")
        if found.element.get("url"):
            run.notice = f"opens {found.element['url']}"
        payload: Json = {
            "type": "block_actions",
            "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": ids.TEAM},
            "api_app_id": ids.APP,
            "token": ids.VERIFICATION_TOKEN,
            "container": _container(message),
            "trigger_id": self._trigger(user.id),
            "team": {"id": ids.TEAM, "domain": ids.TEAM_DOMAIN},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": home.id, "name": "directmessage" if home.is_im else home.name},
            "state": {"values": clicks.state_values(message, found, value)},
            "response_url": self.responses.issue(run, kind="actions", original=message),
            "actions": [clicks.action(found, value, self._state.next_ts())],
        }
        if message.ephemeral_to is None:
            payload["message"] = clicks.original(self._state, message)
        self._spawn(self._deliver_click(run, payload))
        return run

    async def _deliver_click(self, run: Run, payload: Json) -> None:
        delivery = await self._sockets.deliver("interactive", payload)
        if not delivery.acked:
            run.error = "operation_timeout" if delivery.outcome == "ack_timeout" else "dispatch_failed"
            run.notice = "This action didn't work. Muster did not answer in time."
            if delivery.outcome == "no_socket":
                run.notice = "This action didn't work. Muster is not connected."
        self._settle(run)

    # -- messages

    def write(self, user_id: str, channel_name: str, text: str, thread_ts: str | None = None) -> Message:
        """Writes a message. A mention of the bot where it is a member, and direct messages, become events."""
        user, channel = self._in_channel(user_id, channel_name)
        if channel.is_archived:
            raise SlackError("is_archived")
        sent = words.typed(self._state, text)
        message = Message(channel.id, self._state.next_ts(), user.id, sent, thread_ts=thread_ts)
        self._state.post(message)
        self._journal.add("person", user=user.id, did="write", channel=channel.id, text=sent)
        self._tell(channel, message, sent)
        return message

    def edit(self, user_id: str, ts: str, text: str) -> Message:
        """A person edits a message of their own. Where the bot would have got the message, it gets the edit."""
        message = self._state.anywhere(ts)
        if message is None:
            raise SlackError("message_not_found")
        if message.user != user_id:
            raise SlackError("cant_update_message")
        before = shapes.message(self._state, message)
        sent = words.typed(self._state, text)
        self._state.edit(message, text=sent)
        channel = self._state.channels[message.channel]
        stamp = {"user": user_id, "ts": message.edited_ts}
        if not channel.is_im:
            self._tell(channel, message, sent, edited=stamp)
            return message
        self.event(
            {
                "type": "message",
                "subtype": "message_changed",
                "hidden": True,
                "message": {**shapes.message(self._state, message), "edited": stamp},
                "previous_message": before,
                "channel": channel.id,
                "channel_type": "im",
                "ts": self._state.next_ts(),
                "event_ts": message.edited_ts,
            }
        )
        return message

    def said_by_bot(self, message: Message) -> None:
        """What the bot posts into direct messages comes back to it as an event, like everything said there."""
        channel = self._state.channels[message.channel]
        if channel.is_im:
            self._tell(channel, message, message.text, bot_id=ids.BOT, app_id=ids.APP)

    def _tell(self, channel: Channel, message: Message, text: str, **more: Any) -> None:
        event: Json = {
            "user": message.user,
            "type": "message",
            "ts": message.ts,
            "client_msg_id": self._state.next_id("msg-"),
            "text": text,
            "team": ids.TEAM,
            "channel": channel.id,
            "event_ts": message.ts,
            **more,
        }
        if message.thread_ts:
            event["thread_ts"] = message.thread_ts
        if channel.is_im:
            self.event({**event, "channel_type": "im"})
        elif f"<@{ids.BOT_USER}>" in text and ids.BOT_USER in channel.members:
            self.event({**event, "type": "app_mention"})

    def shortcut(self, user_id: str, callback_id: str, ts: str | None = None) -> Run:
        """Chooses a shortcut of the app: a global one, or one of a message's menu if `ts` is given."""
        message = None if ts is None else self._visible(user_id, ts, None)
        user, home = self._in_channel(user_id, message.channel if message else "@muster")
        run = self._start(user, home, f"shortcut {callback_id}")
        payload: Json = {
            "type": "shortcut",
            "token": ids.VERIFICATION_TOKEN,
            "action_ts": self._state.next_ts(),
            "team": {"id": ids.TEAM, "domain": ids.TEAM_DOMAIN},
            "user": {"id": user.id, "username": user.name, "team_id": ids.TEAM},
            "is_enterprise_install": False,
            "enterprise": None,
            "callback_id": callback_id,
            "trigger_id": self._trigger(user.id),
        }
        if message is not None:
            payload |= {
                "type": "message_action",
                "response_url": self.responses.issue(run, kind="actions", original=message),
                "channel": {"id": home.id, "name": home.name},
                "message_ts": message.ts,
                "message": shapes.message(self._state, message),
            }
        self._spawn(self._deliver_click(run, payload))
        return run

    def delete(self, ts: str) -> None:
        """A person (an admin, for the bot's messages) deletes a message; an ephemeral one is dismissed."""
        message = self._state.anywhere(ts)
        if message is None:
            raise SlackError("message_not_found")
        self._state.remove(message)

    def event(self, event: Json) -> None:
        """Sends any event to the app, until it is acknowledged."""
        payload = {
            "token": ids.VERIFICATION_TOKEN,
            "team_id": ids.TEAM,
            "api_app_id": ids.APP,
            "event": event,
            "type": "event_callback",
            "event_id": self._state.next_id("Ev"),
            "event_time": int(self._state.clock()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": ids.TEAM,
                    "user_id": ids.BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": self._state.next_id("4-"),
        }
        self._spawn(self._deliver_event(payload))

    async def _deliver_event(self, payload: Json) -> None:
        """Events, and only events, are sent again until they are acknowledged."""
        reason = ""
        for attempt, pause in enumerate((0.0, *self._retries)):
            await self._pause(pause)
            delivery = await self._sockets.deliver("events_api", payload, retry_attempt=attempt, retry_reason=reason)
            if delivery.acked:
                return
            reason = "timeout" if delivery.outcome == "ack_timeout" else "connection_failed"

    async def _pause(self, seconds: float) -> None:
        """Waits on the workspace's clock, which in a test may jump."""
        due = self._state.clock() + seconds
        while (left := due - self._state.clock()) > 0:  # noqa: ASYNC110  a clock has no event to wait for
            await asyncio.sleep(min(left, 0.05))

    # -- triggers

    def _trigger(self, user: str) -> str:
        trigger = f"{next(self._numbers)}.{int(self._state.clock())}.{self._state.next_id('trigger').lower()}"
        self._triggers[trigger] = _Trigger(user, self._state.clock())
        while len(self._triggers) > 5000:
            self._triggers.popitem(last=False)
        return trigger

    def take_trigger(self, trigger_id: str) -> str:
        """Whose trigger it is. Raises `invalid_trigger_id`, `expired_trigger_id` or `exchanged_trigger_id`."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        if self._state.clock() - trigger.issued > TRIGGER_LIVES:
            raise SlackError("expired_trigger_id")
        trigger.used = True
        return trigger.user

    # -- parts

    def _start(self, user: User, channel: Channel, said: str, *, silent: bool = False) -> Run:
        run = Run(f"run-{next(self._numbers)}", user.id, channel.id, said, silent=silent)
        self.runs[run.id] = run
        while len(self.runs) > 5000:
            self.runs.popitem(last=False)
        self._journal.add("person", user=user.id, did=said, channel=channel.id, run=run.id)
        return run

    def _settle(self, run: Run) -> None:
        run.settled.set()
        self._state.changes.tell("run", facts=run.shape())

    def _in_channel(self, user_id: str, channel_name: str) -> tuple[User, Channel]:
        user = self._state.users.get(user_id)
        if user is None:
            raise SlackError("user_not_found")
        if channel_name in ("@muster", ids.BOT_USER, f"D{user.id[1:]}"):
            return user, self._state.im(user.id)
        channel = self._state.channel(channel_name)
        if channel is None or user.id not in channel.members:
            raise SlackError("channel_not_found")
        return user, channel

    def _visible(self, user: str, ts: str, channel: str | None) -> Message:
        home = self._state.channel(channel) if channel else None
        message = self._state.anywhere(ts)
        wrong_channel = message is not None and home is not None and message.channel != home.id
        if message is None or wrong_channel or message.ephemeral_to not in (None, user):
            raise SlackError("message_not_found")
        return message


def _container(message: Message) -> Json:
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": message.ephemeral_to is not None,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    return container
