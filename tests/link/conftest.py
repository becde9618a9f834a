"""A broker of each make, and a connection to it whose batches a test can see, hold back or refuse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import aiomqtt
import pytest

from fleet.settings import MqttSettings
from link.client import Connection, Received
from link.topics import Topics
from tests.brokers import RunningBroker, embedded_broker, mosquitto_broker

SOON = 10.0  # seconds; no test waits so long unless it fails


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto)])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningBroker]:
    if request.param == "embedded":
        with embedded_broker() as embedded:
            yield embedded
    else:
        with mosquitto_broker(tmp_path) as mosquitto:
            yield mosquitto


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[RunningBroker]:
    with mosquitto_broker(tmp_path) as running:
        yield running


class Taker:
    """An `on_batch` that remembers. While `open` is not set it does not return; `refuse` times it raises first."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Received]] = []  # each call, also the refused ones
        self.taken: list[Received] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refuse = 0

    async def __call__(self, batch: Sequence[Received]) -> None:
        self.batches.append(batch)
        if self.refuse:
            self.refuse -= 1
            raise OSError("database is locked")
        await self.open.wait()
        self.taken += batch

    @property
    def payloads(self) -> list[str]:
        return [received.payload.decode() for received in self.taken]


def settings(port: int, **changes: object) -> MqttSettings:
    quick = {"reconnect_first": timedelta(milliseconds=20), "reconnect_most": timedelta(milliseconds=100)}
    return MqttSettings(**({"host": "127.0.0.1", "port": port, "client_id": "muster-test"} | quick | changes))


@asynccontextmanager
async def connected(
    port: int, taker: Taker, *, wait: bool = True, most_in_batch: int = 2_000, **changes: object
) -> AsyncIterator[Connection]:
    chosen = settings(port, **changes)
    connection = Connection(
        chosen,
        Topics(chosen.topic_prefix).subscriptions(chosen.shared_group),
        taker,
        random=Random(1),
        most_in_batch=most_in_batch,
        retry_first=timedelta(milliseconds=5),
        retry_most=timedelta(milliseconds=20),
    )
    running = asyncio.create_task(connection.run())
    try:
        if wait:
            await asyncio.wait_for(connection.wait_connected(), SOON)
        yield connection
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def a_device(port: int) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", port, identifier="device") as client:
        client.pending_calls_threshold = 5_000
        yield client


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so; fails after SOON."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 - it is the state of a thing under test, which has no event for it
            await asyncio.sleep(0.005)
