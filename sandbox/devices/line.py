"""One connection, while it lasts, and what the devices behind it do.

What devices do with an order is written in a part of its own: a class made for each line, whose `orders` say what it
takes. A new part is a line in `_PARTS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random as random_module
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import aiomqtt
from pydantic import ValidationError

from link.topics import Kind, Order, Topics
from link.wire import Payload, Status, canonical
from sandbox.devices.configuration import Configurations
from sandbox.devices.device import Behaviour, Pace, SimulatedDevice

OnOrder = Callable[[SimulatedDevice, bytes], None]


class _Part(Protocol):
    """Takes orders; it raises pydantic's ValidationError for what its device cannot read."""

    def __init__(self, line: Line) -> None: ...

    @property
    def orders(self) -> Mapping[Order, OnOrder]: ...


class Line:
    """`pace` and `random` are for the parts, as are `say`, `answer` and `soon`."""

    def __init__(
        self,
        pace: Pace,
        topics: Topics,
        random: random_module.Random,
        client: aiomqtt.Client,
    ) -> None:
        self.pace, self.random = pace, random
        self._topics, self._client = topics, client
        self._answering: set[asyncio.Task[None]] = set()
        self._orders: dict[Order, OnOrder] = {}
        for part in _PARTS:
            self._orders |= part(self).orders

    async def listen(self, devices: Mapping[str, SimulatedDevice]) -> None:
        prefix = len(self._topics.prefix)
        async for message in self._client.messages:
            device_id, _, order = message.topic.value[prefix:].partition("/")
            payload = message.payload
            if isinstance(payload, bytes | bytearray) and payload:  # empty: a retained order was cleared
                self._take(devices[device_id], self._orders[Order(order)], bytes(payload))

    def _take(self, device: SimulatedDevice, taken_by: OnOrder, payload: bytes) -> None:
        try:
            taken_by(device, payload)
        except ValidationError:
            device.unreadable += 1

    async def live(self, device: SimulatedDevice, away: float) -> None:
        """Be away, come, and then send a status again and again."""
        await asyncio.sleep(away)
        # Only now: what is retained for it arrives when it comes, as with a real device.
        await self._client.subscribe([(self._topics.of(device.device_id, order), 1) for order in self._orders])
        device.online = True
        await asyncio.sleep(self.random.uniform(0, self.pace.status_every))
        while True:
            await self._status(device)
            if self.random.random() < self.pace.status_every / self.pace.telemetry_every:
                await self._telemetry(device)
            if device.behaviour is Behaviour.GARBAGE and self.random.random() < self.pace.garbage_share:
                await self._garbage(device)
            await asyncio.sleep(self.pace.status_every * self.random.uniform(2 / 3, 4 / 3))

    def end(self) -> None:
        for task in self._answering:
            task.cancel()

    def soon(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Work that ends with the line."""
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return task

    def delay(self, device: SimulatedDevice) -> float:
        """Seconds that this device takes for something small."""
        if device.behaviour is Behaviour.SLOW:
            return self.pace.slow_after
        return self.random.uniform(0, self.pace.prompt_within)

    # --- what a device says ---

    async def say(self, device: SimulatedDevice, kind: Kind, payload: bytes) -> None:
        await self._client.publish(self._topics.of(device.device_id, kind), payload, qos=1)

    async def _status(self, device: SimulatedDevice) -> None:
        status = Status(
            reported_config_version=device.reported_version,
            firmware_version=device.firmware,
            site=device.site,
            boot_id=device.boot_id,
            device_ts=datetime.now(UTC),
        )
        await self.say(device, Kind.STATUS, status.encode())
        device.statuses_sent += 1

    async def _telemetry(self, device: SimulatedDevice) -> None:
        values = {"temperature_c": round(self.random.gauss(21, 4), 1), "device_ts": datetime.now(UTC).isoformat()}
        await self.say(device, Kind.TELEMETRY, canonical(values).encode())
        device.telemetry_sent += 1

    async def _garbage(self, device: SimulatedDevice) -> None:
        other = {"reported_config_version": device.reported_version, "device_id": f"not-{device.device_id}"}
        payloads = (b"{ this is not JSON", b'{"reported_config_version":"\xff\xfe"}', canonical(other).encode())
        await self.say(device, Kind.STATUS, payloads[device.garbage_sent % len(payloads)])
        device.garbage_sent += 1

    async def answer(self, device: SimulatedDevice, kind: Kind, payload: Payload) -> None:
        """Says it, unless the broker is gone: then the order comes again with it."""
        with contextlib.suppress(aiomqtt.MqttError):
            await self.say(device, kind, payload.encode())


_PARTS: tuple[type[_Part], ...] = (Configurations,)
