"""Diagnostics: pings one after the other, a thousand devices by one command, logs of three chunks all at once."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import bot_process, broker, registry
from bench.answerer import chunks
from bench.child import Child
from bench.load import device_id
from bench.measure import Figure, Result, percentile, series
from bench.size import Size
from sandbox.workspace import FLEET_OPS, OPERATOR, RateLimits, Workspace

_ABOVE = {0.5: 40, 0.99: 200}  # ms that Muster may take above the floor, by percentile
_COUNTED = 10.0  # seconds until every answer of a thousand is counted
_PATIENCE = 120.0  # seconds


def run(size: Size) -> Result:
    result = Result("diag")
    with broker.running() as server:
        _pings(server, size, result)
        with registry.sqlite(size.pinged) as path:
            asyncio.run(_in_the_app(server, path, size, result))
    result.notes.append(f"{server.name}; SQLite, synchronous=full.")
    return result


def _pings(server: broker.Running, size: Size, result: Result) -> None:
    took: dict[str, dict[str, Any]] = {}
    at = {"host": server.host, "port": server.port}
    for side in ("floor", "muster"):
        with registry.sqlite(10) as path, Child("bench.answerer", side="echo", **at) as devices:
            devices.hear()
            url, name = registry.sqlite_url(path), f"bench-{side}"
            with Child("bench.asker", side=side, count=size.pings, client_id=name, url=url, **at) as asker:
                asker.hear()
                asker.tell()
                took[side] = asker.hear()
    for share, above in _ABOVE.items():
        ours, least = (percentile(took[side]["answered"], share) for side in ("muster", "floor"))
        met = ours <= least + above
        what = f"ping, from command to answer committed: p{share * 100:.0f}"
        result.figures.append(Figure(what, "ms", series([ours]), series([least]), f"≤ floor + {above} ms", met))
    for share in _ABOVE:
        edited = percentile(took["muster"]["edited"], share)
        result.told(f"ping, from command to its edit leaving for Slack: p{share * 100:.0f}", "ms", [edited])
    result.notes.append(
        f"{size.pings:,} pings one after the other; the floor is a bare aiomqtt publish and its answer."
    )


async def _in_the_app(server: broker.Running, path: Path, size: Size, result: Result) -> None:
    """A real `muster run`, typed to in the stand-in workspace."""
    async with Workspace.start(limits=RateLimits(enabled=False)) as workspace:
        async with bot_process.running(server, registry.sqlite_url(path), workspace) as pid:
            await _many(server, path, workspace, size, result)
            await _logs(server, path, workspace, size, result, pid)


async def _many(server: broker.Running, path: Path, workspace: Workspace, size: Size, result: Result) -> None:
    at = {"host": server.host, "port": server.port}
    with Child("bench.answerer", side="simulator", count=size.pinged, **at) as devices:
        await asyncio.to_thread(devices.hear)
        began = time.perf_counter()
        await _type(workspace, "diag ping all")
        took = await _until(path, "ping", size.pinged) - began
        report = await workspace.wait_for_message(FLEET_OPS, contains=" answered when asked", timeout=_PATIENCE)
        reported = time.perf_counter() - began
    if f"{size.pinged:,} of {size.pinged:,} devices" not in report.words:
        raise RuntimeError(f"the report does not count everybody: {report.words}")
    result.below(f"{size.pinged:,} devices pinged by selector, every answer counted", "s", [took], _COUNTED)
    result.told("the same, until its report stands in Slack", "s", [reported])
    result.notes.append(f"{size.pinged:,} devices of the sandbox's simulator beside a real `muster run`.")


async def _logs(server: broker.Running, path: Path, workspace: Workspace, size: Size, result: Result, pid: int) -> None:
    with Child("bench.answerer", side="echo", host=server.host, port=server.port) as devices:
        await asyncio.to_thread(devices.hear)
        before, began = bot_process.peak_memory(pid), time.perf_counter()
        lines = [f"diag logs {device_id(number)} --lines 600" for number in range(size.logs)]
        await asyncio.gather(*(_type(workspace, line) for line in lines))
        took = await _until(path, "logs", size.logs) - began
        grown = bot_process.peak_memory(pid) - before
    if wrong := _wrong(path):
        raise RuntimeError(f"{wrong} logs are not what was sent")
    result.told(f"{size.logs:,} logs of three chunks asked for at once, all put together", "s", [took])
    result.told("memory of Muster above its peak before", "MiB", [max(grown, 0.1)])
    result.notes.append(f"Each of the {size.logs:,} logs was compared with what its device sent, and is exact.")


async def _type(workspace: Workspace, line: str) -> None:
    typed = await workspace.command(OPERATOR, FLEET_OPS, line, wait=0)
    if typed.error is not None:
        raise RuntimeError(f"{line} was not taken: {typed.error}")


async def _until(path: Path, kind: str, answered: int) -> float:
    """The moment at which so many requests of a kind are answered in the registry."""
    count = _reader(path, f"SELECT count(*) FROM diagnostics WHERE state = 'answered' AND kind = '{kind}'")
    async with asyncio.timeout(_PATIENCE):
        while (await asyncio.to_thread(count))[0][0] < answered:  # noqa: ASYNC110  rows of another process
            await asyncio.sleep(0.05)
    return time.perf_counter()


def _wrong(path: Path) -> int:
    rows = _reader(path, "SELECT id, text FROM diagnostics WHERE kind = 'logs'")()
    return sum(text != "".join(chunks(request_id)) for request_id, text in rows)


def _reader(path: Path, statement: str) -> Callable[[], list[Any]]:
    def read() -> list[Any]:
        connection = sqlite3.connect(path)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    return read
