"""The workspace in memory: people, groups, channels, messages. No I/O; the clock is passed in."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace import ids
from sandbox.workspace.changes import Changes
from sandbox.workspace.surfaces import Surfaces

Blocks = list[dict[str, Any]]
Clock = Callable[[], float]

#: A channel forgets its oldest messages above this many; so do the ephemeral messages of the whole workspace.
KEPT_MESSAGES = 20_000
KEPT_FILES = 200


@dataclass(slots=True)
class User:
    id: str
    name: str
    real_name: str
    email: str = ""
    is_bot: bool = False
    tz: str = "Europe/Oslo"


@dataclass(slots=True)
class Group:
    """A user group; a disabled one is not listed and has no members for those who ask."""

    id: str
    handle: str
    name: str
    users: list[str]
    disabled: bool = False
    updated: int = 0


@dataclass(slots=True)
class File:
    """A file: announced (its address was given out), then uploaded, then shared by whoever completes the upload."""

    id: str
    name: str
    size: int
    user: str
    ticket: str
    created: int
    title: str = ""
    content: bytes | None = None
    completed: bool = False
    channels: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    """A message as it stands now. `ephemeral_to` makes it visible to that person alone; `run` is the command or
    click that it answers; `change` is the number of its latest change."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: Blocks = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    metadata: dict[str, Any] | None = None
    edited_ts: str | None = None
    ephemeral_to: str | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    broadcast: bool = False
    deleted: bool = False
    run: str | None = None
    change: int = 0

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts


@dataclass(slots=True)
class Channel:
    id: str
    name: str
    members: list[str]
    created: int = 0
    topic: str = ""
    is_im: bool = False
    is_private: bool = False
    is_archived: bool = False
    #: By ts, oldest first; replies too.
    messages: OrderedDict[str, Message] = field(default_factory=OrderedDict)
    #: The ts of the replies of each parent, oldest first.
    threads: dict[str, list[str]] = field(default_factory=dict)

    def newest_first(self) -> Iterator[Message]:
        return reversed(self.messages.values())


