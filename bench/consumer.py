"""One side of `ingest`, in a process of its own: reads statuses from the broker until it has `count` of them.

`floor` is a bare aiomqtt loop that stores nothing; TCP_NODELAY, which only makes it faster, is its one setting.
`muster` is the real connection and the real inbox job: parsed, committed, acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiomqtt

from bench import child, registry
from bench.measure import Stopwatch
from bench.surroundings import NO_DELAY, connected, mqtt_of
from bot import logs
from fleet.settings import LogSettings
from jobs import inbox
from link.client import Received
from link.topics import Topics


async def floor(orders: dict[str, Any]) -> None:
    count = orders["count"]
    at = {"hostname": orders["host"], "port": orders["port"], "identifier": orders["client_id"]}
    async with aiomqtt.Client(**at, socket_options=NO_DELAY) as client:
        await client.subscribe("+/status", qos=1)
        child.say({"ready": True})
        watch, seen = Stopwatch(), 0
        async for _message in client.messages:
            if not seen:
                watch.start()
            seen += 1
            if seen == count:
                break
        child.say({"wall": watch.wall, "cpu": watch.cpu, "largest": 1})


async def muster(orders: dict[str, Any]) -> None:
    count = orders["count"]
    settings = registry.settings(orders["url"], **mqtt_of(orders))
    db, topics, watch = registry.database(orders["url"]), Topics(), Stopwatch()
    async with db.read():
        pass  # as in a bot that has run for a while: the connections are open
    sizes: list[int] = []

    async def on_batch(batch: Sequence[Received]) -> None:
        if not sizes:
            watch.start()
        await inbox.take_in(batch, datetime.now(UTC), db, settings, topics)
        sizes.append(len(batch))

    async with connected(settings, topics, on_batch) as connection:
        child.say({"ready": True})
        while connection.stats.acked < count:  # noqa: ASYNC110 - the acks go out after `on_batch`, and tell nobody
            await asyncio.sleep(0.01)
        child.say({"wall": watch.wall, "cpu": watch.cpu, "largest": max(sizes), "batches": len(sizes)})
    await db.close()


def main(orders: dict[str, Any]) -> None:
    logs.set_up(LogSettings(level="error"))
    logging.getLogger("mqtt").setLevel(logging.ERROR)
    asyncio.run({"floor": floor, "muster": muster}[orders["side"]](orders))


if __name__ == "__main__":
    main(child.orders())
