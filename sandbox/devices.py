"""A simulated fleet: hundreds of devices over a few connections, each behaving by name.

A device is a real citizen of the wire format (`link.wire`): it sends statuses and telemetry, takes retained
configurations, acknowledges, and dedupes by (operation, attempt). What a device does with an order is one entry in
`_Line._orders`, which is also what it subscribes to: diagnostics, restarts and firmware go there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random as random_module
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import aiomqtt
import structlog
from pydantic import ValidationError

from link.together import run_together
from link.topics import Kind, Order, Topics
from link.wire import AckStatus, ConfigAck, ConfigDesired, Status, canonical

log = structlog.get_logger(__name__)

REJECTION = "unsupported key: radio.band"


class Behaviour(StrEnum):
    PROMPT = "prompt"  # applies and acks within a second
    SLOW = "slow"  # applies and acks after `slow_after`
    OFFLINE = "offline"  # is never heard
    RETURNS = "returns"  # is away until `returns_after`, then prompt
    NEVER_ACKS = "never_acks"  # goes on sending statuses with its old version
    REJECTS = "rejects"  # acks each configuration with an error
    GARBAGE = "garbage"  # prompt, but now and then sends what cannot be read


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things happen, in seconds; the times between statuses are spread by a third."""

    status_every: float = 10.0
    telemetry_every: float = 30.0
    prompt_within: float = 1.0
    slow_after: float = 20.0
    returns_after: float = 45.0
    garbage_share: float = 0.2  # garbage messages for each status


@dataclass(slots=True)
class SimulatedDevice:
    """What it is to begin with, and where it has got to. Only the fleet changes it; tests read it."""

    device_id: str
    behaviour: Behaviour = Behaviour.PROMPT
    site: str = "oslo"
    model: str = "gw2"
    firmware: str = "1.4.0"
    reported_version: str = ""
    boot: int = 1
    online: bool = False
    pushes_seen: int = 0  # configurations delivered, duplicates too
    applied: list[str] = field(default_factory=list)  # versions, in order
    acks_sent: int = 0
    statuses_sent: int = 0
    telemetry_sent: int = 0
    garbage_sent: int = 0
    unreadable: int = 0  # orders that this device could not read
    answers: dict[tuple[str, int], ConfigAck] = field(default_factory=dict)  # by (operation, attempt)

    @property
    def boot_id(self) -> str:
        return f"{self.device_id}-boot-{self.boot}"


class SimulatedFleet:
    """Runs devices against a broker; a lost broker is waited for, and what is retained then comes again.

    `pace` are the fields of `Pace`: `SimulatedFleet(specs, host, port, status_every=2, slow_after=10)`.
    """

    def __init__(
        self,
        specs: Sequence[SimulatedDevice],
        host: str,
        port: int,
        *,
        prefix: str = "",
        connections: int = 4,
        reconnect_after: float = 1.0,
        seed: int = 1,
        **pace: float,
    ) -> None:
        self.devices = {spec.device_id: spec for spec in specs}
        self.pace = Pace(**pace)
        self._host, self._port = host, port
        self._topics = Topics(prefix)
        self._groups = [list(specs)[index::connections] for index in range(min(connections, len(specs)))]
        self._reconnect_after = reconnect_after
        self._random = random_module.Random(seed)
        self._began = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        self._began = asyncio.get_running_loop().time()
        await run_together(*(self._stay_connected(number, group) for number, group in enumerate(self._groups)))

    async def _stay_connected(self, number: int, group: Sequence[SimulatedDevice]) -> None:
        while True:
            try:
                await self._while_connected(f"sandbox-fleet-{number}", group)
            except aiomqtt.MqttError as lost:
                log.warning("simulated devices are without a broker", why=str(lost))
            for device in group:
                device.online = False
            await asyncio.sleep(self._reconnect_after)

    async def _while_connected(self, client_id: str, group: Sequence[SimulatedDevice]) -> None:
        async with aiomqtt.Client(self._host, self._port, identifier=client_id, clean_session=True) as client:
            client.pending_calls_threshold = 10 * len(group) + 100  # each device may wait for one of its own
            line = _Line(self.pace, self._topics, self._random, client)
            here = [device for device in group if device.behaviour is not Behaviour.OFFLINE]
            try:
                await run_together(
                    line.listen(self.devices), *(line.live(device, self._away(device)) for device in here)
                )
            finally:
                line.end()

    def _away(self, device: SimulatedDevice) -> float:
        if device.behaviour is not Behaviour.RETURNS:
            return 0.0
        return max(0.0, self._began + self.pace.returns_after - asyncio.get_running_loop().time())


OnOrder = Callable[[SimulatedDevice, bytes], None]