class State:
    """All that the workspace knows. Whoever changes a message calls `changes.tell`, which the methods here do."""

    def __init__(self, clock: Clock, *, kept_messages: int = KEPT_MESSAGES) -> None:
        self.clock = clock
        self.url = ""
        self.changes = Changes()
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}
        self.channels: dict[str, Channel] = {}
        self.ephemerals: OrderedDict[str, Message] = OrderedDict()
        self.read: dict[tuple[str, str], str] = {}
        self.surfaces = Surfaces(self)
        self.files: OrderedDict[str, File] = OrderedDict()
        self._kept_messages = kept_messages
        self._last_ts = 0
        self._numbers = itertools.count(1)
        populate(self)

    def next_ts(self) -> str:
        """A unique, strictly increasing message id of Slack's shape: seconds, a dot, six digits."""
        self._last_ts = max(int(self.clock() * 1_000_000), self._last_ts + 100)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def next_id(self, prefix: str) -> str:
        """A unique id such as `Ev00000001A`."""
        return f"{prefix}{next(self._numbers):08X}"

    # -- finding

    def channel(self, name: str) -> Channel | None:
        """By id, or by `#name` or `name`."""
        if name in self.channels:
            return self.channels[name]
        bare = name.removeprefix("#")
        return next((channel for channel in self.channels.values() if channel.name == bare and not channel.is_im), None)

    def message(self, channel: str, ts: str) -> Message | None:
        home = self.channels.get(channel)
        found = home.messages.get(ts) if home else None
        return None if found is None or found.deleted else found

    def group(self, name: str) -> Group | None:
        """By id, or by `@handle` or `handle`."""
        bare = name.removeprefix("@")
        return self.groups.get(name) or next((one for one in self.groups.values() if one.handle == bare), None)

    def anywhere(self, ts: str) -> Message | None:
        """A message or ephemeral message by its ts alone: a ts is unique in the whole workspace."""
        if ts in self.ephemerals:
            return self.ephemerals[ts]
        return next((found for channel in self.channels if (found := self.message(channel, ts))), None)

    def im(self, user: str) -> Channel:
        """The direct messages between a person and the bot, opened when first asked for."""
        channel_id = f"D{user[1:]}"
        if channel_id not in self.channels:
            self.add_channel(Channel(channel_id, channel_id, [user, ids.BOT_USER], is_im=True))
        return self.channels[channel_id]

    # -- changing

    def add_channel(self, channel: Channel) -> None:
        channel.created = channel.created or int(self.clock())
        self.channels[channel.id] = channel
        self.changes.tell("channels")

    def post(self, message: Message) -> Message:
        """Adds a message, or an ephemeral one, and forgets the oldest where there are too many."""
        if message.ephemeral_to is not None:
            self.ephemerals[message.ts] = message
            if len(self.ephemerals) > self._kept_messages:
                self.ephemerals.popitem(last=False)
        else:
            self._add(self.channels[message.channel], message)
        self.changes.tell("message", message)
        return message

    def _add(self, channel: Channel, message: Message) -> None:
        if message.thread_ts is not None:
            parent = channel.messages.get(message.thread_ts)
            if parent is not None and parent.thread_ts is not None:
                message.thread_ts = parent.thread_ts  # a reply to a reply belongs to the same thread
            channel.threads.setdefault(message.thread_ts, []).append(message.ts)
        channel.messages[message.ts] = message
        if len(channel.messages) > self._kept_messages:
            forgotten, _ = channel.messages.popitem(last=False)
            channel.threads.pop(forgotten, None)

    def add_file(self, file: File) -> None:
        """Keeps the newest files; the content of older ones is gone."""
        self.files[file.id] = file
        while len(self.files) > KEPT_FILES:
            self.files.popitem(last=False)

    def edit(
        self,
        message: Message,
        *,
        text: str | None = None,
        blocks: Blocks | None = None,
        attachments: list[dict[str, Any]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Message:
        """What is None stays as it was (chat.update keeps blocks that are not given)."""
        message.text = message.text if text is None else text
        message.blocks = message.blocks if blocks is None else blocks
        message.attachments = message.attachments if attachments is None else attachments
        message.metadata = message.metadata if metadata is None else metadata
        message.edited_ts = self.next_ts()
        self.changes.tell("message", message)
        return message

    def remove(self, message: Message) -> None:
        """A parent with replies stays as a tombstone, as Slack shows it."""
        message.deleted = True
        if message.ephemeral_to is not None:
            self.ephemerals.pop(message.ts, None)
        else:
            channel = self.channels[message.channel]
            replies = channel.threads.get(message.thread_ts or "", [])
            if message.is_reply and message.ts in replies:
                replies.remove(message.ts)
            if not channel.threads.get(message.ts):
                channel.messages.pop(message.ts, None)
        self.changes.tell("deleted", message)

    def clear(self) -> None:
        """Forgets every message and view; people and channels stay."""
        for channel in self.channels.values():
            channel.messages.clear()
            channel.threads.clear()
        self.ephemerals.clear()
        self.read.clear()
        self.surfaces.clear()
        self.changes.tell("channels")


def populate(state: State) -> None:
    """The people, groups and channels that every workspace starts with."""
    people = (
        User(ids.OPERATOR, "olga", "Olga Operator", "olga@sandbox.example"),
        User(ids.APPROVER1, "amir", "Amir Approver", "amir@sandbox.example"),
        User(ids.APPROVER2, "ada", "Ada Approver", "ada@sandbox.example"),
        User(ids.ONCALL, "kim", "Kim On-call", "kim@sandbox.example"),
        User(ids.VIEWER, "vera", "Vera Viewer", "vera@sandbox.example"),
        User(ids.BOT_USER, "muster", "Muster", is_bot=True),
        User(ids.SLACKBOT, "slackbot", "Slackbot", is_bot=True),
    )
    state.users.update({user.id: user for user in people})
    groups = (
        Group(ids.GROUP_ONCALL, "oncall", "On-call", [ids.ONCALL]),
        Group(ids.GROUP_APPROVERS, "approvers", "Approvers", [ids.APPROVER1, ids.APPROVER2]),
    )
    state.groups.update({group.id: group for group in groups})
    everyone = list(ids.PERSONAS)
    with_bot = [*everyone, ids.BOT_USER]
    state.add_channel(Channel(ids.FLEET_OPS, "fleet-ops", list(with_bot), topic="The fleet, day to day"))
    state.add_channel(Channel(ids.FLEET_REPORTS, "fleet-reports", list(with_bot), topic="Reports by the clock"))
    state.add_channel(Channel(ids.RANDOM, "random", everyone, topic="Muster is not a member here"))
