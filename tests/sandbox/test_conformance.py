"""The contract of docs/device-protocol.md, kept by a simulated device and by the reference device alike."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from link.topics import Kind, Order, Topics
from link.wire import (
    AckStatus,
    CommandAck,
    CommandStatus,
    ConfigAck,
    ConfigDesired,
    DiagnosticsRequest,
    LogResponse,
    MetricsResponse,
    PingResponse,
    Restart,
    Said,
    Status,
    read,
)
from sandbox.broker import EmbeddedBroker
from sandbox.devices import SimulatedDevice, SimulatedFleet

SOON = 15.0
REFERENCE = Path(__file__).parent.parent.parent / "docs" / "examples" / "device.py"
TOPICS = Topics()


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@asynccontextmanager
async def simulated(broker: EmbeddedBroker, device_id: str) -> AsyncIterator[None]:
    fleet = SimulatedFleet([SimulatedDevice(device_id)], broker.host, broker.port, status_every=0.2, reboot_within=0.1)
    running = asyncio.create_task(fleet.run())
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def reference(broker: EmbeddedBroker, device_id: str) -> AsyncIterator[None]:
    words = [str(REFERENCE), device_id, "--host", broker.host, "--port", str(broker.port), "--status-every", "0.2"]
    process = await asyncio.create_subprocess_exec(sys.executable, *words)
    yield
    assert process.returncode is None, "the reference device has ended"
    process.terminate()
    await process.wait()


class Muster:
    """Our side of the wire: what the device said, strictly read, and a voice."""

    def __init__(self, client: aiomqtt.Client, device_id: str) -> None:
        self.client, self.device_id = client, device_id
        self.heard: list[tuple[Kind, Said]] = []
        self._more = asyncio.Event()

    async def listen(self) -> None:
        async for message in self.client.messages:
            device_id, kind = TOPICS.read(message.topic.value)
            assert not message.retain, "devices retain nothing"
            self.heard.append((kind, read(device_id, kind, bytes(message.payload))))  # type: ignore[arg-type]
            self._more.set()

    async def orders(self, order: Order, payload: bytes) -> None:
        await self.client.publish(TOPICS.of(self.device_id, order), payload, qos=1, retain=order.retained)

    async def asks(self, order: Order, params: dict[str, Any], request_id: str, expires_in: float = 60) -> None:
        request = DiagnosticsRequest(
            request_id=request_id,
            operation=order.value.rpartition("/")[2],
            params=params,
            requested_by="U0ANN",
            expires_at=datetime.now(UTC) + timedelta(seconds=expires_in),
        )
        await self.orders(order, request.encode())

    def all(self, kind: Kind) -> list[Any]:
        return [said for each, said in self.heard if each is kind]

    async def hears(self, kind: Kind, fits: Callable[[Any], bool] = lambda _said: True, count: int = 1) -> list[Any]:
        """The messages of a kind that fit, once there are so many."""
        async with asyncio.timeout(SOON):
            while len(found := [each for each in self.all(kind) if fits(each)]) < count:
                self._more.clear()
                await self._more.wait()
        return found


@pytest.fixture(params=[simulated, reference], ids=["simulated", "reference"])
async def muster(request: pytest.FixtureRequest, broker: EmbeddedBroker) -> AsyncIterator[Muster]:
    device_id = f"{request.param.__name__}-{request.node.originalname[-60:]}"
    async with aiomqtt.Client(broker.host, broker.port) as client:
        ear = Muster(client, device_id)
        await client.subscribe([(f"{device_id}/{kind}", 1) for kind in Kind])
        listening = asyncio.create_task(ear.listen())
        async with request.param(broker, device_id):
            await ear.hears(Kind.STATUS)
            yield ear
        with contextlib.suppress(asyncio.CancelledError):
            listening.cancel()
            await listening


async def test_it_says_how_it_is_and_takes_each_configuration_once(muster: Muster) -> None:
    status: Status = muster.all(Kind.STATUS)[0]
    assert (status.reported_config_version, bool(status.boot_id), status.device_ts is not None) == ("", True, True)
    sha256 = hashlib.sha256(b'{"a":1}').hexdigest()
    given: dict[str, Any] = {"version": "v2", "sha256": sha256, "config": '{"a":1}', "operation_id": "op-1"}
    desired = ConfigDesired(**given, attempt=1, issued_at=datetime.now(UTC)).encode()
    await muster.orders(Order.CONFIG_DESIRED, b"")  # nothing is wanted: nothing happens
    await muster.orders(Order.CONFIG_DESIRED, b"{ this is not JSON")
    await muster.orders(Order.CONFIG_DESIRED, desired)
    [ack] = await muster.hears(Kind.CONFIG_ACK)
    assert isinstance(ack, ConfigAck)
    assert (ack.version, ack.status, ack.operation_id) == ("v2", AckStatus.APPLIED, "op-1")
    await muster.orders(Order.CONFIG_DESIRED, desired)
    again = await muster.hears(Kind.CONFIG_ACK, count=2)
    assert [each.status for each in again] == [AckStatus.APPLIED] * 2
    await muster.hears(Kind.STATUS, lambda said: said.reported_config_version == "v2")


async def test_it_echoes_a_ping_and_measures_itself(muster: Muster) -> None:
    sent_at = "2026-03-19T14:30:00.123456+00:00"
    await muster.asks(Order.PING_REQUEST, {"sent_at": sent_at}, "diag-1")
    [pong] = await muster.hears(Kind.PING_RESPONSE)
    assert isinstance(pong, PingResponse)
    assert (pong.request_id, pong.chunk, pong.total_chunks, pong.payload.sent_at) == ("diag-1", 1, 1, sent_at)
    assert pong.device_ts is not None
    await muster.asks(Order.METRICS_REQUEST, {}, "diag-2")
    [metrics] = await muster.hears(Kind.METRICS_RESPONSE)
    assert isinstance(metrics, MetricsResponse)
    assert [name for name, value in metrics.payload.model_dump().items() if value is None] == []


async def test_it_sends_its_log_in_chunks_and_the_same_again_when_asked_twice(muster: Muster) -> None:
    for _ in range(2):
        await muster.asks(Order.LOG_REQUEST, {"lines": 200}, "diag-1")
    first: LogResponse = (await muster.hears(Kind.LOG_RESPONSE))[0]
    found = await muster.hears(Kind.LOG_RESPONSE, count=2 * first.total_chunks)
    told: dict[int, set[str]] = {}
    for each in found:
        assert (each.request_id, each.total_chunks) == ("diag-1", first.total_chunks)
        told.setdefault(each.chunk, set()).add(each.payload)
    assert sorted(told) == list(range(1, first.total_chunks + 1))
    assert {len(texts) for texts in told.values()} == {1}
    lines = "".join(next(iter(told[number])) for number in sorted(told)).splitlines()
    assert 1 <= len(lines) <= 200
    await muster.asks(Order.LOG_REQUEST, {"lines": 1, "level": "error"}, "diag-2")
    [few] = await muster.hears(Kind.LOG_RESPONSE, lambda said: said.request_id == "diag-2")
    assert few.total_chunks == 1
    assert all("ERROR" in line for line in few.payload.splitlines())


async def test_it_restarts_once_and_says_so_with_a_new_boot(muster: Muster) -> None:
    before = muster.all(Kind.STATUS)[-1].boot_id
    expires_at = datetime.now(UTC) + timedelta(minutes=1)
    order = Restart(operation_id="op-1", attempt=1, expires_at=expires_at, reason="test").encode()
    await muster.orders(Order.RESTART, order)
    acks = await muster.hears(Kind.COMMAND_ACK, count=2)
    assert isinstance(acks[0], CommandAck)
    assert [each.status for each in acks] == [CommandStatus.ACCEPTED, CommandStatus.DONE]
    await muster.hears(Kind.STATUS, lambda said: said.boot_id != before)
    await muster.orders(Order.RESTART, order)
    assert (await muster.hears(Kind.COMMAND_ACK, count=3))[-1].status is CommandStatus.DONE
    boots = {each.boot_id for each in muster.all(Kind.STATUS)}
    assert len(boots) == 2


async def test_it_does_nothing_that_comes_too_late_or_cannot_be_read(muster: Muster) -> None:
    await muster.asks(Order.PING_REQUEST, {}, "late", expires_in=-1)
    expired = Restart(operation_id="op-1", attempt=1, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await muster.orders(Order.RESTART, expired.encode())
    for order in (Order.PING_REQUEST, Order.METRICS_REQUEST, Order.LOG_REQUEST, Order.RESTART):
        for garbage in (b"", b"\xff", b"[]", json.dumps({"request_id": 7}).encode()):
            await muster.orders(order, garbage)
    await muster.asks(Order.PING_REQUEST, {}, "in-time")
    await muster.hears(Kind.PING_RESPONSE, lambda said: said.request_id == "in-time")
    assert [each.request_id for each in muster.all(Kind.PING_RESPONSE)] == ["in-time"]
    assert not muster.all(Kind.COMMAND_ACK)
