"""Slash commands typed into the stand-in workspace, answered by a real `muster run` beside it, idle and under load."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from bench import bot_process, broker, registry
from bench.child import Child
from bench.load import device_id
from bench.measure import Result, cpu_of, percentile
from bench.size import Size
from sandbox.workspace import FLEET_OPS, PERSONAS, RateLimits, Workspace

_GOAL = 250  # ms until a command is acknowledged; Slack gives up after 3,000
_PER_SECOND = 20  # commands, evenly: whether the answer to the one before has come or not
_STATUSES = 3_000  # a second, beside them
_DEVICES = 10_000
_CHANNELS = [FLEET_OPS, *(f"C0BENCH{number}" for number in range(4))]
_LINES = ("status", "find site:site-07", f"device show {device_id(7)}", "drift list", "alert list", "help")
_PATIENCE = 30.0  # seconds


def run(size: Size) -> Result:
    result = Result("commands")
    with broker.running() as server, registry.sqlite(_DEVICES) as path:
        asyncio.run(_measure(server, path, size, result))
    result.notes.append(
        f"{server.name}; {size.commands:,} commands, {_PER_SECOND} a second over {len(_CHANNELS)} channels; "
        f"{_DEVICES:,} devices on SQLite. An acknowledgement is timed by the workspace, from envelope to ack; "
        "an answer from typing to its first message."
    )
    return result


async def _measure(server: broker.Running, path: Path, size: Size, result: Result) -> None:
    async with Workspace.start(limits=RateLimits(enabled=False)) as workspace:
        await workspace.seed(channels=[{"id": each, "name": each.lower()} for each in _CHANNELS[1:]])
        async with bot_process.running(server, registry.sqlite_url(path), workspace) as pid:
            await _typed(workspace, len(_LINES))  # each command once, as in a bot that has run for a while
            await _round("idle", pid, workspace, size, result)
            async with _statuses(server):
                await _round(f"under {_STATUSES:,} statuses/s", pid, workspace, size, result)
                result.notes.append(_oldest(path))


async def _round(name: str, pid: int, workspace: Workspace, size: Size, result: Result) -> None:
    before, began, after = cpu_of(pid), time.perf_counter(), len(workspace.records)
    late: list[float] = []
    watching = asyncio.create_task(_watch_lateness(late))
    answers = await _typed(workspace, size.commands)
    watching.cancel()
    busy = (cpu_of(pid) - before) / (time.perf_counter() - began)
    entries = workspace.records.entries(after=after, kind="envelope")
    acks = [each["ack_ms"] for each in entries if each["type"] == "slash_commands"]
    if len(acks) != size.commands or None in acks:
        raise RuntimeError(f"of {size.commands} commands {sum(each is not None for each in acks)} were acknowledged")
    result.told(f"{name}: ack p50", "ms", [percentile(acks, 0.5)])
    result.below(f"{name}: ack p99", "ms", [percentile(acks, 0.99)], _GOAL)
    result.told(f"{name}: answer p50", "ms", [percentile(answers, 0.5)])
    result.told(f"{name}: answer p99", "ms", [percentile(answers, 0.99)])
    result.notes.append(
        f"Of one core {name}: Muster {busy:.0%}. Timers of the workspace's own process, which acknowledgements are "
        f"timed in, were up to {percentile(late, 0.99):.0f} ms late (p99): that is in the figures above."
    )


async def _watch_lateness(late: list[float]) -> None:
    """Milliseconds by which this process wakes up late: what the machine adds, whoever is measured."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.01)
        late.append((time.perf_counter() - began) * 1e3 - 10)


async def _typed(workspace: Workspace, count: int) -> list[float]:
    """Milliseconds until each answer."""
    typing = []
    for number in range(count):
        typing.append(asyncio.create_task(_type(workspace, number)))
        await asyncio.sleep(1 / _PER_SECOND)
    return list(await asyncio.gather(*typing))


async def _type(workspace: Workspace, number: int) -> float:
    began = time.perf_counter()
    user, channel = PERSONAS[number % len(PERSONAS)], _CHANNELS[number % len(_CHANNELS)]
    ran = await workspace.command(user, channel, _LINES[number % len(_LINES)], wait=_PATIENCE)
    if ran.error is not None or not ran.answers:
        raise RuntimeError(f"{_LINES[number % len(_LINES)]} was not answered: {ran.error}")
    return (time.perf_counter() - began) * 1e3


@contextlib.asynccontextmanager
async def _statuses(server: broker.Running) -> AsyncIterator[None]:
    devices = {"devices": _DEVICES, "version": registry.NEW, "boot": "load"}
    orders = {"host": server.host, "port": server.port, "count": 2 * _DEVICES, "rate": _STATUSES, **devices}
    with Child("bench.load", **orders) as load:
        await asyncio.to_thread(load.hear)
        load.tell()
        await asyncio.sleep(_DEVICES / _STATUSES)
        yield


def _oldest(path: Path) -> str:
    """How far Muster is behind the statuses: every device speaks every few seconds."""
    connection = sqlite3.connect(path)
    [oldest] = connection.execute("SELECT min(last_seen_at) FROM devices").fetchone()
    connection.close()
    ago = (datetime.now(UTC) - datetime.fromisoformat(oldest)).total_seconds()
    return (
        f"At the end of the statuses the device heard longest ago was heard {ago:.1f} s ago; each speaks every "
        f"{_DEVICES / _STATUSES:.1f} s."
    )
