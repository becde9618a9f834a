"""The connection against real brokers: what is acked and when, what comes again, and what a lost broker costs."""

from __future__ import annotations

import asyncio
import random
import socket
from datetime import timedelta

import pytest
from pydantic import SecretStr

from link import wire
from link.client import Backoff
from link.inbox import Inbox, Received
from link.stats import LinkStats
from link.topics import Kind
from sandbox.broker import free_port
from tests.brokers import RunningBroker, embedded_broker
from tests.link.conftest import SOON, Taker, a_device, connected, until

STATUS = "dev-1/status"


async def test_what_devices_say_arrives_in_order(broker: RunningBroker) -> None:
    taker = Taker()
    async with connected(broker.port, taker) as connection, a_device(broker.port) as device:
        await asyncio.gather(*(device.publish(STATUS, str(number), qos=1) for number in range(300)))
        await until(lambda: connection.stats.acked == 300)
    assert taker.payloads == [str(number) for number in range(300)]
    assert {received.topic for received in taker.taken} == {STATUS}
    assert connection.stats.received == 300


async def test_the_broker_hears_of_it_only_after_the_batch_is_taken(broker: RunningBroker) -> None:
    taker = Taker()
    taker.open.clear()
    async with connected(broker.port, taker) as connection, a_device(broker.port) as device:
        await device.publish(STATUS, "1", qos=1)
        await until(lambda: len(taker.batches) == 1)
        await device.publish(STATUS, "2", qos=1)
        await until(lambda: connection.queued == 1)
        assert connection.stats.acked == 0
        taker.open.set()
        await until(lambda: connection.stats.acked == 2)
    assert taker.payloads == ["1", "2"]


async def test_what_was_not_acked_comes_again_in_the_next_process(broker: RunningBroker) -> None:
    before, after = Taker(), Taker()
    before.open.clear()
    async with a_device(broker.port) as device:
        async with connected(broker.port, before):
            await device.publish(STATUS, "under way", qos=1)
            await until(lambda: len(before.batches) == 1)
        await device.publish(STATUS, "while away", qos=1)
        async with connected(broker.port, after) as connection:
            await until(lambda: connection.stats.acked == 2)
        assert after.payloads == ["under way", "while away"]
        # and what was acked does not come a third time
        async with connected(broker.port, last := Taker()) as connection:
            await device.publish(STATUS, "end", qos=1)
            await until(lambda: connection.stats.acked >= 1)
    assert last.payloads == ["end"]


async def test_a_window_full_of_redeliveries_does_not_block_the_connection(broker: RunningBroker) -> None:
    before, after = Taker(), Taker()
    before.open.clear()
    async with a_device(broker.port) as device:
        async with connected(broker.port, before):
            pass
        await asyncio.gather(*(device.publish(STATUS, str(number), qos=1) for number in range(3_000)))
        async with connected(broker.port, after):
            await until(lambda: len(after.taken) >= 3_000)
    assert after.payloads == [str(number) for number in range(3_000)]


def _hang_up(connection: object) -> None:
    """Cut the connection as a network would: no DISCONNECT."""
    session = connection._session  # type: ignore[attr-defined]
    session._paho.socket().shutdown(socket.SHUT_RDWR)


async def test_an_ack_of_a_lost_connection_is_dropped_and_the_message_comes_again(broker: RunningBroker) -> None:
    taker = Taker()
    taker.open.clear()
    async with connected(broker.port, taker) as connection, a_device(broker.port) as device:
        await device.publish(STATUS, "1", qos=1)
        await until(lambda: len(taker.batches) == 1)
        await device.publish(STATUS, "2", qos=1)
        await until(lambda: connection.queued == 1)
        _hang_up(connection)
        await until(lambda: connection.stats.reconnects == 1)  # it may be back before anybody can look
        await until(lambda: connection.stats.received == 4)  # both once more
        taker.open.set()
        await until(lambda: connection.stats.acked == 2)
    assert connection.stats.stale_acks == 1
    assert connection.stats.forgotten == 1  # "2" had not been handed over: its redelivery is enough
    assert connection.stats.reconnects == 1
    assert taker.payloads == ["1", "1", "2"]


