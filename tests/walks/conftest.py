"""The whole bot in this process: the real app, a real broker and registry, a workspace to type in, a clock to turn."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from sqlalchemy import select

import jobs
from bot.app import Muster
from fleet.settings import Settings
from sandbox.workspace import (
    APPROVER1,
    APPROVER2,
    FLEET_OPS,
    ONCALL,
    OPERATOR,
    RateLimits,
    SeenMessage,
    SeenRun,
    Workspace,
)
from storage import devices, drift, operations, schedule
from storage.db import AnyRow, Database
from storage.tables import Alert, Device, DriftCase
from tests import build
from tests.brokers import RunningBroker, embedded_broker
from tests.conftest import NOW, settings_for
from tests.house import until_nothing_is_due
from tests.workspaces import slack_for

SOON = 15.0  # seconds; no test waits so long unless it fails


async def eventually(condition: Callable[[], Awaitable[Any]], within: float = SOON, every: float = 0.01) -> Any:
    """The first true answer of `condition`, asked `every` so many seconds; TimeoutError after `within`."""
    async with asyncio.timeout(within):
        while not (found := await condition()):  # noqa: ASYNC110 - a row of another process has no event
            await asyncio.sleep(every)
    return found


async def ended(*tasks: asyncio.Task[None]) -> None:
    """Cancels them; what went wrong in one before fails the test."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


class Clock:
    """Stands still until a test turns it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()


class House:
    """The running bot and everybody around it. The jobs run when a test says so; MQTT and Slack are real traffic."""

    def __init__(self, muster: Muster, ws: Workspace, clock: Clock) -> None:
        self.muster, self.ws, self.clock = muster, ws, clock
        self._woken: set[str] = set()
        muster.db.on_wake(self._woken.update)

    @property
    def db(self) -> Database:
        return self.muster.db

    # --- time ---

    async def settle(self) -> None:
        await until_nothing_is_due(jobs.ALL, self.muster.new_run, self._woken)

    async def later(self, **passed: float) -> None:
        self.clock.now += timedelta(**passed)
        await self.settle()

    async def connected(self) -> None:
        await asyncio.wait_for(self.muster.connection.wait_connected(), SOON)

    # --- the registry ---

    async def register(self, *device_ids: str, **columns: Any) -> None:
        """Devices as `build.device` makes them: on their target, never heard."""
        made = [build.device(each, self.clock.now, **columns) for each in device_ids]
        await build.fleet(self.db, self.clock.now, made)

    async def device(self, device_id: str = "dev-1") -> Device:
        async with self.db.read() as session:
            return await devices.get(session, device_id)

    async def case(self, device_id: str = "dev-1") -> DriftCase | None:
        async with self.db.read() as session:
            found = await drift.history(session, device_id, 1)
        return found[0] if found else None

    async def operations(self, device_id: str = "dev-1") -> Sequence[AnyRow]:
        async with self.db.read() as session:
            return await operations.of_device(session, device_id, 50)

    async def alerts(self) -> Sequence[Alert]:
        async with self.db.read() as session:
            return (await session.scalars(select(Alert))).all()

    async def heard(self, device_id: str = "dev-1", **columns: object) -> Device:
        """The device, once the registry shows these columns."""

        async def told() -> Device | None:
            row = await self.device(device_id)
            return row if all(getattr(row, name) == value for name, value in columns.items()) else None

        found: Device = await eventually(told)
        return found

    async def in_state(self, state: str, device_id: str = "dev-1") -> DriftCase:
        """The newest drift case of the device, once it is in this state."""

        async def moved() -> DriftCase | None:
            case = await self.case(device_id)
            return case if case and case.state == state else None

        found: DriftCase = await eventually(moved)
        return found

    async def sweep(self) -> None:
        async with self.db.begin() as session:
            await schedule.bring_forward(session, schedule.SWEEP, self.clock.now)
        await self.settle()

    # --- Slack ---

    async def types(self, line: str, user: str = OPERATOR) -> SeenRun:
        """A command in the ops channel, with its answer."""
        run = await self.ws.command(user, FLEET_OPS, line, wait=SOON)
        assert run.error is None
        return run

    async def clicks(self, message: SeenMessage, button: str, user: str = OPERATOR, **where: Any) -> SeenRun:
        """A click, with its answer."""
        run = await self.ws.click(user, message.ts, button, wait=SOON, **where)
        assert run.error is None
        return run

    async def posts(self) -> list[SeenMessage]:
        """What the bot posted on its own account into the ops channel, threads too."""
        return [each for each in await self.ws.messages(FLEET_OPS) if message_key(each)]


def message_key(message: SeenMessage) -> str:
    """The key that the bot gave a message; empty for everything else."""
    return str(((message.metadata or {}).get("event_payload") or {}).get("key") or "")


def walk_settings(ws: Workspace, url: str, port: int, **sections: dict[str, Any]) -> Settings:
    given: dict[str, dict[str, Any]] = {
        "slack": slack_for(ws, channel_per_second=1000),
        "roles": {
            "operator": {"users": [OPERATOR, ONCALL]},
            "approver": {"users": [APPROVER1, APPROVER2]},
        },
        "mqtt": {"port": port, "reconnect_first": "20ms", "reconnect_most": "100ms"},
        "database": {"url": url},
    }
    for name, section in sections.items():
        given[name] = {**given.get(name, {}), **section}
    return settings_for(**given)


@asynccontextmanager
async def a_house(url: str, port: int, *, wait: bool = True, **sections: dict[str, Any]) -> AsyncIterator[House]:
    """Everything up; with `wait` also connected to the broker."""
    clock = Clock()
    async with Workspace.start(clock=clock.seconds, limits=RateLimits(enabled=False)) as ws:
        muster = Muster(walk_settings(ws, url, port, **sections), now=clock)
        house = House(muster, ws, clock)
        try:
            await muster.start()
            await ws.wait_for_connections(1, timeout=SOON)
            if wait:
                await house.connected()
            yield house
        finally:
            await muster.stop()


@asynccontextmanager
async def a_device(port: int, name: str = "device") -> AsyncIterator[aiomqtt.Client]:
    """A connection that devices may speak over."""
    async with aiomqtt.Client("127.0.0.1", port, identifier=name) as client:
        client.pending_calls_threshold = 5_000
        yield client


async def say(client: aiomqtt.Client, topic: str, payload: object, *, retain: bool = False) -> None:
    """One message at QoS 1, back when the broker has it; `payload` is made JSON unless it is bytes."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    await client.publish(topic, raw, qos=1, retain=retain)


@pytest.fixture
def broker() -> Iterator[RunningBroker]:
    with embedded_broker() as running:
        yield running


@pytest.fixture
async def house(sqlite_url: str, broker: RunningBroker) -> AsyncIterator[House]:
    """The bot on SQLite and the embedded broker."""
    async with a_house(sqlite_url, broker.port) as running:
        yield running


@pytest.fixture
async def line(broker: RunningBroker) -> AsyncIterator[aiomqtt.Client]:
    """What devices speak over."""
    async with a_device(broker.port) as client:
        yield client


def environment_for(settings_file: Path) -> dict[str, str]:
    """The environment of a bot that runs as a process of its own, without what this one may have of Muster's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return {**inherited, "MUSTER_SETTINGS": str(settings_file)}
