"""The bot as a process of its own, killed with SIGKILL again and again while it sweeps 2,000 drifted devices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import aiomqtt
import pytest
from sqlalchemy import func, select

from fleet.drift import CaseState
from fleet.operation import OperationState
from fleet.settings import DatabaseSettings
from sandbox.workspace import FLEET_OPS, RateLimits, Workspace
from storage.db import Database
from storage.tables import Alert, Device, DriftCase, Operation, OutboxMessage
from tests import build
from tests.brokers import RunningBroker, embedded_broker, mosquitto_broker
from tests.build import NEW, OLD
from tests.walks.conftest import ended, eventually, message_key
from tests.walks.process import Bot, settings_of

DEVICES, REJECTING, TALKING = 2000, 30, 200
FALLBACK = 10.0  # seconds after which the bot is killed anyway, when the moment that was drawn does not come
AT_LAST = 40.0  # seconds for everything to be settled after the last start


@pytest.fixture(params=["postgresql-embedded", pytest.param("sqlite-mosquitto", marks=pytest.mark.mosquitto)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, RunningBroker]]:
    """The registry's URL and a broker: each of the two databases and of the two brokers, which know nothing of each
    other."""
    database, _, name = request.param.partition("-")
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_registry"}[database])
    with embedded_broker() if name == "embedded" else mosquitto_broker(tmp_path) as running:
        yield str(url), running


class Fleet:
    """All devices behind one connection: each acks what it is told at once, some reject it, some send statuses."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        ids = [f"dev-{number:04}" for number in range(DEVICES)]
        self.rejecting = frozenset(ids[:: DEVICES // REJECTING][:REJECTING])
        self.willing = [each for each in ids if each not in self.rejecting]
        self.talking = self.willing[:: len(self.willing) // TALKING][:TALKING]
        self.ids = ids
        self.runs = dict.fromkeys(ids, OLD)
        self.pushes: Counter[str] = Counter()
        self.acked = 0
        self.last_boot: dict[str, str] = {}
        self._news = asyncio.Condition()
        self._answers: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def listen(self) -> None:
        async for message in self._client.messages:
            device_id = message.topic.value.partition("/")[0]
            assert isinstance(message.payload, bytes)
            push = json.loads(message.payload)
            self.pushes[device_id] += 1
            self._answers.put_nowait((device_id, push))
            async with self._news:
                self._news.notify_all()

    async def answer(self) -> None:
        while True:
            device_id, push = await self._answers.get()
            answer = {"version": push["version"], "operation_id": push["operation_id"], "status": "applied"}
            if device_id in self.rejecting:
                answer |= {"status": "rejected", "error": "unsupported key: radio.band"}
            else:
                self.runs[device_id] = push["version"]
            await self._say(f"{device_id}/config/ack", answer)
            self.acked += 1
            async with self._news:
                self._news.notify_all()

    async def talk(self) -> None:
        """Statuses, one device after the other, each under a new boot id; remembered once the broker has them."""
        number = 0
        while True:
            for device_id in self.talking:
                number += 1
                boot_id = f"boot-{number}"
                status = {"reported_config_version": self.runs[device_id], "boot_id": boot_id}
                sent = asyncio.ensure_future(self._say(f"{device_id}/status", status))
                try:
                    await asyncio.shield(sent)
                finally:  # when it is told to be silent, what is under way is waited for
                    await sent
                    self.last_boot[device_id] = boot_id
                async with self._news:
                    self._news.notify_all()
                await asyncio.sleep(0.01)

    async def _say(self, topic: str, payload: dict[str, Any]) -> None:
        await self._client.publish(topic, json.dumps(payload), qos=1)

    async def until(self, reached: Callable[[], bool]) -> None:
        async with self._news:
            await self._news.wait_for(reached)


@asynccontextmanager
async def a_fleet(port: int) -> AsyncIterator[Fleet]:
    async with aiomqtt.Client("127.0.0.1", port, identifier="the-fleet", max_inflight_messages=0) as client:
        client.pending_calls_threshold = 5_000
        await client.subscribe("+/config/desired", qos=1)
        fleet = Fleet(client)
        tasks = [asyncio.create_task(work()) for work in (fleet.listen, *[fleet.answer] * 20)]
        try:
            yield fleet
        finally:
            await ended(*tasks)


async def register(db: Database, fleet: Fleet) -> None:
    now = datetime.now(UTC)
    drifted = {"reported_config_version": OLD, "last_seen_at": now}
    await build.fleet(db, now, [build.device(each, now, **drifted) for each in fleet.ids])


Moment = Callable[[Random, Fleet, Workspace], Awaitable[None]]


async def early(random: Random, fleet: Fleet, ws: Workspace) -> None:
    """While it starts, migrates, connects or sweeps."""
    await asyncio.sleep(random.uniform(0.3, 2.5))


async def in_a_push(random: Random, fleet: Fleet, ws: Workspace) -> None:
    seen = fleet.pushes.total() + random.randint(1, 250)
    await fleet.until(lambda: fleet.pushes.total() >= seen)


async def in_the_acks(random: Random, fleet: Fleet, ws: Workspace) -> None:
    acked = fleet.acked + random.randint(1, 250)
    await fleet.until(lambda: fleet.acked >= acked)
    await asyncio.sleep(random.uniform(0, 0.1))


async def in_a_post(random: Random, fleet: Fleet, ws: Workspace) -> None:
    """Slack has taken a post, and perhaps has answered; the bot may not have written that down."""
    after = max((entry["n"] for entry in await ws.journal(method="chat.postMessage")), default=0)
    for _ in range(random.randint(1, 3)):
        after = (await ws.wait_for_call("chat.postMessage", after=after, timeout=FALLBACK))["n"]


def moments(random: Random) -> list[Moment]:
    """In the last one much may be done already, if the machine is fast; in the others nothing nearly is."""
    drawn: list[Moment] = [in_a_push, in_a_post, in_the_acks]
    random.shuffle(drawn)
    return [*drawn, early]


async def test_a_bot_that_is_killed_again_and_again_loses_nothing_and_says_nothing_twice(
    place: tuple[str, RunningBroker], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    registry_url, broker = place
    random = Random(request.node.callspec.id)
    db = Database(DatabaseSettings.model_validate({"url": registry_url}))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        ws = await stack.enter_async_context(Workspace.start(limits=RateLimits(enabled=False)))
        fleet = await stack.enter_async_context(a_fleet(broker.port))
        await register(db, fleet)
        bot = Bot(tmp_path, settings_of(registry_url, broker.port, ws))
        await ws.inject("chat.postMessage", accept_then_drop=True, times=2)

        await bot.start()
        stack.push_async_callback(bot.end, signal.SIGKILL)
        await asyncio.wait_for(fleet.until(lambda: fleet.pushes.total() > 0), 20)
        talking = asyncio.create_task(fleet.talk())
        try:
            for moment in moments(random):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(moment(random, fleet, ws), FALLBACK)
                assert await bot.end(signal.SIGKILL) == -signal.SIGKILL
                if moment is in_a_post:
                    await ws.inject("chat.postMessage", accept_then_drop=True)
                await bot.start()
            await asyncio.wait_for(fleet.until(lambda: len(fleet.last_boot) == len(fleet.talking)), AT_LAST)
        finally:
            await ended(talking)

        left: dict[str, object] = {}

        async def settled() -> bool:
            left.clear()
            left.update(await unsettled(db, fleet))
            return not left

        with contextlib.suppress(TimeoutError):
            await eventually(settled, AT_LAST, every=0.2)
        assert left == {}
        assert await bot.end(signal.SIGTERM) == 0
        await check(db, fleet, ws)
        assert "failed" not in bot.log.read_text()


async def unsettled(db: Database, fleet: Fleet) -> dict[str, object]:
    """What is left to do, for the bot and for Slack, and which last statuses are not in yet; empty when all is done."""
    async with db.read() as session:
        cases = select(func.count()).select_from(DriftCase)
        # A status that the broker delivers again after a kill may bring an old version back until the next sweep.
        behind = select(func.count()).where(Device.target_config_version != Device.reported_config_version)
        standing = select(func.count()).where(OutboxMessage.due_at.is_(None), OutboxMessage.ts.is_not(None))
        queued = select(func.count()).where(Operation.state == OperationState.QUEUED)
        found = {
            "open cases": (await session.scalar(cases.where(DriftCase.resolved_at.is_(None))), REJECTING),
            "cases at least": (min(await session.scalar(cases) or 0, DEVICES), DEVICES),
            "devices behind": (await session.scalar(behind), REJECTING),
            "standing messages": (await session.scalar(standing), REJECTING),
            "queued operations": (await session.scalar(queued), 0),
        }
        boots = {row.device_id: row.boot_id for row in await session.execute(select(Device.device_id, Device.boot_id))}
    late = {each: (boots[each], boot_id) for each, boot_id in fleet.last_boot.items() if boots[each] != boot_id}
    left: dict[str, object] = {name: both for name, both in found.items() if both[0] != both[1]}
    return left | ({"statuses not in": late} if late else {})


async def check(db: Database, fleet: Fleet, ws: Workspace) -> None:
    async with db.read() as session:
        rows = {row.device_id: row for row in await session.scalars(select(Device))}
        cases = (await session.scalars(select(DriftCase))).all()
        operations = (await session.scalars(select(Operation))).all()
        alerts = (await session.scalars(select(Alert))).all()
        letters = (await session.scalars(select(OutboxMessage))).all()

    assert {each for each in fleet.ids if not fleet.pushes[each]} == set()
    assert {each for each in fleet.willing if rows[each].reported_config_version != NEW} == set()
    latest = {case.device_id: case.state for case in sorted(cases, key=lambda case: case.detected_at)}
    assert latest == {each: CaseState.REJECTED if each in fleet.rejecting else CaseState.RESOLVED for each in fleet.ids}
    assert Counter(case.device_id for case in cases if case.resolved_at is None).keys() == fleet.rejecting

    assert fleet.last_boot.keys() == set(fleet.talking)
    assert {each: rows[each].boot_id for each in fleet.talking} == fleet.last_boot

    assert Counter((alert.kind, alert.key) for alert in alerts) == {("drift", each): 1 for each in fleet.rejecting}
    posts = Counter(key for message in await ws.messages(FLEET_OPS) if (key := message_key(message)))
    assert posts == {f"alert:{alert.id}": 1 for alert in alerts}

    claimed = [row.id for row in (*operations, *letters) if row.claimed_by or row.claimed_until]
    assert claimed == []
