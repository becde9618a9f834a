"""Statuses at QoS 1, parsed, committed and acknowledged, beside a bare loop that reads and forgets them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench import broker, registry
from bench.child import Child
from bench.measure import Result, cpu_of, series
from bench.size import Size

_CPU_GOAL, _RATE_GOAL = 0.9, 1.0


def run(size: Size) -> Result:
    """Rounds of floor and Muster in turns; each has a broker session, and processes, of its own."""
    result = Result("ingest")
    cost: dict[str, list[float]] = defaultdict(list)
    rate: dict[str, list[float]] = defaultdict(list)
    busy: dict[str, list[float]] = defaultdict(list)
    with broker.running() as server, registry.sqlite(size.ingest_devices) as path:
        ceilings = _ceilings(server, size)
        for number in range(size.rounds):
            for side in ("floor", "muster") if number % 2 == 0 else ("muster", "floor"):
                boot = f"{number:04}"
                took = _round(server, size, side, boot, path)
                if side == "muster":
                    _check_stored(path, boot, min(size.statuses, size.ingest_devices))
                cost[side].append(took["cpu"] / size.statuses * 1e6)
                rate[side].append(size.statuses / took["wall"])
                for who in ("consumer", "broker", "generator"):
                    busy[f"{side} {who}"].append(took[f"{who} busy"])
                busy[f"{side} batch"].append(took.get("batches", 0))
    result.at_most("processor time per status", "µs", cost["muster"], cost["floor"], _CPU_GOAL)
    result.at_least("rate", "/s", rate["muster"], rate["floor"], _RATE_GOAL)
    batches = series(busy.pop("muster batch")).median
    result.notes += [
        f"{server.name}; {size.statuses:,} statuses a round, each of another device; SQLite, synchronous=full; "
        f"{size.statuses / batches:,.0f} to a commit.",
        *ceilings,
        *(_told(side, busy) for side in ("floor", "muster")),
    ]
    return result


def _told(side: str, busy: dict[str, list[float]]) -> str:
    shares = [f"{who} {series(busy[f'{side} {who}']).median:.0%}" for who in ("consumer", "broker", "generator")]
    return f"Of one core while {side} ran: {', '.join(shares)}."


def _orders(server: broker.Running, size: Size, boot: str) -> dict[str, Any]:
    devices = {"devices": size.ingest_devices, "version": registry.NEW, "boot": boot}
    return {"host": server.host, "port": server.port, "count": size.statuses, **devices}


def _ceilings(server: broker.Running, size: Size) -> list[str]:
    """What the generator could do if nothing held it back, and what the broker takes if nobody listens."""
    orders = _orders(server, size, "none")
    with Child("bench.load", sink=True, host=server.host) as sink:
        into_sink = _generated({**orders, "version": "2026.1.0", "boot": "0", "port": sink.hear()["port"]})
    into_broker = _generated(orders)
    return [
        f"The generator's ceiling: {size.statuses / into_sink['wall']:,.0f}/s into a sink, "
        f"{size.statuses / into_broker['wall']:,.0f}/s into the broker without a listener."
    ]


def _generated(orders: dict[str, Any]) -> dict[str, Any]:
    with Child("bench.load", **orders) as load:
        load.hear()
        load.tell()
        return load.hear()


def _round(server: broker.Running, size: Size, side: str, boot: str, path: Path) -> dict[str, Any]:
    orders = _orders(server, size, boot)
    client = {"side": side, "client_id": f"bench-{side}-{boot}", "url": registry.sqlite_url(path)}
    with Child("bench.consumer", **orders, **client) as consumer, Child("bench.load", **orders) as load:
        consumer.hear()
        load.hear()
        before = cpu_of(server.pid) if server.pid else 0.0
        load.tell()
        took, generated = consumer.hear(), load.hear()
        used = cpu_of(server.pid) - before if server.pid else 0.0
    took["consumer busy"] = took["cpu"] / took["wall"]
    took["broker busy"] = used / max(took["wall"], generated["wall"])
    took["generator busy"] = generated["cpu"] / generated["wall"]
    return took


def _check_stored(path: Path, boot: str, expected: int) -> None:
    connection = sqlite3.connect(path)
    [stored] = connection.execute("SELECT count(*) FROM devices WHERE boot_id = ?", (f"boot-{boot}",)).fetchone()
    connection.close()
    if stored != expected:
        raise RuntimeError(f"{stored} of {expected} statuses are in the registry")
