"""Configurations pushed to drifted devices until each has acked, beside bare publishes whose acks are only counted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from bench import broker, registry
from bench.child import Child
from bench.measure import Result, cpu_of, series
from bench.size import Size

_GOAL = 0.35


def run(size: Size) -> Result:
    """Each round has its own registry and a broker of its own, without retained messages of the round before."""
    result = Result("push")
    rate: dict[str, list[float]] = defaultdict(list)
    cost: dict[str, list[float]] = defaultdict(list)
    busy: dict[str, list[float]] = defaultdict(list)
    name = ""
    for number in range(size.rounds):
        for side in ("floor", "muster") if number % 2 == 0 else ("muster", "floor"):
            with broker.running() as server, registry.sqlite(size.pushes, registry.OLD) as path:
                name = server.name
                took = one_round(server, size, side, registry.sqlite_url(path))
            rate[side].append(size.pushes / took["wall"])
            cost[side].append(took["cpu"] / size.pushes * 1e6)
            for who in ("pusher", "broker", "devices"):
                busy[f"{side} {who}"].append(took[f"{who} busy"])
    result.at_least("pushed, acked and resolved", "/s", rate["muster"], rate["floor"], _GOAL)
    result.told("processor time of Muster for each", "µs", cost["muster"])
    result.told("processor time of the floor for each", "µs", cost["floor"])
    result.notes.append(
        f"{name}; {size.pushes:,} drifted devices on SQLite, synchronous=full: swept, recorded, published retained, "
        "acked by another process over raw packets, resolved."
    )
    for side in ("floor", "muster"):
        shares = [f"{who} {series(busy[f'{side} {who}']).median:.0%}" for who in ("pusher", "broker", "devices")]
        result.notes.append(f"Of one core while {side} ran: {', '.join(shares)}.")
    return result


def one_round(server: broker.Running, size: Size, side: str, url: str) -> dict[str, Any]:
    at = {"host": server.host, "port": server.port, "count": size.pushes}
    with Child("bench.pusher", side=side, client_id="bench-muster", url=url, **at) as pusher:
        with Child("bench.acker", **at) as devices:
            pusher.hear()
            devices.hear()
            before = cpu_of(server.pid) if server.pid else 0.0
            pusher.tell()
            took, acked = pusher.hear(), devices.hear()
            used = cpu_of(server.pid) - before if server.pid else 0.0
    if took.get("resolved", size.pushes) != size.pushes:
        raise RuntimeError(f"{took['resolved']} of {size.pushes} cases are resolved")
    took["pusher busy"] = took["cpu"] / took["wall"]
    took["broker busy"] = used / took["wall"]
    took["devices busy"] = acked["cpu"] / took["wall"]
    return took
