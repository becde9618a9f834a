"""`/fleet status`: the work behind it, from the typed word to the message, without Slack."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import commands
from bench import registry
from bench.drift_query import make_drift
from bench.measure import Result
from bench.size import Size
from bot.render import render
from bot.router import Router
from fleet.roles import Person, Role

_GOAL = 1_000  # ms


def run(size: Size) -> Result:
    result = Result("status")
    with registry.sqlite(size.status_devices) as path:
        make_drift(path)
        asyncio.run(_measure(path, size, result))
    result.notes.append(f"{size.status_devices:,} devices on SQLite, 1 % drifted; routed, counted and rendered.")
    return result


async def _measure(path: Path, size: Size, result: Result) -> None:
    url = registry.sqlite_url(path)
    db, settings = registry.database(url), registry.settings(url)
    router, person, took = Router(commands.ALL, settings, db), Person("U0BENCH", Role.VIEWER), []
    for _ in range(size.repeats + 1):
        now = datetime.now(UTC)
        began = time.perf_counter()
        message = await router.answer("status", person, "C0FLEETOPS", now)
        rendered = render(message, root=settings.slack.command)
        took.append((time.perf_counter() - began) * 1e3)
        if "problem" in message.template or not rendered.text:
            raise RuntimeError(f"/fleet status did not answer: {rendered.text}")
    result.below("/fleet status", "ms", took[1:], _GOAL)
    await db.close()
