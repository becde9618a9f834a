"""Pushes while the audit is sealed, beside the same pushes while it is not: what the chain costs who acts."""

from __future__ import annotations

from collections import defaultdict

from bench import broker, registry
from bench.measure import Result
from bench.push import one_round
from bench.size import Size

_GOAL, _MOST = 0.9, 1.1


def run(size: Size) -> Result:
    """Rounds in turns, each with its own registry and broker, as in `push`."""
    result = Result("audit")
    rate: dict[str, list[float]] = defaultdict(list)
    cost: dict[str, list[float]] = defaultdict(list)
    sealed = 0
    for number in range(size.rounds):
        for side in ("muster", "sealed") if number % 2 == 0 else ("sealed", "muster"):
            with broker.running() as server, registry.sqlite(size.pushes, registry.OLD) as path:
                took = one_round(server, size, side, registry.sqlite_url(path))
            rate[side].append(size.pushes / took["wall"])
            cost[side].append(took["cpu"] / size.pushes * 1e6)
            sealed = max(sealed, took["sealed"])
    result.at_least("pushed while the audit is sealed", "/s", rate["sealed"], rate["muster"], _GOAL)
    result.at_most("processor time of each", "µs", cost["sealed"], cost["muster"], _MOST)
    result.notes.append(
        f"{size.pushes:,} drifted devices on SQLite, synchronous=full, as in push; the floor is Muster without a key "
        f"of the audit. {sealed} entries were sealed by the last acknowledgement: a batch is one entry, and they are "
        "sealed at most once a second."
    )
    return result
