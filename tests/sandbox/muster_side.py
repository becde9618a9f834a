"""Muster's side of the topics, for tests of the simulated fleet: what is heard, and a voice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

import aiomqtt

from link.topics import Kind, Order, Topics, Unreadable
from link.wire import ConfigAck, ConfigDesired, Payload, Said, Status, read
from sandbox.broker import EmbeddedBroker
from sandbox.devices import SimulatedDevice, SimulatedFleet

SOON = 10.0
TOPICS = Topics()
Heard = TypeVar("Heard", bound=Said)


class Ear:
    """Muster's side: what was heard, and a voice."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.statuses: list[tuple[str, Status]] = []
        self.acks: list[tuple[str, ConfigAck]] = []
        self.telemetry: list[str] = []
        self.reasons: list[str] = []
        self.said: list[Said] = []

    def all(self, model: type[Heard]) -> list[Heard]:
        """What was said of one kind, in order."""
        return [each for each in self.said if isinstance(each, model)]

    async def listen(self) -> None:
        async for message in self._client.messages:
            device_id, kind = TOPICS.read(message.topic.value)
            try:
                said = read(device_id, kind, bytes(message.payload))  # type: ignore[arg-type]
            except Unreadable as error:
                self.reasons.append(error.reason)
                continue
            self.said.append(said)
            if isinstance(said, Status):
                self.statuses.append((device_id, said))
            elif isinstance(said, ConfigAck):
                self.acks.append((device_id, said))
            elif kind is Kind.TELEMETRY:
                self.telemetry.append(device_id)

    async def push(self, device_id: str, version: str = "v2", operation_id: str = "op-1", attempt: int = 1) -> None:
        desired = ConfigDesired(
            version=version,
            sha256="0" * 64,
            config="{}",
            operation_id=operation_id,
            attempt=attempt,
            issued_at=datetime.now(UTC),
        )
        await self._client.publish(TOPICS.of(device_id, Order.CONFIG_DESIRED), desired.encode(), qos=1, retain=True)

    async def tell(self, device_id: str, order: Order, payload: Payload | bytes) -> None:
        sent = payload if isinstance(payload, bytes) else payload.encode()
        await self._client.publish(TOPICS.of(device_id, order), sent, qos=1, retain=order.retained)

    async def clear(self, device_id: str) -> None:
        for order in Order:
            if order.retained:
                await self.tell(device_id, order, b"")


@asynccontextmanager
async def a_fleet(
    broker: EmbeddedBroker, *specs: SimulatedDevice, pushed_before: bool = False, **pace: float
) -> AsyncIterator[tuple[SimulatedFleet, Ear]]:
    quick = {
        "status_every": 0.05,
        "telemetry_every": 0.2,
        "prompt_within": 0.02,
        "slow_after": 0.3,
        "returns_after": 0.3,
        "reboot_within": 0.05,
        "step_within": 0.02,
        "claim_every": 0.05,
    }
    fleet = SimulatedFleet(specs, broker.host, broker.port, seed=7, reconnect_after=0.05, **(quick | pace))
    async with aiomqtt.Client(broker.host, broker.port, identifier="muster") as client:
        await client.subscribe([(topic, 1) for topic in TOPICS.subscriptions()])
        ear = Ear(client)
        for spec in specs:
            await ear.clear(spec.device_id)
            if pushed_before:
                await ear.push(spec.device_id)
        tasks = [asyncio.create_task(ear.listen()), asyncio.create_task(fleet.run())]
        try:
            yield fleet, ear
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 - it is the state of a thing under test, which has no event for it
            await asyncio.sleep(0.005)
