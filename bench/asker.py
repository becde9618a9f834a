"""One side of sequential pings, in a process of its own: from asking to having the answer, again and again.

`floor` is a bare aiomqtt publish and the wait for its answer. `muster` is the command, routed, recorded, sent by the
real jobs and answered into the real registry: a ping ends when its answer is committed. When its edit leaves for Slack
is timed as well; that nobody there takes any time is on purpose.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiomqtt

import commands
from bench import child, registry
from bench.load import device_id
from bench.surroundings import NO_DELAY, connected, mqtt_of, new_run
from bot import logs
from bot.app import Devices
from bot.clock import Clock
from bot.router import Router
from fleet.message import Audience
from fleet.roles import Person, Role
from fleet.settings import LogSettings
from jobs import inbox
from jobs.delivery import send
from jobs.diagnostics import settle
from jobs.outbox import post
from jobs.ports import Letter, Stands
from jobs.spec import Run
from link.client import Received
from link.topics import Kind, Topics

_PERSON = Person("U0BENCH", Role.OPERATOR)


async def floor(orders: dict[str, Any]) -> None:
    at = {"hostname": orders["host"], "port": orders["port"], "identifier": orders["client_id"]}
    async with aiomqtt.Client(**at, socket_options=NO_DELAY) as client:
        await client.subscribe("+/diagnostics/ping/response", qos=1)
        child.say({"ready": True})
        child.wait_for_parent()
        took, answers = [], aiter(client.messages)
        for number in range(orders["count"]):
            began = time.perf_counter()
            request = {"request_id": str(number), "params": {"sent_at": datetime.now(UTC).isoformat()}}
            await client.publish(f"{device_id(0)}/diagnostics/ping", json.dumps(request), qos=1)
            await anext(answers)
            took.append((time.perf_counter() - began) * 1e3)
        child.say({"answered": took})


class InstantSlack:
    """Takes everything at once, and says when an answer left for it."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()

    def take_turn(self, channel: str, editing: bool, now: datetime) -> datetime:
        return now

    async def deliver(self, letter: Letter, now: datetime) -> Stands:
        if letter.message.template == "diag/ping":
            self.answered.set()
        return Stands("1700000000.000001")

    async def find(self, letter: Letter, since: datetime) -> None:
        return None


async def muster(orders: dict[str, Any]) -> None:
    settings = registry.settings(orders["url"], **mqtt_of(orders))
    db, topics, slack, committed = registry.database(orders["url"]), Topics(), InstantSlack(), asyncio.Event()

    async def on_batch(batch: Sequence[Received]) -> None:
        await inbox.take_in(batch, datetime.now(UTC), db, settings, topics, connection.departures)
        if any(each.topic.endswith(Kind.PING_RESPONSE) for each in batch):
            committed.set()

    async with connected(settings, topics, on_batch) as connection:

        def a_run() -> Run:
            return dataclasses.replace(new_run(db, datetime.now(UTC), settings, Devices(connection)), deliver=slack)

        clock = Clock((send, settle, post), a_run)
        db.on_wake(clock.wake)
        clock.start()
        router = Router(commands.ALL, settings, db)
        await asyncio.sleep(0.5)  # every job has run once, and found nothing to do
        child.say({"ready": True})
        child.wait_for_parent()
        answered, edited = [], []
        for _ in range(orders["count"]):
            committed.clear()
            slack.answered.clear()
            began = time.perf_counter()
            message = await router.answer(f"diag ping {device_id(0)}", _PERSON, "C0FLEETOPS", datetime.now(UTC))
            if message.audience is not Audience.POSTED:
                raise RuntimeError(f"the ping was not asked: {message.data}")
            await committed.wait()
            answered.append((time.perf_counter() - began) * 1e3)
            await slack.answered.wait()
            edited.append((time.perf_counter() - began) * 1e3)
        child.say({"answered": answered, "edited": edited})
        await clock.stop()
    await db.close()


def main(orders: dict[str, Any]) -> None:
    logs.set_up(LogSettings(level="error"))
    asyncio.run({"floor": floor, "muster": muster}[orders["side"]](orders))


if __name__ == "__main__":
    main(child.orders())
