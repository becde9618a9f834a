"""What both sides of a bench share, and a `Run` for jobs that a bench starts by itself, without broker and Slack."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bench import registry
from fleet.settings import EndpointSettings, Settings
from jobs.ports import Letter, Notice, NotYet, Publish, Untaken
from jobs.spec import Run
from link.client import Connection, OnBatch
from link.publish import Outcome, Outgoing
from link.topics import Topics
from storage.db import Database

NO_DELAY = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
"""The socket options of a floor, as Muster's own connection has them."""


class NoBroker:
    """Takes nothing."""

    connected = False

    async def publish_many(self, messages: Sequence[Outgoing], may: object = None) -> list[Outcome]:
        return [Outcome(sent=False, reason="no broker")] * len(messages)


class NoSlack:
    """Takes nothing."""

    def take_turn(self, channel: str, editing: bool, now: datetime) -> datetime:
        return now

    async def deliver(self, letter: Letter, now: datetime) -> NotYet:
        return NotYet("no Slack")

    async def find(self, letter: Letter, since: datetime) -> None:
        return None


class NobodyToTell:
    """Knows no other system."""

    async def tell(self, endpoint: EndpointSettings, notice: Notice, now: datetime) -> Untaken:
        return Untaken("nobody to tell")


def new_run(db: Database, now: datetime, settings: Settings | None = None, publish: Publish | None = None) -> Run:
    """What a job gets at `now`."""
    chosen = settings or registry.settings(db.url)
    given: dict[str, Any] = {
        "publish": publish or NoBroker(),
        "deliver": NoSlack(),
        "tell": NobodyToTell(),
        "jitter": lambda: 1.0,
        "clock": lambda: datetime.now(UTC),
    }
    return Run(now=now, db=db, settings=chosen, replica="bench", topics=Topics(), **given)


def mqtt_of(orders: Mapping[str, Any]) -> dict[str, Any]:
    """The broker that a child was told, as settings."""
    return {"session_expiry": "60s", **{name: orders[name] for name in ("host", "port", "client_id")}}


@asynccontextmanager
async def connected(settings: Settings, topics: Topics, on_batch: OnBatch) -> AsyncIterator[Connection]:
    """Muster's own connection to the broker, subscribed to what devices say; its end is waited for."""
    connection = Connection(settings.mqtt, topics.subscriptions(), on_batch)
    running = asyncio.create_task(connection.run())
    await connection.wait_connected()
    yield connection
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
