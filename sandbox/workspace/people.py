"""What people do: type commands, click, write; and what they see of how it went.

Sources: Slack's "Implementing slash commands", "Handling user interaction", "Events API".
"""

from __future__ import annotations

from typing import Any

from sandbox.workspace import clicks, ids, inputs, shapes, words
from sandbox.workspace.errors import SlackError
from sandbox.workspace.events import RETRIES, Events, Spawn
from sandbox.workspace.journal import Journal
from sandbox.workspace.modals import Modals
from sandbox.workspace.responses import ResponseUrls
from sandbox.workspace.rules import check_blocks, check_text
from sandbox.workspace.runs import Run, Runs, error_of
from sandbox.workspace.socket_mode import Delivery, SocketMode
from sandbox.workspace.state import Channel, Message, State, User
from sandbox.workspace.triggers import Triggers

Json = dict[str, Any]


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
        self.responses = responses
        self.runs = Runs(state, sockets, journal)
        self.triggers = Triggers(state)
        self.events = Events(state, sockets, spawn, retries)
        self.modals = Modals(state, sockets, self.runs, self.triggers, spawn)
        self._state = state
        self._sockets = sockets
        self._journal = journal
        self._spawn = spawn

    # -- commands

    def command(
        self, user_id: str, channel_name: str, text: str, thread_ts: str | None = None, *, silent: bool = False
    ) -> Run:
        """Types `/fleet …` into a channel. The run settles when the app acknowledges or fails.

        The answers to a `silent` one are kept with the run and shown to nobody: so the page asks for its hints.
        """
        user, channel = self._in_channel(user_id, channel_name)
        slash, _, rest = text.strip().partition(" ")
        run = self.runs.begin(user.id, channel.id, text.strip(), silent=silent)
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
            "trigger_id": self.triggers.issue(user.id),
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
        self.runs.settle(run)

    def _failed(self, run: Run, delivery: Delivery) -> None:
        """Neither commands nor clicks are sent again: the person is told, and may repeat it."""
        error = error_of(delivery)
        command = run.said.partition(" ")[0]
        self._refuse(run, f"{command} failed with the error {error}", error)

    def _refuse(self, run: Run, notice: str, error: str) -> Run:
        """A line from Slackbot that only this person sees."""
        message = Message(
            run.channel, self._state.next_ts(), ids.SLACKBOT, words.escaped(notice), ephemeral_to=run.user, run=run.id
        )
        run.answers.append(message if run.silent else self._state.post(message))
        return self.runs.settle(run, error, notice)

    # -- clicks

    def click(
        self,
        user_id: str,
        ts: str,
        action: str,
        *,
        value: Any = None,
        block: str | None = None,
        channel: str | None = None,
    ) -> Run:
        """Clicks what `clicks.find` finds; for a menu `value` says which option."""
        message = self._visible(user_id, ts, channel)
        user, home = self._in_channel(user_id, message.channel)
        found = clicks.find(message.blocks, action, value, block)
        run = self.runs.begin(user.id, home.id, f"click {action}")
        if found.element.get("url"):
            run.notice = f"opens {found.element['url']}"
        chosen = inputs.chosen(found.element, value)
        payload: Json = {
            "type": "block_actions",
            **shapes.interaction(user),
            "container": _container(message),
            "trigger_id": self.triggers.issue(user.id),
            "channel": {"id": home.id, "name": "directmessage" if home.is_im else home.name},
            "state": {"values": _values(message, found, chosen)},
            "response_url": self.responses.issue(run, kind="actions", original=message),
            "actions": [clicks.action(found, chosen, self._state.next_ts())],
        }
        if message.ephemeral_to is None:
            payload["message"] = shapes.message(self._state, message)
        self._spawn(self.runs.deliver(run, payload))
        return run

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
        self.events.send(
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
            self.events.send({**event, "channel_type": "im"})
        elif f"<@{ids.BOT_USER}>" in text and ids.BOT_USER in channel.members:
            self.events.send({**event, "type": "app_mention"})

    def shortcut(self, user_id: str, callback_id: str, ts: str | None = None) -> Run:
        """Chooses a shortcut of the app: a global one, or one of a message's menu if `ts` is given."""
        message = None if ts is None else self._visible(user_id, ts, None)
        user, home = self._in_channel(user_id, message.channel if message else "@muster")
        run = self.runs.begin(user.id, home.id, f"shortcut {callback_id}")
        payload: Json = {
            "type": "shortcut",
            **shapes.interaction(user),
            "action_ts": self._state.next_ts(),
            "callback_id": callback_id,
            "trigger_id": self.triggers.issue(user.id),
        }
        if message is not None:
            payload |= {
                "type": "message_action",
                "response_url": self.responses.issue(run, kind="actions", original=message),
                "channel": {"id": home.id, "name": home.name},
                "message_ts": message.ts,
                "message": shapes.message(self._state, message),
            }
        self._spawn(self.runs.deliver(run, payload))
        return run

    def delete(self, ts: str) -> None:
        """A person (an admin, for the bot's messages) deletes a message; an ephemeral one is dismissed."""
        message = self._state.anywhere(ts)
        if message is None:
            raise SlackError("message_not_found")
        self._state.remove(message)

    def open_app(self, user_id: str, tab: str) -> None:
        """Opens the app's `home` or `messages`; the event tells what is on Home, if anything is."""
        user, channel = self._in_channel(user_id, "@muster")
        event: Json = {
            "type": "app_home_opened",
            "user": user.id,
            "channel": channel.id,
            "tab": tab,
            "event_ts": self._state.next_ts(),
        }
        home = self._state.surfaces.home(user.id)
        if tab == "home" and home is not None:
            event["view"] = shapes.view(home)
        self.events.send(event)

    # -- parts

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


def _values(message: Message, clicked: clicks.Found, chosen: Json) -> inputs.Values:
    """`state.values`: the menus of the message, as they stand after the click."""
    values = inputs.values(message.blocks)
    if clicked.element["type"] in inputs.KINDS:
        block_id, action_id = clicked.place
        values[block_id][action_id] = chosen
    return values
