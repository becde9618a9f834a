"""The stage of a rehearsal: a broker, devices, a CA and a telemetry store that are simulated, in virtual time.

Of a rotation the asking, the pace and the days are played; the CA signs at once, and what a device says of its new
certificate is read as in earnest. Of a decommission everything is, on the copy; a telemetry store, if one is set,
confirms each export after the time that a device would take to answer.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from fleet.campaign import CampaignKind, CampaignStatus
from fleet.decommission import ExportState
from fleet.rehearsal import Behaviour, tick
from fleet.rollout import predicted
from fleet.settings import Settings
from jobs import campaigns as engine
from jobs import decommissions as leaving
from jobs import delivery, inbox
from jobs.spec import Run
from link.departures import Departures
from link.inbox import Received
from link.publish import SENT, Outcome, Outgoing
from link.topics import Order
from link.wire import Kind
from storage import campaigns, certificates, decommissions, rehearsals
from storage.db import CLOCK, Database
from storage.tables import Campaign

_STEPS = 20_000  # of the virtual clock, after which a rehearsal is given up
_BATCH = 1000
_VALID_FOR = timedelta(days=365)


@dataclass
class Stage:
    """The broker and the devices behind it, in virtual time."""

    run: Run
    db: Database
    behaviour: Behaviour
    now: datetime
    campaign_id: str
    models: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[datetime, int, str, bytes]] = field(default_factory=list)
    connected: bool = True
    departures: Departures = field(default_factory=Departures)

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        renewals: dict[str, str] = {}
        for message in messages:
            device_id, _, order = message.topic.removeprefix(self.run.topics.prefix).partition("/")
            if not message.payload:
                continue  # what was retained is cleared
            told = json.loads(message.payload)
            if Order(order) is Order.CERTIFICATE_RENEW:
                renewals[device_id] = told["operation_id"]
            else:
                self._answer(device_id, Order(order), told)
        await self._renew(renewals)
        return [SENT] * len(messages)

    def _answer(self, device_id: str, order: Order, told: dict[str, Any]) -> None:
        at = self.now + self.behaviour.answers_after(device_id)
        fails = self._fails(device_id)
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

    async def _renew(self, asked: dict[str, str]) -> None:
        """Certificates for those that do as they are asked (device, operation); the others say nothing."""
        asked = {each: operation for each, operation in asked.items() if not self._fails(each)}
        new: list[dict[str, Any]] = [
            {
                "serial": operation.encode().hex(),
                "device_id": device_id,
                "not_before": self.now,
                "not_after": self.now + _VALID_FOR,
                "pem": "",
                "operation_id": operation,
                "campaign_id": self.campaign_id,
            }
            for device_id, operation in asked.items()
        ]
        async with self.db.begin(CLOCK) as session:
            await certificates.record(session, new, self.now)
        for each in new:
            at = self.now + self.behaviour.answers_after(each["device_id"])
            self._say(at, each["device_id"], Kind.CERTIFICATE_INSTALLED, {"serial": each["serial"]})

    async def _confirm_exports(self) -> datetime | None:
        """The telemetry store confirms what it was asked for, when its time has come. Returns when the next one is."""
        async with self.db.begin(CLOCK) as session:
            asked = await decommissions.unconfirmed(session)
            at = {
                each.device_id: each.requested_at + self.behaviour.answers_after(each.device_id)
                for each in asked
                if not self._fails(each.device_id)
            }
            due = [each for each, moment in at.items() if moment <= self.now]
            await decommissions.settle(session, due, ExportState.CONFIRMED, "rehearsal", self.now)
        return min((moment for moment in at.values() if moment > self.now), default=None)

    def _fails(self, device_id: str) -> bool:
        return self.behaviour.fails(device_id, self.models.get(device_id, ""))

    def _reboot(self, at: datetime, device_id: str, more: dict[str, str]) -> None:
        status = {"reported_config_version": "", "boot_id": f"rehearsed-{at.timestamp()}", **more}
        self._say(at + self.behaviour.slowest, device_id, Kind.STATUS, status)

    def _say(self, at: datetime, device_id: str, kind: Kind, payload: dict[str, Any]) -> None:
        topic = self.run.topics.of(device_id, kind)
        heapq.heappush(self.answers, (at, len(self.answers), topic, json.dumps(payload).encode()))

    async def play(self) -> Campaign:
        """Until it ends or stands still; or no longer, if it does neither in a good time."""
        async with self.db.read() as session:
            row = await campaigns.get(session, self.campaign_id)
            self.models, sizes = await rehearsals.cast(session, self.campaign_id)
        step = tick(predicted(campaigns.rollout_of(row), sizes, self.behaviour.slowest))
        for _ in range(_STEPS):
            due = [await self._until_idle(work) for work in (engine.advance.work, delivery.send.work)]
            if row.kind is CampaignKind.DECOMMISSION:
                due.append(await self._confirm_exports())
                await self._until_idle(leaving.leave.work)
            async with self.db.read() as session:
                row = await campaigns.get(session, self.campaign_id)
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
        seen = {"now": self.now, "db": self.db, "publish": self, "replica": "rehearsal", "clock": lambda: self.now}
        return {**seen, "settings": self._settings}

    @cached_property
    def _settings(self) -> Settings:
        """Who is offline stays so: to look for them every some seconds would only take time, over days of it."""
        given = self.run.settings
        seldom = given.campaigns.model_copy(update={"look_every": timedelta(days=1)})
        return given.model_copy(update={"campaigns": seldom})

    async def _hear(self) -> None:
        while self.answers and self.answers[0][0] <= self.now:
            batch: list[Received] = []
            while self.answers and self.answers[0][0] <= self.now and len(batch) < _BATCH:
                _, _, topic, payload = heapq.heappop(self.answers)
                batch.append(Received(topic=topic, payload=payload, qos=1, retain=False, message_id=1, generation=1))
            await inbox.take_in(batch, self.now, self.db, self.run.settings, self.run.topics)
