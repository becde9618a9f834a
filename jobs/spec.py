"""What a job is: a function that reads the rows that are due, asks a rule, and writes the answer.

    @job("delivery", every=timedelta(seconds=30), woken_by=("operations",))
    async def deliver(run: Run) -> datetime | None:

It returns when its next row is due (None: nothing waits). The clock runs it at the earliest of that moment, a wake of
one of its topics, and its interval, which is only the safety net. It never runs twice at once in a process, may run in
several replicas at once, and is safe to run twice. Its first docstring line says in words what it is for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.pki import Authority, Manufacturers
from fleet.settings import Settings
from jobs.ports import Deliver, Publish, RevocationFile, Tell
from link.departures import Departures
from link.publish import Outgoing
from link.topics import Topics
from link.wire import Said
from storage.db import AnyRow, Database
from storage.dead_letters import Letter as DeadLetter


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
