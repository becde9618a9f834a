"""A campaign of 5,000 devices, and the bot killed with SIGKILL in its middle: nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import aiomqtt
import pytest
from sqlalchemy import func, select

from commands import bulk, campaign_approval
from commands.spec import Call
from fleet.campaign import TargetState
from fleet.roles import Person, Role
from fleet.selector import parse
from fleet.settings import Settings
from sandbox.workspace import FLEET_OPS, RateLimits, Workspace
from storage import campaigns
from storage.db import Database
from storage.tables import Device, Operation
from tests import build
from tests.brokers import RunningBroker
from tests.build import NEW, OLD
from tests.walks.conftest import ended, eventually, message_key
from tests.walks.process import Bot, settings_of

OLGA = Person("U0OLGA", Role.ADMIN)


class Fleet:
    """All devices behind one connection: each answers every push it is given; those of one model refuse."""

    def __init__(self, client: aiomqtt.Client, count: int) -> None:
        self._client = client
        self.ids = [f"dev-{number:04}" for number in range(count)]
        self.refusing = set(self.ids[7::100])
        self.offline = {each for number, each in enumerate(self.ids) if number % 20 < 3} - self.refusing
        self.told: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self.acked = 0

    async def answer(self) -> None:
        async for message in self._client.messages:
            device_id = message.topic.value.partition("/")[0]
            assert isinstance(message.payload, bytes)
            push = json.loads(message.payload)
            self.told[device_id].add((push["operation_id"], push["attempt"]))
            answer = {"version": push["version"], "operation_id": push["operation_id"], "status": "applied"}
            if device_id in self.refusing:
                answer |= {"status": "rejected", "error": "no room"}
            await self.say(f"{device_id}/config/ack", answer)
            self.acked += 1

    async def say(self, topic: str, payload: dict[str, Any]) -> None:
        await self._client.publish(topic, json.dumps(payload), qos=1)

    async def until_acked(self, count: int) -> None:
        async def enough() -> bool:
            return self.acked >= count

        await eventually(enough, 30)


@asynccontextmanager
async def a_fleet(port: int, count: int) -> AsyncIterator[Fleet]:
    async with aiomqtt.Client("127.0.0.1", port, identifier="the-fleet", max_inflight_messages=0) as client:
        client.pending_calls_threshold = 10_000
        await client.subscribe("+/config/desired", qos=1)
        fleet = Fleet(client, count)
        answering = asyncio.create_task(fleet.answer())
        try:
            yield fleet
        finally:
            await ended(answering)


def settings_for_campaigns(url: str, port: int, ws: Workspace) -> dict[str, Any]:
    return settings_of(url, port, ws) | {
        "approvals": {"policies": [{"operation": "*", "approvals": 0}]},
        "campaigns": {"canary": "", "wave": "40%", "soak": "0s", "edit_every": "1s", "look_every": "1s"},
        "drift": {"sweep_every": "1h", "online_within": "5m"},
    }


async def planned(db: Database, fleet: Fleet, settings: Settings) -> str:
    """The campaign is asked for before any bot runs: a row is all that it is."""
    now = datetime.now(UTC)
    rows = [
        build.device(
            each,
            now,
            site=f"site-{number % 10}",
            model="gw9" if each in fleet.refusing else "gw2",
            target_config_version=OLD,
            reported_config_version=OLD,
            last_seen_at=now - timedelta(hours=1) if each in fleet.offline else now,
        )
        for number, each in enumerate(fleet.ids)
    ]
    await build.fleet(db, now, rows)
    call = Call(OLGA, FLEET_OPS, now, db, settings)
    # Devices of each model go first, so those that refuse are soon more than the gate allows.
    plan = await bulk.config(call, NEW, parse("all"), max_failed="100%")
    await campaign_approval.ask(call, str(plan.data["campaign_id"]))
    return str(plan.data["campaign_id"])


@pytest.fixture(params=[("sqlite_url", 5000, 1), ("postgres_registry", 1000, 2)], ids=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest) -> tuple[str, int, int]:
    """The registry's URL, how many devices, how many replicas."""
    name, count, replicas = request.param
    return str(request.getfixturevalue(name)), count, replicas


async def test_a_campaign_is_finished_by_whoever_is_left(
    scene: tuple[str, int, int], broker: RunningBroker, tmp_path: Path
) -> None:
    url, count, replicas = scene
    random = Random(count)
    async with contextlib.AsyncExitStack() as stack:
        ws = await stack.enter_async_context(Workspace.start(limits=RateLimits(enabled=False)))
        fleet = await stack.enter_async_context(a_fleet(broker.port, count))
        given = settings_for_campaigns(url, broker.port, ws)
        settings = Settings.model_validate(given)
        db = Database(settings.database)
        stack.push_async_callback(db.close)
        campaign_id = await planned(db, fleet, settings)
        bots = []
        for number in range(replicas):
            folder = tmp_path / f"bot-{number}"
            folder.mkdir()
            bots.append(Bot(folder, {**given, "mqtt": {**given["mqtt"], "client_id": f"muster-{number + 1}"}}))
            await bots[-1].start()
            stack.push_async_callback(bots[-1].end, signal.SIGKILL)
        for share in (0.15, 0.5):
            await fleet.until_acked(int(count * (share + random.uniform(0, 0.1))))
            killed = random.choice(bots)
            assert await killed.end(signal.SIGKILL) == -signal.SIGKILL
            await killed.start()
        returning = sorted(fleet.offline)[: count // 50]
        for each in returning:
            await fleet.say(f"{each}/status", {"reported_config_version": OLD})
        expected = {
            TargetState.SUCCEEDED: count - len(fleet.refusing) - len(fleet.offline) + len(returning),
            TargetState.REJECTED: len(fleet.refusing),
            TargetState.PARKED: len(fleet.offline) - len(returning),
        }

        async def settled() -> bool:
            async with db.read() as session:
                return await campaigns.tally(session, campaign_id) == expected

        with contextlib.suppress(TimeoutError):
            await eventually(settled, 40, every=0.1)
        async with db.read() as session:
            assert await campaigns.tally(session, campaign_id) == expected
        await check(db, fleet, ws, returning, campaign_id)


async def check(db: Database, fleet: Fleet, ws: Workspace, returning: list[str], campaign_id: str) -> None:
    asked = set(fleet.ids) - fleet.offline | set(returning)
    assert set(fleet.told) == asked
    assert {each: told for each, told in fleet.told.items() if len(told) != 1} == {}  # the same attempt, however often
    async with db.read() as session:
        runs = dict((await session.execute(select(Device.device_id, Device.reported_config_version))).all())
        per_device = await session.execute(select(Operation.device_id, func.count()).group_by(Operation.device_id))
        operations = dict(per_device.all())
    # The old status of a returning device may be delivered again after its ack, to the replica that was killed.
    assert {each for each, version in runs.items() if version == NEW} | set(returning) == asked - fleet.refusing
    assert operations == dict.fromkeys(asked, 1)
    posts = Counter(key for message in await ws.messages(FLEET_OPS) if (key := message_key(message)))
    assert posts[campaigns.message_key(campaign_id)] == 1
