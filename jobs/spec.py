"""What a job is: a function that reads the rows that are due, asks a rule, and writes the answer.

    @job("delivery", every=timedelta(seconds=30), woken_by=("operations",))
    async def deliver(run: Run) -> datetime | None:

It returns when its next row is due (None: nothing waits). The clock runs it at the earliest of that moment, a wake of
one of its topics, and its interval, which is only the safety net. It never runs twice at once in a process, may run in
several replicas at once, and is safe to run twice. Its first docstring line says in words what it is for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.message import Message
from fleet.pki import Authority, Manufacturers
from fleet.settings import EndpointSettings, Settings
from link.departures import Departures
from link.publish import Outcome, Outgoing
from link.topics import Topics
from link.wire import Said
from storage.db import AnyRow, Database
from storage.dead_letters import Letter as DeadLetter
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


@dataclass(frozen=True, slots=True)
class Run:
    """What a job gets. `jitter` gives a number from 0 to 1; `replica` is the name that claims are made in.

    `now` is when the run began; `clock` tells the time after something that took long. `authority` signs certificates;
    `manufacturers` are those whose devices may claim one. None where there are none. `revocation_file` is where the
    broker reads what is revoked.
    """

    now: datetime
    db: Database
    settings: Settings
    replica: str
    topics: Topics
    publish: Publish
    deliver: Deliver
    tell: Tell
    jitter: Callable[[], float]
    clock: Callable[[], datetime]
    authority: Authority | None = None
    manufacturers: Manufacturers | None = None
    revocation_file: RevocationFile | None = None

    def backoff(self, attempts: int, most: timedelta) -> timedelta:
        """A wait with full jitter: up to 2 s after the first attempt, doubling, at most `most`."""
        return min(timedelta(seconds=2.0 ** min(attempts, 30)), most) * self.jitter()


Work = Callable[[Run], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    every: timedelta
    woken_by: tuple[str, ...]
    work: Work

    @property
    def purpose(self) -> str:
        """The first line of the function's docstring."""
        return (self.work.__doc__ or "").strip().split("\n")[0]


async def _nothing(_run: Run, _session: AsyncSession, _rows: Sequence[AnyRow]) -> None:
    """What most kinds of operations need to do."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """How operations of one kind leave. The rows are those of `operations.claim`.

    `messages`: the message of each, by operation id; one without a message is cancelled. It runs in the transaction
    that claims them, and may read there what they need.
    `sent`: the broker has them; runs in the transaction that marks them so.
    `expired`: their time ran out before they could be sent; runs in the transaction that closes them.
    """

    messages: Callable[[Run, AsyncSession, Sequence[AnyRow]], Awaitable[dict[str, Outgoing]]]
    sent: Callable[[Run, AsyncSession, Sequence[AnyRow]], Awaitable[None]] = _nothing
    expired: Callable[[Run, AsyncSession, Sequence[AnyRow]], Awaitable[None]] = _nothing


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of a device that is in the registry, as the model of its kind (`link.wire.MODELS`).

    `at` is when it came, in seconds on the monotonic clock of this process.
    """

    device_id: str
    said: Said
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Intake:
    """The batch that is being written. What turns out to be unusable goes to `letters`.

    `departures`: when the questions left that this process has sent.
    """

    session: AsyncSession
    now: datetime
    settings: Settings
    letters: list[DeadLetter]
    departures: Departures = field(default_factory=Departures)


Hearing = Callable[[Intake, Sequence[Heard]], Awaitable[None]]
"""Takes what devices said of one kind, a batch at a time and in order. A batch may come again: safe to run twice."""


def job(name: str, *, every: timedelta, woken_by: tuple[str, ...] = ()) -> Callable[[Work], Job]:
    """Make a job of a function. It runs because it stands in `jobs.ALL`, not because it was decorated."""
    return lambda work: Job(name, every, woken_by, work)
