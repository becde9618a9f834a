"""The simulated fleet: each behaviour, seen from Muster's side."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator

import pytest

from link.topics import Order
from link.wire import AckStatus
from sandbox.broker import EmbeddedBroker
from sandbox.devices import REJECTION, Behaviour, SimulatedDevice, SimulatedFleet, mixed
from tests.sandbox.muster_side import a_fleet, until


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


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
        await ear.tell("dev-1", Order.CONFIG_DESIRED, json.dumps({"version": 1}).encode())
        await until(lambda: fleet.devices["dev-1"].unreadable == 1)
        await ear.push("dev-1")
        await until(lambda: ear.acks)


async def test_the_fleet_comes_back_after_the_broker_does() -> None:
    with EmbeddedBroker() as broker:
        fleet = SimulatedFleet(mixed(40), broker.host, broker.port, status_every=0.05, reconnect_after=0.02)
        running = asyncio.create_task(fleet.run())
        first = next(spec for spec in fleet.devices.values() if spec.behaviour is Behaviour.PROMPT)
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


def test_behaviours_come_by_share_and_a_whole_model_rejects() -> None:
    fleet = mixed(1000, shares={Behaviour.OFFLINE: 0.1, Behaviour.FAILS: 0.02}, rejecting_model="gw3")
    others = [spec for spec in fleet if spec.model != "gw3"]
    assert {spec.behaviour for spec in fleet if spec.model == "gw3"} == {Behaviour.REJECTS}
    counted = {each: sum(spec.behaviour is each for spec in others) for each in (Behaviour.OFFLINE, Behaviour.FAILS)}
    assert 60 <= counted[Behaviour.OFFLINE] <= 73
    assert 10 <= counted[Behaviour.FAILS] <= 17