async def test_a_batch_that_cannot_be_taken_is_kept_and_tried_again(broker: RunningBroker) -> None:
    taker = Taker()
    taker.refuse = 3
    async with connected(broker.port, taker) as connection, a_device(broker.port) as device:
        await asyncio.gather(*(device.publish(STATUS, str(number), qos=1) for number in range(20)))
        await until(lambda: connection.stats.acked == 20)
    assert connection.stats.batch_failures == 3
    assert taker.batches[0] == taker.batches[1] == taker.batches[2] == taker.batches[3]
    assert taker.payloads == [str(number) for number in range(20)]


async def test_a_batch_has_a_most(broker: RunningBroker) -> None:
    taker = Taker()
    taker.open.clear()
    async with connected(broker.port, taker, most_in_batch=10) as connection, a_device(broker.port) as device:
        await asyncio.gather(*(device.publish(STATUS, str(number), qos=1) for number in range(50)))
        await until(lambda: connection.stats.received == 50)
        taker.open.set()
        await until(lambda: connection.stats.acked == 50)
    assert max(len(batch) for batch in taker.batches) == 10


async def test_a_retained_status_is_marked(broker: RunningBroker) -> None:
    async with a_device(broker.port) as device:
        await device.publish(STATUS, "old", qos=1, retain=True)
        async with connected(broker.port, taker := Taker()):
            await until(lambda: len(taker.taken) == 1)
            await device.publish(STATUS, "new", qos=1)
            await until(lambda: len(taker.taken) == 2)
    assert [(received.payload, received.retain) for received in taker.taken] == [(b"old", True), (b"new", False)]


async def test_a_payload_of_a_mebibyte_arrives_and_is_too_large(broker: RunningBroker) -> None:
    async with connected(broker.port, taker := Taker()) as connection, a_device(broker.port) as device:
        await device.publish(STATUS, b"x" * 1024 * 1024, qos=1)
        await device.publish(STATUS, b'{"reported_config_version":"v"}', qos=1)
        await until(lambda: connection.stats.acked == 2)
    with pytest.raises(wire.Unreadable, match="too large"):
        wire.read("dev-1", Kind.STATUS, taker.taken[0].payload, connection.settings.max_payload_bytes)
    assert wire.read("dev-1", Kind.STATUS, taker.taken[1].payload)


async def test_only_our_prefix_is_heard(broker: RunningBroker) -> None:
    async with connected(broker.port, taker := Taker(), topic_prefix="ours/"), a_device(broker.port) as device:
        await device.publish("theirs/dev-1/status", "no", qos=1)
        await device.publish("ours/dev-1/config/desired", "no: our own side", qos=1)
        await device.publish("ours/dev-1/status", "yes", qos=1)
        await until(lambda: bool(taker.taken))
    assert taker.payloads == ["yes"]


async def test_a_broker_that_is_down_is_waited_for() -> None:
    with embedded_broker() as broker:
        broker.stop()
        async with connected(broker.port, taker := Taker(), wait=False) as connection:
            await until(lambda: connection.last_error != "")
            assert not connection.connected
            assert "refused" in connection.last_error
            broker.start()
            await asyncio.wait_for(connection.wait_connected(), SOON)
            assert connection.last_error == ""
            async with a_device(broker.port) as device:
                await device.publish(STATUS, "1", qos=1)
                await until(lambda: connection.stats.acked == 1)
    assert taker.payloads == ["1"]
    assert connection.stats.reconnects == 0


