"""The simulated fleet: each behaviour, seen from Muster's side."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiomqtt
import pytest

from link.topics import Kind, Topics, Unreadable
from link.wire import AckStatus, ConfigAck, ConfigDesired, Status, read
from sandbox.broker import EmbeddedBroker
from sandbox.devices import REJECTION, Behaviour, SimulatedDevice, SimulatedFleet, mixed

SOON = 10.0
TOPICS = Topics()


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


class Ear:
    """Muster's side: what was heard, and a voice."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.statuses: list[tuple[str, Status]] = []
        self.acks: list[tuple[str, ConfigAck]] = []
        self.telemetry: list[str] = []
        self.reasons: list[str] = []

    async def listen(self) -> None:
        async for message in self._client.messages:
            device_id, kind = TOPICS.read(message.topic.value)
            try:
                said = read(device_id, kind, bytes(message.payload))  # type: ignore[arg-type]
            except Unreadable as error:
                self.reasons.append(error.reason)
                continue
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
        await self._client.publish(TOPICS.config_desired(device_id), desired.encode(), qos=1, retain=True)

    async def clear(self, device_id: str) -> None:
        await self._client.publish(TOPICS.config_desired(device_id), b"", qos=1, retain=True)


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


def device(behaviour: Behaviour) -> SimulatedDevice:
    return SimulatedDevice("dev-1", behaviour, reported_version="v1")


async def test_a_prompt_device_applies_and_acks_what_it_gets(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.PROMPT)) as (fleet, ear):
        await until(lambda: ear.statuses and ear.telemetry)
        status = ear.statuses[0][1]
        assert (status.reported_config_version, status.site, status.firmware_version) == ("v1", "oslo", "1.4.0")
        assert status.boot_id
        assert status.device_ts
        await ear.push("dev-1")
        await until(lambda: ear.acks and ear.statuses[-1][1].reported_config_version == "v2")
        ack = ear.acks[0][1]
        assert (ack.version, ack.status, ack.operation_id) == ("v2", AckStatus.APPLIED, "op-1")
        assert fleet.devices["dev-1"].reported_version == "v2"


async def test_the_same_attempt_twice_is_acked_twice_and_applied_once(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.PROMPT)) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.push("dev-1")
        await until(lambda: len(ear.acks) == 1)
        await ear.push("dev-1")
        await until(lambda: len(ear.acks) == 2)
        assert ear.acks[0] == ear.acks[1]
        assert fleet.devices["dev-1"].applied == ["v2"]
        assert fleet.devices["dev-1"].pushes_seen == 2


async def test_a_slow_device_answers_the_newest_attempt(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.SLOW)) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.push("dev-1", attempt=1)
        await until(lambda: fleet.devices["dev-1"].pushes_seen == 1)
        await ear.push("dev-1", operation_id="op-2", attempt=2)
        await until(lambda: ear.acks)
        assert ear.acks[0][1].operation_id == "op-2"
        assert fleet.devices["dev-1"].applied == ["v2"]


async def test_a_newer_version_overtakes_one_that_is_still_being_applied(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.SLOW)) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.push("dev-1", "v2")
        await until(lambda: fleet.devices["dev-1"].pushes_seen == 1)
        await ear.push("dev-1", "v3", "op-2")
        await until(lambda: ear.acks)
        assert fleet.devices["dev-1"].applied == ["v3"]


async def test_a_returning_device_finds_what_was_retained_for_it(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.RETURNS), pushed_before=True) as (fleet, ear):
        assert not fleet.devices["dev-1"].online
        assert ear.statuses == []
        await until(lambda: ear.acks)
        assert fleet.devices["dev-1"].reported_version == "v2"


async def test_an_offline_device_is_never_heard(broker: EmbeddedBroker) -> None:
    talker = SimulatedDevice("dev-2")
    async with a_fleet(broker, device(Behaviour.OFFLINE), talker, pushed_before=True) as (fleet, ear):
        await until(lambda: len(ear.statuses) > 5)
        assert {name for name, _ in ear.statuses} == {"dev-2"}
        assert fleet.devices["dev-1"].pushes_seen == 0


async def test_a_device_that_never_acks_goes_on_with_its_old_version(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.NEVER_ACKS)) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.push("dev-1")
        await until(lambda: fleet.devices["dev-1"].pushes_seen == 1)
        seen = len(ear.statuses)
        await until(lambda: len(ear.statuses) > seen + 3)
        assert ear.acks == []
        assert ear.statuses[-1][1].reported_config_version == "v1"


async def test_a_rejecting_device_says_why(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.REJECTS)) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.push("dev-1")
        await until(lambda: ear.acks)
        assert (ear.acks[0][1].status, ear.acks[0][1].error) == (AckStatus.REJECTED, REJECTION)
        assert fleet.devices["dev-1"].reported_version == "v1"


async def test_garbage_comes_in_three_kinds_between_good_statuses(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.GARBAGE), garbage_share=1.0) as (_fleet, ear):
        await until(lambda: len(ear.reasons) >= 3)
        assert ear.reasons[:3] == ["not json", "not utf-8", "names another device"]
        await ear.push("dev-1")
        await until(lambda: ear.acks)
        assert ear.statuses


async def test_what_a_device_cannot_read_does_not_stop_it(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.PROMPT)) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear._client.publish(TOPICS.config_desired("dev-1"), json.dumps({"version": 1}), qos=1)
        await until(lambda: fleet.devices["dev-1"].unreadable == 1)
        await ear.push("dev-1")
        await until(lambda: ear.acks)


async def test_the_fleet_comes_back_after_the_broker_does() -> None:
    with EmbeddedBroker() as broker:
        fleet = SimulatedFleet(mixed(40), broker.host, broker.port, status_every=0.05, reconnect_after=0.02)
        running = asyncio.create_task(fleet.run())
        first = fleet.devices["dev-20"]
        await until(lambda: first.statuses_sent > 1)
        await asyncio.to_thread(broker.stop)
        await until(lambda: not first.online)
        await asyncio.to_thread(broker.start)
        seen = first.statuses_sent
        await until(lambda: first.statuses_sent > seen + 1)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def test_a_mixed_fleet_has_every_behaviour_and_mostly_prompt_ones() -> None:
    fleet = mixed(200)
    assert {spec.behaviour for spec in fleet} == set(Behaviour)
    assert sum(spec.behaviour is Behaviour.PROMPT for spec in fleet) > 100
    assert len({spec.device_id for spec in fleet}) == 200