class _Line:
    """One connection, while it lasts, and what the devices behind it do."""

    def __init__(
        self,
        pace: Pace,
        topics: Topics,
        random: random_module.Random,
        client: aiomqtt.Client,
    ) -> None:
        self._pace, self._topics, self._random, self._client = pace, topics, random, client
        self._answering: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, ConfigDesired] = {}  # by device: being applied, the newest order for that version
        self._applying: dict[str, asyncio.Task[None]] = {}
        self._orders: dict[Order, OnOrder] = {Order.CONFIG_DESIRED: self._configure}

    async def listen(self, devices: Mapping[str, SimulatedDevice]) -> None:
        prefix = len(self._topics.prefix)
        async for message in self._client.messages:
            device_id, _, order = message.topic.value[prefix:].partition("/")
            payload = message.payload
            if isinstance(payload, bytes | bytearray) and payload:  # empty: a retained order was cleared
                self._orders[Order(order)](devices[device_id], bytes(payload))

    async def live(self, device: SimulatedDevice, away: float) -> None:
        """Be away, come, and then send a status again and again."""
        await asyncio.sleep(away)
        # Only now: what is retained for it arrives when it comes, as with a real device.
        await self._client.subscribe([(self._topics.of(device.device_id, order), 1) for order in self._orders])
        device.online = True
        await asyncio.sleep(self._random.uniform(0, self._pace.status_every))
        while True:
            await self._status(device)
            if self._random.random() < self._pace.status_every / self._pace.telemetry_every:
                await self._telemetry(device)
            if device.behaviour is Behaviour.GARBAGE and self._random.random() < self._pace.garbage_share:
                await self._garbage(device)
            await asyncio.sleep(self._pace.status_every * self._random.uniform(2 / 3, 4 / 3))

    def end(self) -> None:
        for task in self._answering:
            task.cancel()

    # --- what a device says ---

    async def _say(self, device: SimulatedDevice, kind: Kind, payload: bytes) -> None:
        await self._client.publish(self._topics.of(device.device_id, kind), payload, qos=1)

    async def _status(self, device: SimulatedDevice) -> None:
        status = Status(
            reported_config_version=device.reported_version,
            firmware_version=device.firmware,
            site=device.site,
            boot_id=device.boot_id,
            device_ts=datetime.now(UTC),
        )
        await self._say(device, Kind.STATUS, status.encode())
        device.statuses_sent += 1

    async def _telemetry(self, device: SimulatedDevice) -> None:
        values = {"temperature_c": round(self._random.gauss(21, 4), 1), "device_ts": datetime.now(UTC).isoformat()}
        await self._say(device, Kind.TELEMETRY, canonical(values).encode())
        device.telemetry_sent += 1

    async def _garbage(self, device: SimulatedDevice) -> None:
        other = {"reported_config_version": device.reported_version, "device_id": f"not-{device.device_id}"}
        payloads = (b"{ this is not JSON", b'{"reported_config_version":"\xff\xfe"}', canonical(other).encode())
        await self._say(device, Kind.STATUS, payloads[device.garbage_sent % len(payloads)])
        device.garbage_sent += 1

    # --- what a device is told ---

    def _configure(self, device: SimulatedDevice, payload: bytes) -> None:
        try:
            desired = ConfigDesired.decode(payload)
        except ValidationError:
            device.unreadable += 1
            return
        device.pushes_seen += 1
        if device.behaviour is Behaviour.NEVER_ACKS:
            return
        if (answer := device.answers.get((desired.operation_id, desired.attempt))) is not None:
            self._soon(self._answer(device, answer))
            return
        under_way = self._waiting.get(device.device_id)
        self._waiting[device.device_id] = desired
        if under_way is not None and under_way.version == desired.version:
            return  # a retry does not make it slower; the answer will be to the newest attempt
        if under_way is not None:
            self._applying[device.device_id].cancel()
        self._applying[device.device_id] = self._soon(self._apply(device))

    async def _apply(self, device: SimulatedDevice) -> None:
        slow = device.behaviour is Behaviour.SLOW
        await asyncio.sleep(self._pace.slow_after if slow else self._random.uniform(0, self._pace.prompt_within))
        desired = self._waiting.pop(device.device_id)
        rejects = device.behaviour is Behaviour.REJECTS
        answer = ConfigAck(
            version=desired.version,
            status=AckStatus.REJECTED if rejects else AckStatus.APPLIED,
            error=REJECTION if rejects else None,
            operation_id=desired.operation_id,
            device_ts=datetime.now(UTC),
        )
        if not rejects and desired.version != device.reported_version:
            device.reported_version = desired.version
            device.applied.append(desired.version)
        device.answers[desired.operation_id, desired.attempt] = answer
        await self._answer(device, answer)

    def _soon(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return task

    async def _answer(self, device: SimulatedDevice, answer: ConfigAck) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # the broker is gone: the order comes again with it
            await self._say(device, Kind.CONFIG_ACK, answer.encode())
            device.acks_sent += 1


def mixed(count: int, version: str = "", sites: Sequence[str] = ("oslo", "bergen", "tromso")) -> list[SimulatedDevice]:
    """`dev-1` to `dev-<count>`, most of them prompt, every behaviour among each twenty."""
    few = [behaviour for behaviour in Behaviour if behaviour is not Behaviour.PROMPT]
    return [
        SimulatedDevice(
            device_id=f"dev-{number}",
            behaviour=few[number % 20] if number % 20 < len(few) else Behaviour.PROMPT,
            site=sites[number % len(sites)],
            reported_version=version,
        )
        for number in range(1, count + 1)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.devices", description="Run a simulated fleet.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="", help="mqtt.topic_prefix of Muster")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--version", default="", help="the configuration that all of them report first")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    fleet = SimulatedFleet(
        mixed(words.count, words.version), words.host, words.port, prefix=words.prefix, seed=words.seed
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(fleet.run())


if __name__ == "__main__":
    main()
