"""Muster without its edges: real jobs on a real registry, a clock that tests turn, fakes for broker and Slack."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, select

import jobs
from fleet.pki import Authority, Manufacturers
from fleet.settings import EndpointSettings, Settings
from jobs import inbox
from jobs.ports import Delivered, Letter, Notice, RevocationFile, Stands, Taken, Untaken
from jobs.spec import Job, Run
from link.departures import Departures
from link.inbox import Received
from link.publish import SENT, Outcome, Outgoing
from link.topics import Topics
from storage import tables
from storage.db import Database

_ROUNDS = 20
"""After which jobs that go on waking each other are left alone, as the clock would not."""


@dataclass
class FakePublish:
    """A broker that takes everything, until told otherwise. What is timed leaves at second 100."""

    connected: bool = True
    broken: bool = False
    sent: list[Outgoing] = field(default_factory=list)
    departures: Departures = field(default_factory=Departures)

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        if may and not await may():
            return [Outcome(sent=False, reason="stopped")] * len(messages)
        if self.broken:
            return [Outcome(sent=False, reason="the connection was lost")] * len(messages)
        self.sent += messages
        for each in messages:
            if each.timed:
                self.departures.note(each.timed, 100.0)
        return [SENT] * len(messages)

    def pushes(self, device_id: str) -> list[dict[str, Any]]:
        """The configurations that were published for one device, oldest first."""
        return self.orders(device_id, "config/desired")

    def orders(self, device_id: str, order: str) -> list[dict[str, Any]]:
        """What was published on one topic of a device, oldest first."""
        return [json.loads(each.payload) for each in self.sent if each.topic == f"{device_id}/{order}"]


@dataclass
class FakeDeliver:
    """A Slack that takes everything at once; `answers` overrides what it says, first come first served."""

    answers: list[Delivered] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    channel: dict[str, str] = field(default_factory=dict)
    interval: timedelta = timedelta(0)
    free: datetime | None = None

    def take_turn(self, channel: str, editing: bool, now: datetime) -> datetime:
        if self.free and self.free > now:
            return self.free
        self.free = now + self.interval
        return now

    async def deliver(self, letter: Letter, now: datetime) -> Delivered:
        self.letters.append(letter)
        if self.answers:
            return self.answers.pop(0)
        ts = letter.ts or f"17000000.{len(self.channel):06d}"
        self.channel[letter.key] = ts
        return Stands(ts)

    async def find(self, letter: Letter, since: datetime) -> Stands | None:
        return Stands(self.channel[letter.key]) if letter.key in self.channel else None

    def posts(self) -> list[Letter]:
        return [each for each in self.letters if each.ts is None]

    def edits(self) -> list[Letter]:
        return [each for each in self.letters if each.ts is not None]


@dataclass
class FakeTell:
    """Other systems that take every event; `answers` overrides what one of them says, first come first served."""

    answers: dict[str, list[Taken | Untaken]] = field(default_factory=dict)
    told: list[tuple[str, Notice]] = field(default_factory=list)

    async def tell(self, endpoint: EndpointSettings, notice: Notice, now: datetime) -> Taken | Untaken:
        self.told.append((endpoint.name, notice))
        answers = self.answers.get(endpoint.name)
        return answers.pop(0) if answers else Taken()


async def until_nothing_is_due(jobs: Sequence[Job], new_run: Callable[[], Run], woken: set[str]) -> None:
    """Run every job until it has nothing due, and those again whose topics were woken meanwhile (`woken`)."""
    woken.clear()
    again = await _with_work(jobs, new_run().db)
    for _ in range(_ROUNDS):
        for job in again:
            for _ in range(100):
                woken.difference_update(job.woken_by)
                run = new_run()
                due = await job.work(run)
                if due is None or due > run.now:
                    break
        again = [job for job in jobs if not woken.isdisjoint(job.woken_by)]
        if not again:
            return


_NOTHING_WITHOUT: Mapping[Job, Table] = {
    jobs.start: tables.approvals,
    jobs.remind_or_expire: tables.approvals,
    jobs.advance: tables.campaigns,
    jobs.report: tables.campaigns,
    jobs.recount: tables.fences,
    jobs.rehearse: tables.rehearsals,
    jobs.settle: tables.diagnostics,
    jobs.ask_many: tables.fan_outs,
    jobs.issue: tables.certificate_requests,
    jobs.leave: tables.decommissions,
    jobs.windows: tables.maintenance_windows,
    jobs.tell: tables.events,
    jobs.follow_up: tables.drift_cases,
    jobs.escalate: tables.drift_cases,
    jobs.flapping: tables.drift_cases,
    jobs.unknown_versions: tables.drift_cases,
    jobs.call_people: tables.alerts,
    jobs.wake_up: tables.alerts,
}
"""Jobs that have nothing to do while a table is empty, as most are in most stories: there they cost nothing."""


async def _with_work(jobs: Sequence[Job], db: Database) -> list[Job]:
    asked = {table.name: table for job, table in _NOTHING_WITHOUT.items() if job in jobs}
    if not asked:
        return list(jobs)
    async with db.read() as session:
        row = await session.execute(select(*(select(table).exists().label(name) for name, table in asked.items())))
        filled = row.one()._asdict()
    return [job for job in jobs if job not in _NOTHING_WITHOUT or filled[_NOTHING_WITHOUT[job].name]]


class House:
    """Turn the clock with `later`, let a device speak with `say`; the jobs run until nothing is due.

    A story of few jobs sets `jobs` to these: each turn of the clock runs all of them.
    """

    def __init__(self, db: Database, settings: Settings, now: datetime) -> None:
        self.db, self.settings, self.now = db, settings, now
        self._woken: set[str] = set()
        db.on_wake(self._woken.update)
        self.authority: Authority | None = None
        self.manufacturers: Manufacturers | None = None
        self.publish, self.deliver, self.tell = FakePublish(), FakeDeliver(), FakeTell()
        self.revocation_file: RevocationFile | None = None
        self.topics = Topics(settings.mqtt.topic_prefix)
        self.jobs: Sequence[Job] = jobs.ALL  # a test that turns the clock often may do with fewer

    def run(self) -> Run:
        return Run(
            self.now,
            self.db,
            self.settings,
            settings_replica(self.settings),
            self.topics,
            self.publish,
            self.deliver,
            self.tell,
            lambda: 1.0,
            lambda: self.now,
            self.authority,
            self.manufacturers,
            self.revocation_file,
        )

    async def settle(self) -> None:
        await until_nothing_is_due(self.jobs, self.run, self._woken)

    async def later(self, **passed: float) -> None:
        self.now += timedelta(**passed)
        await self.settle()

    async def hear(self, topic: str, payload: object, *, retain: bool = False, at: float = 0.0) -> None:
        """One message over MQTT; `payload` is made JSON unless it is bytes. `at` is the monotonic second it came."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await self.hear_many([(topic, raw)], retain=retain, at=at)

    async def hear_many(self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False, at: float = 0.0) -> None:
        batch = [
            Received(topic=topic, payload=raw, qos=1, retain=retain, message_id=i + 1, generation=1, at=at)
            for i, (topic, raw) in enumerate(messages)
        ]
        await inbox.take_in(batch, self.now, self.db, self.settings, self.topics, self.publish.departures)

    async def say(self, device_id: str, version: str, **more: object) -> None:
        """A status."""
        await self.hear(f"{device_id}/status", {"reported_config_version": version, **more})

    async def ack(self, device_id: str, version: str, status: str = "applied", **more: object) -> None:
        await self.hear(f"{device_id}/config/ack", {"version": version, "status": status, **more})


def settings_replica(settings: Settings) -> str:
    return settings.mqtt.client_id
