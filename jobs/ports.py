"""What jobs need of the world outside: the ways to devices, to Slack, to other systems and to the broker's files.

Protocols, and what goes over them and comes back. `bot` binds them to the real things, tests to fakes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from fleet.message import Message
from fleet.settings import EndpointSettings
from link.publish import Outcome, Outgoing
from storage.outbox import Attachment


class Publish(Protocol):
    """The way to the devices."""

    @property
    def connected(self) -> bool: ...

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        """One outcome for each. `may` is asked again and again: once it says no, no further message leaves."""
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """One outbox message on its way to Slack. `ts` is the standing message to edit; None posts a new one.

    `moved_from` is the channel that did not let Muster in, where the message was meant for. With a `file` the message
    is what is said to it.
    """

    key: str
    channel: str
    message: Message
    ts: str | None
    thread_ts: str | None
    late: timedelta | None
    moved_from: str | None = None
    file: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Stands:
    """Slack shows it, at `ts`; in `channel` if that is another one than was asked for: a person has a channel."""

    ts: str
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The message to edit is deleted or cannot be edited any more."""

    why: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """Slack did not take it. `uncertain`: or it did, and the answer was lost. `after` is what Retry-After asked for."""

    why: str
    uncertain: bool = False
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class NoEntry:
    """Muster may not write there, and will not be let in by trying again."""

    why: str


Delivered = Stands | Gone | NotYet | NoEntry


class Deliver(Protocol):
    """The way to Slack."""

    def take_turn(self, channel: str, editing: bool, now: datetime) -> datetime:
        """When the pace allows a post into this channel, or an edit. Not later than `now`: the turn is taken."""
        ...

    async def deliver(self, letter: Letter, now: datetime) -> Delivered: ...

    async def find(self, letter: Letter, since: datetime) -> Stands | NotYet | None:
        """Look for a post whose answer was lost, by its metadata. None: it is not there."""
        ...


class NotPlaced(Exception):
    """The broker does not have the list; the text says why, in whole sentences."""


class RevocationFile(Protocol):
    """The way of the revocation list to the broker."""

    async def place(self, pem: str) -> str:
        """Let the broker have this list. Returns what was wrong with the one it had. Raises NotPlaced."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One event on its way to another system."""

    id: str
    seq: int
    type: str
    subject: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Taken:
    """The endpoint has it."""


@dataclass(frozen=True, slots=True)
class Untaken:
    """It has not, or its answer was lost. `after` is what Retry-After asked for; `gone`: it never will.

    `all`: this is about the endpoint and not about the one event, so nothing else is sent there meanwhile.
    """

    why: str
    after: timedelta | None = None
    gone: bool = False
    all: bool = False


class Tell(Protocol):
    """The way to other systems."""

    async def tell(self, endpoint: EndpointSettings, notice: Notice, now: datetime) -> Taken | Untaken: ...
