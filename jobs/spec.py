"""What a job is: a function that reads the rows that are due, asks a rule, and writes the answer.

    @job("delivery", every=timedelta(seconds=30), woken_by=("operations",))
    async def deliver(run: Run) -> datetime | None:

It returns when its next row is due (None: nothing waits). The clock runs it at the earliest of that moment, a wake of
one of its topics, and its interval, which is only the safety net. It never runs twice at once in a process, may run in
several replicas at once, and is safe to run twice. Its first docstring line says in words what it is for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from fleet.message import Message
from fleet.settings import Settings
from link.publish import Outcome, Outgoing
from link.topics import Topics
from storage.db import Database


class Publish(Protocol):
    """The way to the devices."""

    @property
    def connected(self) -> bool: ...

    async def publish_many(self, messages: Sequence[Outgoing]) -> list[Outcome]: ...


@dataclass(frozen=True, slots=True)
class Letter:
    """One outbox message on its way to Slack. `ts` is the standing message to edit; None posts a new one."""

    key: str
    channel: str
    message: Message
    ts: str | None
    thread_ts: str | None
    late: timedelta | None


@dataclass(frozen=True, slots=True)
class Stands:
    """Slack shows it, at `ts`."""

    ts: str


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


Delivered = Stands | Gone | NotYet


class Deliver(Protocol):
    """The way to Slack."""

    def take_turn(self, channel: str, editing: bool, now: datetime) -> datetime:
        """When the pace allows a post into this channel, or an edit. Not later than `now`: the turn is taken."""
        ...

    async def deliver(self, letter: Letter, now: datetime) -> Delivered: ...

    async def find(self, letter: Letter, since: datetime) -> Stands | NotYet | None:
        """Look for a post whose answer was lost, by its metadata. None: it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """What a job gets. `jitter` gives a number from 0 to 1; `replica` is the name that claims are made in."""

    now: datetime
    db: Database
    settings: Settings
    replica: str
    topics: Topics
    publish: Publish
    deliver: Deliver
    jitter: Callable[[], float]

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


def job(name: str, *, every: timedelta, woken_by: tuple[str, ...] = ()) -> Callable[[Work], Job]:
    """Make a job of a function. It runs because it stands in `jobs.ALL`, not because it was decorated."""
    return lambda work: Job(name, every, woken_by, work)
