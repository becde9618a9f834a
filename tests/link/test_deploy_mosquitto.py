"""The shipped mosquitto configuration: mosquitto takes it, and its ACL keeps each device to its own topics."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from link.topics import Kind, Order, Topics
from tests.brokers import RunningBroker, mosquitto_broker, require_mosquitto

DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"
TOPICS = Topics()
# What this machine has no files for, and what `tests.brokers` sets itself.
ELSEWHERE = (
    *("listener", "cafile", "certfile", "keyfile", "require_certificate", "use_identity_as_username"),
    *("acl_file", "persistence_location", "log_dest"),
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    require_mosquitto()
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    for user in ("muster", "dev-1", "dev-2"):
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, "secret"], check=True, capture_output=True)
    lines = [line.split(maxsplit=1) for line in (DEPLOY / "mosquitto.conf").read_text().splitlines()]
    shipped = {words[0]: words[1] for words in lines if words and not words[0].startswith("#")}
    kept = {key: value for key, value in shipped.items() if key not in ELSEWHERE and key != "log_type"}
    files = {"password_file": passwords, "acl_file": DEPLOY / "muster.acl"}
    with mosquitto_broker(tmp_path, **(kept | files)) as running:
        yield running


@asynccontextmanager
async def user(broker: RunningBroker, name: str) -> AsyncIterator[aiomqtt.Client]:
    protocol = aiomqtt.ProtocolVersion.V5  # which says when something is refused
    async with aiomqtt.Client(
        broker.host, broker.port, username=name, password="secret", identifier=f"client-{name}", protocol=protocol
    ) as client:
        yield client


async def _heard(client: aiomqtt.Client, count: int) -> set[str]:
    messages = aiter(client.messages)
    return {(await asyncio.wait_for(anext(messages), 10)).topic.value for _ in range(count)}


@pytest.mark.mosquitto
async def test_a_device_is_heard_on_its_own_topics_only(broker: RunningBroker) -> None:
    async with user(broker, "muster") as muster, user(broker, "dev-1") as device:
        await muster.subscribe([(topic, 1) for topic in TOPICS.subscriptions()])
        for kind in Kind:
            await device.publish(TOPICS.of("dev-2", kind), b"x", qos=1)
            await device.publish(TOPICS.of("dev-1", kind), b"x", qos=1)
        assert await _heard(muster, len(Kind)) == {TOPICS.of("dev-1", kind) for kind in Kind}


@pytest.mark.mosquitto
async def test_a_device_reads_its_own_orders_only_and_gives_none(broker: RunningBroker) -> None:
    async with user(broker, "muster") as muster, user(broker, "dev-1") as device, user(broker, "dev-2") as other:
        await device.subscribe("#", qos=1)
        for order in Order:
            await other.publish(TOPICS.of("dev-1", order), b"forged", qos=1)
            await muster.publish(TOPICS.of("dev-2", order), b"x", qos=1)
            await muster.publish(TOPICS.of("dev-1", order), b"x", qos=1)
        messages = aiter(device.messages)
        received = [await asyncio.wait_for(anext(messages), 10) for _ in Order]
        assert {message.topic.value for message in received} == {TOPICS.of("dev-1", order) for order in Order}
        assert {message.payload for message in received} == {b"x"}


def test_the_acl_names_every_topic_of_both_sides() -> None:
    rules = set((DEPLOY / "muster.acl").read_text().splitlines())
    expected = {f"topic read +/{kind}" for kind in Kind} | {f"pattern write %u/{kind}" for kind in Kind}
    expected |= {f"topic write +/{order}" for order in Order} | {f"pattern read %u/{order}" for order in Order}
    assert expected <= rules
