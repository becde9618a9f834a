"""One part of `campaign`, in a process of its own: planning, sending or staggering, with the real jobs and clock.

`plan`: a campaign for every device of the registry is planned and frozen by the real command; time and memory are told.
`send`: a planned campaign goes out over the real connection until each device has acked and is accounted for.
`stagger`: restarts at a few sites with a broker that only writes down when each order left.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bench import child, registry
from bench.measure import Stopwatch
from bench.surroundings import connected, mqtt_of, new_run
from bot import logs
from bot.app import Devices
from bot.clock import Clock
from commands import bulk, campaign_approval
from commands.spec import Call
from fleet.campaign import TargetState
from fleet.roles import Person, Role
from fleet.selector import parse
from fleet.settings import LogSettings, Settings
from jobs import inbox
from jobs.approvals import start
from jobs.campaigns import advance
from jobs.delivery import send as deliver
from link.client import Received
from link.departures import Departures
from link.publish import SENT, Outcome, Outgoing
from link.topics import Topics
from storage import campaigns, configs
from storage.db import Database

NEXT = "2026.3.0"
_OLGA = Person("U0OLGA", Role.ADMIN)


def _settings(url: str, **mqtt: Any) -> Settings:
    made = registry.settings(url, **mqtt)
    free = Settings.model_validate(
        {**made.model_dump(), "approvals": {"policies": [{"operation": "*", "approvals": 0}]}}
    )
    return free.model_copy(update={"slack": made.slack, "database": made.database})


def _call(db: Database, settings: Settings) -> Call:
    return Call(_OLGA, "C0FLEETOPS", datetime.now(UTC), db, settings)


async def _planned(db: Database, settings: Settings, **flags: Any) -> str:
    async with db.begin() as session:
        await configs.add(session, NEXT, registry.BODY, "", "bench", datetime.now(UTC))
    plan = await bulk.config(_call(db, settings), NEXT, parse("all"), **flags)
    return str(plan.data["campaign_id"])


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def plan(orders: dict[str, Any]) -> None:
    db, settings = registry.database(orders["url"]), _settings(orders["url"])
    async with db.read() as session:
        await configs.known(session, {registry.NEW})  # connected, and every module is loaded
    before, watch = _peak_mib(), Stopwatch()
    campaign_id = await _planned(db, settings)
    took = {"wall": watch.wall, "cpu": watch.cpu, "mib": max(_peak_mib() - before, 0.1)}
    async with db.read() as session:
        row = await campaigns.get(session, campaign_id)
    child.say({**took, "targets": row.targets})
    await db.close()


async def send(orders: dict[str, Any]) -> None:
    count = orders["count"]
    settings, db, topics = _settings(orders["url"], **mqtt_of(orders)), registry.database(orders["url"]), Topics()

    async def on_batch(batch: Sequence[Received]) -> None:
        await inbox.take_in(batch, datetime.now(UTC), db, settings, topics)

    async with connected(settings, topics, on_batch) as connection:
        publish = Devices(connection)
        clock = Clock((deliver, advance, start), lambda: new_run(db, datetime.now(UTC), settings, publish))
        db.on_wake(clock.wake)
        campaign_id = await _planned(
            db, settings, canary="none", wave="100%", soak=timedelta(0), concurrency=orders["concurrency"]
        )
        clock.start()
        await asyncio.sleep(0.5)  # every job has run once, and found nothing to do
        child.say({"ready": True})
        child.wait_for_parent()
        watch = Stopwatch()
        await campaign_approval.ask(_call(db, settings), campaign_id)
        while not (done := await _ended(db, campaign_id)):  # noqa: ASYNC110 - the rows have no event
            await asyncio.sleep(0.02)
        assert done == count, f"{done} of {count} succeeded"
        child.say({"wall": watch.wall, "cpu": watch.cpu})
        await clock.stop()
    await db.close()


async def _ended(db: Database, campaign_id: str) -> int:
    """How many succeeded, once it is over."""
    async with db.read() as session:
        row = await campaigns.get(session, campaign_id)
        if row.ended_at is None:
            return 0
        return (await campaigns.tally(session, campaign_id)).get(TargetState.SUCCEEDED, 0)


class Paper:
    """A broker that takes everything, and writes down when each device was told to restart."""

    connected = True

    def __init__(self) -> None:
        self.departures = Departures()
        self.left: list[tuple[str, float]] = []

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        for message in messages:
            self.left.append((message.topic.partition("/")[0], time.monotonic()))
        return [SENT] * len(messages)


async def stagger(orders: dict[str, Any]) -> None:
    db, settings = registry.database(orders["url"]), _settings(orders["url"])
    paper = Paper()
    clock = Clock((deliver, advance, start), lambda: new_run(db, datetime.now(UTC), settings, paper))
    db.on_wake(clock.wake)
    flags = {"canary": "none", "wave": "100%", "stagger": timedelta(seconds=orders["stagger"])}
    plan_ = await bulk.restart(_call(db, settings), parse("all"), **flags)
    clock.start()
    await campaign_approval.ask(_call(db, settings), str(plan_.data["campaign_id"]))
    while len(paper.left) < orders["count"]:  # noqa: ASYNC110 - nor has this list
        await asyncio.sleep(0.1)
    child.say({"left": paper.left})
    await clock.stop()
    await db.close()


def main(orders: dict[str, Any]) -> None:
    logs.set_up(LogSettings(level="error"))
    asyncio.run({"plan": plan, "send": send, "stagger": stagger}[orders["part"]](orders))


if __name__ == "__main__":
    main(child.orders())
