"""One side of `push`, in a process of its own: `count` configurations out, and as many acks in.

`floor` is a gather of bare aiomqtt publishes of the same messages, that only counts the acks; with aiomqtt's defaults
(Nagle's algorithm, 20 publishes in flight) it would be three times as slow, so it has neither. `muster` begins at a
registry in which that many devices have drifted, and ends when every case is resolved: the sweep, the operations, the
publishes and the acks are those of the real jobs, run by the real clock. `sealed` is the same with an audit key, so
that the sealer works beside them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import aiomqtt
from pydantic import SecretStr
from sqlalchemy import func, select, text

from bench import child, registry
from bench.load import device_id
from bench.measure import Stopwatch
from bench.surroundings import NO_DELAY, connected, mqtt_of, new_run
from bot import logs
from bot.app import Devices
from bot.clock import Clock
from fleet.settings import AuditSettings, LogSettings
from jobs import inbox
from jobs.delivery import send
from jobs.drift import follow_up, sweep
from jobs.sealing import seal
from link.client import Received
from link.topics import Order, Topics
from link.wire import ConfigDesired
from storage import audit_chain, schedule
from storage.db import Database
from storage.tables import drift_cases

_AT_ONCE = 100  # publishes under way, which is what aiomqtt is fastest with; Muster's own default as well


async def floor(orders: dict[str, Any]) -> None:
    count, topics, now = orders["count"], Topics(), datetime.now(UTC)
    messages = [
        (
            topics.of(device_id(number), Order.CONFIG_DESIRED),
            ConfigDesired(
                version=registry.NEW,
                sha256=registry.SHA,
                config=registry.BODY,
                operation_id=f"op-{number:026}",
                attempt=1,
                issued_at=now,
            ).encode(),
        )
        for number in range(count)
    ]
    at = {"hostname": orders["host"], "port": orders["port"], "identifier": orders["client_id"]}
    async with aiomqtt.Client(**at, max_inflight_messages=_AT_ONCE, socket_options=NO_DELAY) as client:
        client.pending_calls_threshold = 2 * _AT_ONCE
        await client.subscribe("+/config/ack", qos=1)
        child.say({"ready": True})
        child.wait_for_parent()
        watch, places = Stopwatch(), asyncio.Semaphore(_AT_ONCE)

        async def publish(topic: str, payload: bytes) -> None:
            async with places:
                await client.publish(topic, payload, qos=1, retain=True)

        async def count_acks() -> None:
            seen = 0
            async for _message in client.messages:
                seen += 1
                if seen == count:
                    return

        await asyncio.gather(count_acks(), *(publish(*message) for message in messages))
        child.say({"wall": watch.wall, "cpu": watch.cpu})


async def muster(orders: dict[str, Any], audit: AuditSettings | None = None) -> None:
    count = orders["count"]
    settings = registry.settings(orders["url"], **mqtt_of(orders)).model_copy(
        update={"audit": audit or AuditSettings()}
    )
    db, topics, acks = registry.database(orders["url"]), Topics(), 0
    all_acked = asyncio.Event()

    async def on_batch(batch: Sequence[Received]) -> None:
        nonlocal acks
        await inbox.take_in(batch, datetime.now(UTC), db, settings, topics)
        acks += len(batch)
        if acks >= count:
            all_acked.set()

    async with connected(settings, topics, on_batch) as connection:
        publish = Devices(connection)
        clock = Clock((send, seal, sweep, follow_up), lambda: new_run(db, datetime.now(UTC), settings, publish))
        db.on_wake(clock.wake)
        async with db.begin() as session:
            await schedule.ran(session, schedule.SWEEP, datetime.now(UTC), datetime.max.replace(tzinfo=UTC))
        clock.start()
        await asyncio.sleep(0.5)  # every job has run once, and found nothing to do
        child.say({"ready": True})
        child.wait_for_parent()
        watch = Stopwatch()
        async with db.begin() as session:
            await schedule.bring_forward(session, schedule.SWEEP, datetime.now(UTC))
        await all_acked.wait()
        said = {"wall": watch.wall, "cpu": watch.cpu, "resolved": await _resolved(db), "sealed": await _sealed(db)}
        child.say(said)
        await clock.stop()
    await db.close()


async def _resolved(db: Database) -> int:
    async with db.read() as session:
        statement = select(func.count()).select_from(drift_cases).where(text("resolved_at IS NOT NULL"))
        return await session.scalar(statement) or 0


async def sealed(orders: dict[str, Any]) -> None:
    await muster(orders, AuditSettings(key=SecretStr("k" * 64), head_file=None))


async def _sealed(db: Database) -> int:
    async with db.read() as session:
        head, _ = await audit_chain.head(session)
    return head.seq


def main(orders: dict[str, Any]) -> None:
    logs.set_up(LogSettings(level="error"))
    asyncio.run({"floor": floor, "muster": muster, "sealed": sealed}[orders["side"]](orders))


if __name__ == "__main__":
    main(child.orders())
