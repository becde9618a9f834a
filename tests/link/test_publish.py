"""Publishing many: each message has its own answer, and nothing waits in secret."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta

import pytest

from link.publish import Outgoing, Publisher
from tests.brokers import Mosquitto, RunningBroker, embedded_broker
from tests.link.conftest import Taker, a_device, connected, until


async def test_many_messages_are_confirmed_and_retained(broker: RunningBroker) -> None:
    messages = [Outgoing(f"dev-{number}/config/desired", str(number).encode(), retain=True) for number in range(500)]
    async with connected(broker.port, Taker(), publish_concurrency=20) as connection:
        outcomes = await Publisher(connection).publish_many(messages)
        assert all(outcome.sent for outcome in outcomes)
        assert connection.stats.published == 500
        async with a_device(broker.port) as device:
            await device.subscribe("dev-7/config/desired", qos=1)
            message = await anext(aiter(device.messages))
    assert (message.payload, message.retain) == (b"7", True)


async def test_an_empty_retained_payload_clears_the_topic(broker: RunningBroker) -> None:
    topic = "dev-1/config/desired"
    async with connected(broker.port, Taker()) as connection, a_device(broker.port) as device:
        publisher = Publisher(connection)
        assert (await publisher.publish_many([Outgoing(topic, b"1", True), Outgoing(topic, b"", True)]))[1].sent
        await device.subscribe("dev-1/config/desired", qos=1)
        await publisher.publish_many([Outgoing(topic, b"live")])
        message = await anext(aiter(device.messages))
    assert (message.payload, message.retain) == (b"live", False)


async def test_without_a_connection_nothing_is_sent_now_or_later() -> None:
    with embedded_broker() as broker:
        broker.stop()
        async with connected(broker.port, Taker(), wait=False) as connection:
            await until(lambda: connection.last_error != "")
            outcomes = await Publisher(connection).publish_many([Outgoing("dev-1/config/desired", b"x", True)] * 3)
            assert [outcome.sent for outcome in outcomes] == [False] * 3
            assert outcomes[0].reason.startswith("not connected: No connection: ")
            assert connection.stats.publish_failures == 3
            broker.start()
            await connection.wait_connected()
            async with a_device(broker.port) as device:
                await device.subscribe("dev-1/config/desired", qos=1)
                await Publisher(connection).publish_many([Outgoing("dev-1/config/desired", b"later")])
                message = await anext(aiter(device.messages))
            assert message.payload == b"later"


async def test_when_the_broker_dies_midway_what_is_unconfirmed_is_reported(broker: RunningBroker) -> None:
    async with connected(broker.port, Taker(), publish_concurrency=10) as connection:
        publisher = Publisher(connection)
        messages = [Outgoing(f"dev-{number}/config/desired", b"x" * 200, True) for number in range(20_000)]
        sending = asyncio.create_task(publisher.publish_many(messages))
        await until(lambda: bool(connection.session and connection.session._confirmations))
        await asyncio.to_thread(broker.stop)
        outcomes = await asyncio.wait_for(sending, 10)
        assert len(outcomes) == 20_000
        assert any(not outcome.sent for outcome in outcomes)
        assert connection.stats.published == sum(outcome.sent for outcome in outcomes)
        await asyncio.to_thread(broker.start)
        await connection.wait_connected()
        assert all(outcome.sent for outcome in await publisher.publish_many(messages[:100]))


@pytest.mark.mosquitto
async def test_a_broker_that_says_nothing_is_given_up_after_the_timeout(mosquitto: Mosquitto) -> None:
    changes = {"publish_timeout": timedelta(milliseconds=200), "publish_concurrency": 5}
    async with connected(mosquitto.port, Taker(), **changes) as connection:
        publisher = Publisher(connection)
        os.kill(mosquitto.pid, signal.SIGSTOP)
        try:
            outcomes = await publisher.publish_many([Outgoing("dev-1/config/desired", b"x")] * 20)
        finally:
            os.kill(mosquitto.pid, signal.SIGCONT)
        assert not any(outcome.sent for outcome in outcomes)
        assert (await publisher.publish_many([Outgoing("dev-1/config/desired", b"x")]))[0].sent


async def test_a_message_that_cannot_be_sent_does_not_stop_the_others(broker: RunningBroker) -> None:
    async with connected(broker.port, Taker()) as connection:
        outcomes = await Publisher(connection).publish_many([Outgoing("a/+/b", b"x"), Outgoing("dev-1/x", b"y")])
    assert [outcome.sent for outcome in outcomes] == [False, True]
    assert "cannot be sent" in outcomes[0].reason
    assert await Publisher(connection).publish_many([]) == []


async def test_once_it_may_not_no_further_message_leaves(broker: RunningBroker) -> None:
    """Asked before the first one, and again and again while they leave."""
    asked = []

    async def may() -> bool:
        asked.append(True)
        return len(asked) < 3

    async with connected(broker.port, Taker(), publish_concurrency=10) as connection:
        messages = [Outgoing(f"dev-{number}/config/desired", b"x") for number in range(200_000)]
        outcomes = await Publisher(connection).publish_many(messages, may)
        sent = [outcome.sent for outcome in outcomes]
        assert 0 < sum(sent) < len(sent)
        assert sent == sorted(sent, reverse=True)
        assert "everything is stopped" in outcomes[-1].reason
        assert not any(one.sent for one in await Publisher(connection).publish_many(messages[:3], may))


@pytest.mark.mosquitto
async def test_what_a_stuck_broker_did_not_take_before_the_stop_never_leaves(mosquitto: Mosquitto) -> None:
    """More than the system takes for a broker that does not read."""
    messages = [Outgoing(f"dev-{number}/config/desired", b"x" * 120_000) for number in range(200)]
    asked, arrived = [], 0

    async def may() -> bool:
        asked.append(True)
        return len(asked) < 3

    async with (
        connected(mosquitto.port, Taker(), publish_concurrency=len(messages)) as connection,
        a_device(mosquitto.port) as device,
    ):
        await device.subscribe("+/config/desired")
        os.kill(mosquitto.pid, signal.SIGSTOP)
        try:
            outcomes = await Publisher(connection).publish_many(messages, may)
        finally:
            os.kill(mosquitto.pid, signal.SIGCONT)
        assert not any(outcome.sent for outcome in outcomes)
        await until(lambda: connection.stats.reconnects == 1)
        assert (await Publisher(connection).publish_many([Outgoing("last/config/desired", b"x")]))[0].sent
        async for message in device.messages:
            if str(message.topic).startswith("last"):
                break
            arrived += 1
    assert arrived < len(messages) / 2
