"""What the embedded broker can be relied on for: the same as mosquitto, as far as Muster needs it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import aiomqtt
import pytest
from aiomqtt import ProtocolVersion

from sandbox.broker import EmbeddedBroker, free_port

SOON = 10.0


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@asynccontextmanager
async def client(port: int, name: str, *, clean: bool = True) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", port, identifier=name, clean_session=clean) as connected:
        yield connected


async def _next(connected: aiomqtt.Client) -> aiomqtt.Message:
    return await asyncio.wait_for(anext(aiter(connected.messages)), SOON)


async def test_it_retains_and_matches_wildcards(broker: EmbeddedBroker) -> None:
    async with client(broker.port, "a") as one, client(broker.port, "b") as two:
        await one.publish("dev-1/config/desired", b"kept", qos=1, retain=True)
        await two.subscribe("+/config/desired", qos=1)
        message = await _next(two)
        assert (message.topic.value, message.payload, message.retain) == ("dev-1/config/desired", b"kept", True)


async def test_it_keeps_messages_for_a_session_that_is_away(broker: EmbeddedBroker) -> None:
    async with client(broker.port, "away", clean=False) as one:
        await one.subscribe("+/status", qos=1)
    async with client(broker.port, "device") as device:
        await device.publish("dev-1/status", b"missed", qos=1)
    async with client(broker.port, "away", clean=False) as one:
        assert (await _next(one)).payload == b"missed"


async def test_one_port_for_each_protocol_and_one_house_behind_them(broker: EmbeddedBroker) -> None:
    async with (
        aiomqtt.Client("127.0.0.1", broker.port_v5, identifier="five", protocol=ProtocolVersion.V5) as five,
        client(broker.port, "three") as three,
    ):
        await five.subscribe("x/telemetry", qos=1)
        await three.publish("x/telemetry", b"across", qos=1)
        assert (await _next(five)).payload == b"across"


async def test_it_takes_more_than_a_mebibyte(broker: EmbeddedBroker) -> None:
    async with client(broker.port, "large") as one:
        await one.subscribe("y/telemetry", qos=1)
        await one.publish("y/telemetry", b"x" * 1_500_000, qos=1)
        assert len(bytes((await _next(one)).payload)) == 1_500_000  # type: ignore[arg-type]


def test_it_listens_on_loopback_only_and_ends_when_told() -> None:
    with EmbeddedBroker() as broker:
        assert broker.is_running
        with socket.create_connection((broker.host, broker.port)):
            pass
    assert broker.host == "127.0.0.1"
    assert not broker.is_running
    with pytest.raises(OSError, match="refused"), socket.create_connection((broker.host, broker.port)):
        pass


def test_a_port_that_is_taken_is_an_error() -> None:
    with EmbeddedBroker() as first, pytest.raises(OSError, match=str(first.port)):
        EmbeddedBroker(first.port).start()


async def test_it_runs_by_itself() -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.broker", "--port", str(port), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), SOON)
        assert f"127.0.0.1:{port}".encode() in line
        async with asyncio.timeout(SOON):
            while True:
                with suppress(aiomqtt.MqttError):
                    async with client(port, "a") as one:
                        await one.publish("dev-1/status", b"1", qos=1)
                        break
                await asyncio.sleep(0.02)
    finally:
        process.terminate()
        await process.wait()
