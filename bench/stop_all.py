"""Stop-all while replicas push to a drifted fleet: how long after its commit does the last order reach the broker?"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from bench import bot_process, broker, registry
from bench.child import Child
from bench.measure import Result
from bench.size import Size
from commands import bulk_stop_all
from commands.spec import Call
from fleet.roles import Person, Role
from sandbox.workspace import FLEET_OPS, RateLimits, Workspace
from storage import fences

_GOAL = 1000  # ms
_ANN = Person("U0ANN", Role.APPROVER)
_SHARE = 0.2  # of the fleet that has its order when everything is stopped


def run(size: Size) -> Result:
    result = Result("stop-all")
    replicas = 2 if size.postgres else 1
    lates, rates, held_back = [], [], 0
    for _ in range(size.rounds):
        with _registry(size) as url:
            late, rate, held_back = asyncio.run(_round(size, url, replicas))
        lates.append(late)
        rates.append(rate)
    result.below("last order at the broker after the commit of a stop", "ms", lates, _GOAL)
    result.told("orders that were leaving before it", "/s", rates)
    where = "PostgreSQL" if size.postgres else "SQLite"
    result.notes.append(
        f"{replicas} × `muster run` on {where} push to {size.stopped:,} drifted devices; {held_back:,} orders were "
        "held back in the last round. What had left is counted by Muster exactly as it had arrived."
    )
    return result


async def _round(size: Size, url: str, replicas: int) -> tuple[float, float, int]:
    """Milliseconds until the last order, orders a second before that, and how many never left."""
    async with contextlib.AsyncExitStack() as stack:
        server = stack.enter_context(broker.running())
        at = {"host": server.host, "port": server.port, "count": int(size.stopped * _SHARE)}
        devices = stack.enter_context(Child("bench.listener", **at))
        await asyncio.to_thread(devices.hear)
        workspace = await stack.enter_async_context(Workspace.start(limits=RateLimits(enabled=False)))
        for replica in range(1, replicas + 1):
            await stack.enter_async_context(bot_process.running(server, url, workspace, replica))
        db = registry.database(url)
        stack.push_async_callback(db.close)
        rate = (await asyncio.to_thread(devices.hear))["rate"]
        call = Call(_ANN, FLEET_OPS, datetime.now(UTC), db, registry.settings(url))
        await bulk_stop_all.stop_all(call)
        committed = time.monotonic()
        took = await asyncio.to_thread(devices.hear)
        async with db.read() as session:
            there = await fences.out_there(session, datetime.now(UTC))
        if there.retained != took["came"]:
            raise RuntimeError(f"{took['came']} orders arrived, and {there.retained} are counted")
        return max((took["last"] - committed) * 1e3, 0.01), rate, there.held_back


@contextlib.contextmanager
def _registry(size: Size) -> Iterator[str]:
    if size.postgres:
        with registry.postgres(size.stopped, registry.OLD) as url:
            yield url
        return
    with registry.sqlite(size.stopped, registry.OLD) as path:
        yield registry.sqlite_url(path)
