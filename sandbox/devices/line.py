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
from sandbox.devices.certificates import Certificates, claim
from sandbox.devices.configuration import Configurations
from sandbox.devices.device import Behaviour, Pace, SimulatedDevice
from sandbox.devices.diagnostics import Diagnostics
from sandbox.devices.restarts import Restarts
from sandbox.devices.updates import Updates

OnOrder = Callable[[SimulatedDevice, bytes], None]


class _Part(Protocol):
    """Takes orders; it raises pydantic's ValidationError for what its device cannot read."""

    def __init__(self, line: Line) -> None: ...

    @property
    def orders(self) -> Mapping[Order, OnOrder]: ...


class Line:
    """`pace` is for the parts, as are `say`, `answer`, `soon`, `delay` and `reboot`."""

    def __init__(
        self,
        pace: Pace,
        topics: Topics,
        random: random_module.Random,
        client: aiomqtt.Client,
    ) -> None:
        self.pace, self._random = pace, random
        self._topics, self._client = topics, client
        self._answering: set[asyncio.Task[None]] = set()
        self._retained: dict[str, dict[Order, bytes]] = {}
        self._orders: dict[Order, OnOrder] = {}
        for part in _PARTS:
            self._orders |= part(self).orders

    async def listen(self, devices: Mapping[str, SimulatedDevice]) -> None:
        prefix = len(self._topics.prefix)
        orders = {order.value: order for order in self._orders}
        async for message in self._client.messages:
            device_id, _, name = message.topic.value[prefix:].partition("/")
            if (order := orders.get(name)) is None:
                continue
            payload = bytes(message.payload) if isinstance(message.payload, bytes | bytearray) else b""
            if order.retained:
                self._retained.setdefault(device_id, {})[order] = payload
            self._take(devices[device_id], order, payload)

    def _take(self, device: SimulatedDevice, order: Order, payload: bytes) -> None:
        if not payload or not device.online:
            return  # a retained order was cleared; or the device is not there, and gets what is retained later
        try:
            self._orders[order](device, payload)
        except ValidationError:
            device.unreadable += 1

    async def live(self, device: SimulatedDevice, away: float) -> None:
        """Be away, come, and then send a status again and again, but for the time of a reboot."""
        await asyncio.sleep(away)
        await self._arrive(device)
        await claim(self, device)
        await asyncio.sleep(self._random.uniform(0, self.pace.status_every))
        while True:
            if device.online:
                await self._speak(device)
            await asyncio.sleep(self.pace.status_every * self._random.uniform(2 / 3, 4 / 3))

    async def _arrive(self, device: SimulatedDevice) -> None:
        """Only now: what is retained for it arrives when it comes, as with a real device."""
        # All orders are two levels below the device; what it says there itself comes back, and is few. A filter for
        # each order instead would be 40,000 for 5,000 devices, which the embedded broker is slow to match.
        await self._client.subscribe(f"{self._topics.prefix}{device.device_id}/+/+", 1)
        self._up(device)

    def _up(self, device: SimulatedDevice) -> None:
        """Online, and given what was retained for it."""
        device.online = True
        for order, payload in self._retained.get(device.device_id, {}).items():
            self._take(device, order, payload)

    async def _speak(self, device: SimulatedDevice) -> None:
        await self._status(device)
        if self._random.random() < self.pace.status_every / self.pace.telemetry_every:
            await self._telemetry(device)
        if device.behaviour is Behaviour.GARBAGE and self._random.random() < self.pace.garbage_share:
            await self._garbage(device)

    async def reboot(self, device: SimulatedDevice) -> None:
        """Gone, and back with a new boot id and a status that tells it.

        A real device connects anew, and the broker sends again what is retained; here the connection is shared, and
        the line does that.
        """
        device.online = False
        await asyncio.sleep(self.delay(device, self.pace.reboot_within))
        device.boot += 1
        self._up(device)
        with contextlib.suppress(aiomqtt.MqttError):
            await self._status(device)

    def end(self) -> None:
        for task in self._answering:
            task.cancel()

    def soon(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Work that ends with the line."""
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return task

    def delay(self, device: SimulatedDevice, within: float) -> float:
        """Seconds that this device takes for what others do within so many."""
        return self.pace.slow_after if device.behaviour is Behaviour.SLOW else self._random.uniform(0, within)

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
        values = {"temperature_c": round(self._random.gauss(21, 4), 1), "device_ts": datetime.now(UTC).isoformat()}
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


_PARTS: tuple[type[_Part], ...] = (Configurations, Restarts, Updates, Certificates, Diagnostics)