async def test_after_a_restart_of_the_broker_everything_is_subscribed_again(broker: RunningBroker) -> None:
    async with connected(broker.port, taker := Taker()) as connection:
        broker.stop()
        await until(lambda: not connection.connected)
        assert "lost" in connection.last_error or "refused" in connection.last_error
        broker.start()
        await asyncio.wait_for(connection.wait_connected(), SOON)
        async with a_device(broker.port) as device:
            await device.publish("dev-1/config/ack", "1", qos=1)
            await until(lambda: connection.stats.acked == 1)
    assert connection.stats.reconnects == 1
    assert taker.payloads == ["1"]


async def test_auto_finds_the_version_and_remembers_it() -> None:
    with embedded_broker() as broker:
        async with connected(broker.port, Taker()) as connection:
            assert connection.protocol == "3.1.1"
            attempts = connection._generation
            _hang_up(connection)
            await until(lambda: connection.stats.reconnects == 1)  # it may be back before anybody can look
            assert connection._generation == attempts + 1
        # Another client id: while a listener lets go of one, rumqttd 0.20 panics if the other listener takes it.
        async with connected(broker.port_v5, Taker(), client_id="muster-five") as connection:
            assert connection.protocol == "5"


async def test_a_broker_that_does_not_speak_the_chosen_version_is_named() -> None:
    with embedded_broker() as broker:
        async with connected(broker.port, Taker(), wait=False, protocol="5") as connection:
            await until(lambda: connection.last_error != "")
            assert connection.last_error == "No answer to MQTT 5: the broker hung up."


async def test_two_replicas_share_what_arrives() -> None:
    with embedded_broker() as broker:
        one, two = Taker(), Taker()
        async with (
            connected(broker.port_v5, one, client_id="muster-1", shared_group="muster") as first,
            connected(broker.port_v5, two, client_id="muster-2", shared_group="muster") as second,
            a_device(broker.port) as device,
        ):
            await asyncio.gather(*(device.publish(STATUS, str(number), qos=1) for number in range(100)))
            await until(lambda: first.stats.acked + second.stats.acked == 100)
    assert sorted(one.payloads + two.payloads, key=int) == [str(number) for number in range(100)]


@pytest.mark.mosquitto
async def test_a_wrong_password_is_said_and_tried_again(mosquitto: RunningBroker) -> None:
    mosquitto.stop()
    mosquitto._options["allow_anonymous"] = "false"  # type: ignore[attr-defined]
    mosquitto.start()
    words = {"username": "muster", "password": SecretStr("wrong")}
    async with connected(mosquitto.port, Taker(), wait=False, **words) as connection:
        await until(lambda: connection.last_error != "")
        assert "Not authorized" in connection.last_error
        assert not connection.connected


async def test_the_wait_between_attempts_is_jittered_doubles_and_has_an_end() -> None:
    backoff = Backoff(timedelta(seconds=1), timedelta(seconds=8), random.Random(3))
    waits = [backoff.next() for _ in range(200)]
    assert all(wait <= bound for wait, bound in zip(waits, [1, 2, 4, 8, *[8] * 196], strict=True))
    assert min(waits) < 0.5
    assert max(waits) > 7
    backoff.reset()
    assert backoff.next() <= 1


async def test_nobody_listening_is_one_clear_sentence() -> None:
    async with connected(free_port(), Taker(), wait=False) as connection:
        await until(lambda: connection.last_error != "")
    assert connection.last_error.startswith("No connection: ")
    assert connection.session is None


async def test_qos0_is_bounded_and_the_newest_are_dropped() -> None:
    stats = LinkStats()
    inbox = Inbox(stats, most_qos0=2)
    for number in range(4):
        inbox.put(Received(STATUS, str(number).encode(), False, 0, 0, 1))
    inbox.put(Received(STATUS, b"qos 1", False, 1, 1, 1))
    assert [received.payload for received in await inbox.take(10)] == [b"0", b"1", b"qos 1"]
    assert stats.dropped_qos0 == 2
