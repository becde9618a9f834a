"""A campaign played through before it begins: the engine itself, on a copy of its targets, against simulated devices.

The copy is a registry of its own in a temporary file, the clock is virtual, and the broker is a class: the jobs that
run are those that run in earnest, and no device hears of it.
"""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from fleet.campaign import CampaignStatus
from fleet.message import Message
from fleet.rehearsal import Behaviour, tick
from fleet.rollout import predicted
from fleet.settings import DatabaseSettings
from jobs import campaigns as engine
from jobs import delivery, inbox
from jobs.spec import Run, job
from link.departures import Departures
from link.inbox import Received
from link.publish import SENT, Outcome, Outgoing
from link.topics import Kind, Order
from storage import campaign_news, campaigns, outbox, rehearsals
from storage.db import CLOCK, Database
from storage.outbox import Place
from storage.tables import Campaign, Rehearsal

log = structlog.get_logger(__name__)

_STEPS = 20_000  # of the virtual clock, after which a rehearsal is given up
_BATCH = 1000


@job("rehearsals", every=timedelta(minutes=1), woken_by=("rehearsals",))
async def rehearse(run: Run) -> datetime | None:
    """Play through the campaigns that somebody wants to see first."""
    async with run.db.begin(CLOCK) as session:
        asked = await rehearsals.claim(session, run.now, run.replica, run.now + timedelta(minutes=10))
    if asked is None:
        return None
    result = await _played(run, asked)
    async with run.db.begin(CLOCK) as session:
        said, place = Message(template="bulk/rehearsed", data=result), Place(asked.channel, None, asked.asked_by)
        await outbox.answer(session, f"rehearsal:{asked.id}", said, place, run.now)
        await rehearsals.done(session, asked.id, run.now)
    return run.now


async def _played(run: Run, asked: Rehearsal) -> dict[str, Any]:
    behaviour = Behaviour.model_validate(asked.params)
    async with _scratch() as db:
        every = await rehearsals.copy(run.db, db, asked.campaign_id, behaviour, run.now, run.settings)
        stage = _Stage(run, db, behaviour, run.now)
        with structlog.contextvars.bound_contextvars(rehearsal=asked.id):  # else the log tells it as in earnest
            row = await stage.play(asked.campaign_id)
        async with db.read() as session:
            facts = await campaign_news.facts(session, row, stage.now)
    took = stage.now - run.now
    log.info("a campaign was rehearsed", campaign=row.id, took=str(took), status=row.status.value)
    return {
        **facts,
        "status": row.status.value,
        "took_s": took.total_seconds(),
        "every": every,
        "asked_by": asked.asked_by,
        "behaviour": behaviour.model_dump(mode="json"),
        "slowest_s": behaviour.slowest.total_seconds(),
    }


@asynccontextmanager
async def _scratch() -> AsyncIterator[Database]:
    """An empty registry in a temporary file."""
    with tempfile.TemporaryDirectory(prefix="muster-rehearsal-") as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'rehearsal.db'}"
        db = Database(DatabaseSettings.model_validate({"url": url, "synchronous": "normal"}))
        try:
            await rehearsals.create(db)
            yield db
        finally:
            await db.close()


@dataclass
class _Stage:
    """The broker and the devices behind it, in virtual time."""

    run: Run
    db: Database
    behaviour: Behaviour
    now: datetime
    models: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[datetime, int, str, bytes]] = field(default_factory=list)
    connected: bool = True
    departures: Departures = field(default_factory=Departures)

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        for message in messages:
            device_id, _, order = message.topic.removeprefix(self.run.topics.prefix).partition("/")
            if message.payload:  # empty: what was retained is cleared
                self._answer(device_id, Order(order), json.loads(message.payload))
        return [SENT] * len(messages)

    def _answer(self, device_id: str, order: Order, told: dict[str, Any]) -> None:
        at = self.now + self.behaviour.answers_after(device_id)
        fails = self.behaviour.fails(device_id, self.models.get(device_id, ""))
        operation = {"operation_id": told["operation_id"]}
        error = {"error": "simulated failure"} if fails else {}
        match order:
            case Order.CONFIG_DESIRED:
                ack = {"version": told["version"], "status": "rejected" if fails else "applied"}
                self._say(at, device_id, Kind.CONFIG_ACK, {**ack, **operation, **error})
            case Order.RESTART:
                answer = {"status": "rejected" if fails else "done"}
                self._say(at, device_id, Kind.COMMAND_ACK, {**answer, **operation, **error})
                if not fails:
                    self._reboot(at, device_id, {})
            case Order.FIRMWARE_DESIRED:
                step = {"version": told["version"], "state": "failed" if fails else "installing", **error}
                self._say(at, device_id, Kind.FIRMWARE_STATE, step)
                if not fails:
                    self._reboot(at, device_id, {"firmware_version": told["version"]})

    def _reboot(self, at: datetime, device_id: str, more: dict[str, str]) -> None:
        status = {"reported_config_version": "", "boot_id": f"rehearsed-{at.timestamp()}", **more}
        self._say(at + self.behaviour.slowest, device_id, Kind.STATUS, status)

    def _say(self, at: datetime, device_id: str, kind: Kind, payload: dict[str, Any]) -> None:
        topic = self.run.topics.of(device_id, kind)
        heapq.heappush(self.answers, (at, len(self.answers), topic, json.dumps(payload).encode()))

    async def play(self, campaign_id: str) -> Campaign:
        """Until it ends or stands still."""
        async with self.db.read() as session:
            row = await campaigns.get(session, campaign_id)
            self.models, sizes = await rehearsals.cast(session, campaign_id)
        step = tick(predicted(campaigns.rollout_of(row), sizes, self.behaviour.slowest))
        for _ in range(_STEPS):
            due = [await self._until_idle(engine.advance.work), await self._until_idle(delivery.send.work)]
            async with self.db.read() as session:
                row = await campaigns.get(session, campaign_id)
            if row.ended_at or row.status is CampaignStatus.PAUSED:
                return row
            moments = [each for each in (*due, self.answers[0][0] if self.answers else None) if each]
            self.now = max(min(moments, default=self.now), self.now + step)
            await self._hear()
        return row

    async def _until_idle(self, work: Callable[[Run], Awaitable[datetime | None]]) -> datetime | None:
        while True:
            due = await work(replace(self.run, **self._surroundings()))
            if due is None or due > self.now:
                return due

    def _surroundings(self) -> dict[str, Any]:
        return {"now": self.now, "db": self.db, "publish": self, "replica": "rehearsal", "clock": lambda: self.now}

    async def _hear(self) -> None:
        while self.answers and self.answers[0][0] <= self.now:
            batch: list[Received] = []
            while self.answers and self.answers[0][0] <= self.now and len(batch) < _BATCH:
                _, _, topic, payload = heapq.heappop(self.answers)
                batch.append(Received(topic=topic, payload=payload, qos=1, retain=False, message_id=1, generation=1))
            await inbox.take_in(batch, self.now, self.db, self.run.settings, self.run.topics)
