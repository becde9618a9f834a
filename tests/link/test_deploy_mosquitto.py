"""The shipped mosquitto configuration: mosquitto takes it, and its ACLs keep each device to its own topics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from link.topics import Kind, Order, Topics
from tests.brokers import DEPLOY, DeployedMosquitto
from tests.installation import Installation

TOPICS = Topics()
CLAIM, ISSUED = Kind.PROVISIONING_CLAIM, Order.CERTIFICATE_ISSUED
OF_DEVICES = [kind for kind in Kind if kind is not CLAIM]

# paho leaves the socket of a failed handshake to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installation]:
    with Installation.running(tmp_path) as running:
        yield running


@pytest.fixture
def broker(installed: Installation) -> DeployedMosquitto:
    return installed.broker


@asynccontextmanager
async def muster(installed: Installation) -> AsyncIterator[aiomqtt.Client]:
    async with installed.connection("muster", installed.broker.muster_port, "muster-1") as client:
        yield client


async def _heard(client: aiomqtt.Client, count: int) -> set[str]:
    messages = aiter(client.messages)
    return {(await asyncio.wait_for(anext(messages), 10)).topic.value for _ in range(count)}


@pytest.mark.mosquitto
async def test_a_device_is_heard_on_its_own_topics_only(installed: Installation) -> None:
    async with muster(installed) as listening, installed.connection("dev-1") as device:
        await listening.subscribe([(topic, 1) for topic in TOPICS.subscriptions()])
        for kind in Kind:
            await device.publish(TOPICS.of("dev-2", kind), b"x", qos=1)
            await device.publish(TOPICS.of("dev-1", kind), b"x", qos=1)
        assert await _heard(listening, len(OF_DEVICES)) == {TOPICS.of("dev-1", kind) for kind in OF_DEVICES}


@pytest.mark.mosquitto
async def test_a_device_reads_its_own_orders_only_and_gives_none(installed: Installation) -> None:
    async with muster(installed) as giving, installed.connection("dev-1") as device:
        async with installed.connection("dev-2") as other:
            await device.subscribe("#", qos=1)
            for order in Order:
                await other.publish(TOPICS.of("dev-1", order), b"forged", qos=1)
                await giving.publish(TOPICS.of("dev-2", order), b"x", qos=1)
                await giving.publish(TOPICS.of("dev-1", order), b"x", qos=1)
            messages = aiter(device.messages)
            received = [await asyncio.wait_for(anext(messages), 10) for _ in Order]
    assert {message.topic.value for message in received} == {TOPICS.of("dev-1", order) for order in Order}
    assert {message.payload for message in received} == {b"x"}


@pytest.mark.mosquitto
async def test_no_device_takes_over_the_session_of_another_or_of_muster(installed: Installation) -> None:
    async with muster(installed) as listening, installed.connection("dev-1") as device:
        for stolen in ("dev-1", "muster-1"):
            async with installed.connection("dev-2", client_id=stolen) as thief:
                await thief.publish(TOPICS.of("dev-2", Kind.STATUS), b"x", qos=1)
        await listening.publish(TOPICS.of("dev-1", Order.RESTART), b"x", qos=1)
        await device.publish(TOPICS.of("dev-1", Kind.STATUS), b"x", qos=1)


@pytest.mark.mosquitto
async def test_muster_ends_the_session_of_a_device_by_its_client_id(installed: Installation) -> None:
    """The way that docs/certificates.md gives for a device that was revoked."""
    async with installed.connection("dev-1") as device:
        async with installed.connection("muster", installed.broker.muster_port, client_id="dev-1"):
            with pytest.raises(aiomqtt.MqttError):
                await asyncio.wait_for(anext(aiter(device.messages)), 10)


@pytest.mark.mosquitto
async def test_with_the_certificate_of_its_factory_a_device_may_only_claim(installed: Installation) -> None:
    new = installed.broker.new_port
    async with muster(installed) as listening, installed.connection("dev-3.factory", new) as device:
        await listening.subscribe([(topic, 1) for topic in TOPICS.subscriptions()])
        await device.subscribe("#", qos=1)
        for kind in Kind:
            await device.publish(TOPICS.of("dev-1", kind), b"x", qos=1)
            await device.publish(TOPICS.of("dev-3", kind), b"x", qos=1)
        assert await _heard(listening, 1) == {TOPICS.of("dev-3", CLAIM)}
        await listening.publish(TOPICS.of("dev-3", Order.CONFIG_DESIRED), b"x", qos=1)
        await listening.publish(TOPICS.of("dev-3", ISSUED), b"x", qos=1)
        assert await _heard(device, 1) == {TOPICS.of("dev-3", ISSUED)}
    assert installed.lets_in("dev-1")
    for port in (installed.broker.port, installed.broker.muster_port):
        assert not installed.lets_in("dev-3.factory", port)


def test_the_acls_name_every_topic_of_both_sides() -> None:
    rules = {file.name: set(file.read_text().splitlines()) for file in DEPLOY.glob("*.acl")}
    expected = {
        "muster.acl": {f"topic read +/{kind}" for kind in Kind} | {f"topic write +/{order}" for order in Order},
        "devices.acl": {f"pattern write %u/{kind}" for kind in OF_DEVICES}
        | {f"pattern read %u/{order}" for order in Order},
        "provisioning.acl": {f"pattern write %u/{CLAIM}", f"pattern read %u/{ISSUED}"},
    }
    assert {name: rules[name] & lines for name, lines in expected.items()} == expected
    patterns = {name: {line for line in lines if line.startswith("pattern")} for name, lines in rules.items()}
    assert patterns == {**expected, "muster.acl": set()}
