"""Campaigns: planning for a fleet, sending to 10,000 devices beside bare publishes, and how even a stagger is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench import broker, registry
from bench.child import Child
from bench.measure import Result, percentile
from bench.size import Size

_GOAL = 0.35
_CONCURRENCY = 2_000
_STAGGER = 1.0  # seconds
_SITES = 50  # of the registry
PUBLISHED = (
    ("AWS IoT Jobs, devices of one job", 1_000 / 60),
    ("Azure IoT Hub S1, job devices of one unit", 10.0),
    ("ThingsBoard, OTA by its default", 100 / 60),
)
"""What others say that they do for one campaign, in devices a second."""


def run(size: Size) -> Result:
    result = Result("campaign")
    _plan(size, result)
    _send(size, result)
    _stagger(size, result)
    limits = "; ".join(f"{name} {rate:,.1f}/s" for name, rate in PUBLISHED)
    result.notes.append(f"Limits that others publish: {limits}.")
    return result


def _plan(size: Size, result: Result) -> None:
    walls, mib = [], []
    for _ in range(size.rounds):
        with registry.sqlite(size.planned) as path, _part("plan", path) as planner:
            took = planner.hear()
        if took["targets"] != size.planned:
            raise RuntimeError(f"{took['targets']} of {size.planned} devices were planned")
        walls.append(took["wall"])
        mib.append(took["mib"])
    result.below(f"planned and frozen: {size.planned:,} devices", "s", walls, 5)
    result.told("memory that planning took at its peak", "MiB", mib)


def _send(size: Size, result: Result) -> None:
    rate: dict[str, list[float]] = defaultdict(list)
    for number in range(size.rounds):
        for side in ("floor", "muster") if number % 2 == 0 else ("muster", "floor"):
            with broker.running() as server, registry.sqlite(size.pushes) as path:
                rate[side].append(size.pushes / _round(server, size, side, path))
    result.at_least("sent, acked and accounted for", "/s", rate["muster"], rate["floor"], _GOAL)
    for name, published in PUBLISHED:
        result.at_least(f"beside {name}", "/s", rate["muster"], [published], 1)
    result.notes.append(
        f"{size.pushes:,} devices in one wave, {_CONCURRENCY:,} under way at once, synchronous=full on SQLite: asked, "
        "published retained, acked by another process over raw packets, each device's outcome written."
    )


def _round(server: broker.Running, size: Size, side: str, path: Path) -> float:
    url, at = registry.sqlite_url(path), {"host": server.host, "port": server.port, "count": size.pushes}
    more: dict[str, Any] = {"client_id": "bench-muster", "url": url, **at}
    with (
        (
            Child("bench.pusher", side="floor", **more)
            if side == "floor"
            else Child("bench.campaigner", part="send", concurrency=_CONCURRENCY, **more)
        ) as sender,
        Child("bench.acker", **at) as devices,
    ):
        sender.hear()
        devices.hear()
        sender.tell()
        return float(sender.hear()["wall"])


def _stagger(size: Size, result: Result) -> None:
    with registry.sqlite(size.restarts) as path, _part("stagger", path, count=size.restarts, stagger=_STAGGER) as part:
        left = part.hear()["left"]
    late = [each * 1000 for each in _errors(left)]
    result.below("stagger of 1 s: how much later the next one left, p50", "ms", [percentile(late, 0.5)], 20)
    result.below("p99", "ms", [percentile(late, 0.99)], 250)
    if min(late) < 0:
        raise RuntimeError(f"an interval was {-min(late):.1f} ms too short")
    result.notes.append(f"Stagger: {len(late)} intervals at {_SITES} sites; the shortest was {min(late):+.2f} ms.")


def _errors(left: Sequence[tuple[str, float]]) -> list[float]:
    """By how many seconds each interval between two devices of a site was longer than the stagger."""
    by_site: dict[int, list[float]] = defaultdict(list)
    for device, at in left:
        by_site[int(device.rpartition("-")[2]) % _SITES].append(at)
    return [later - sooner - _STAGGER for times in by_site.values() for sooner, later in pairwise(sorted(times))]


def _part(part: str, path: Path, **more: Any) -> Child:
    return Child("bench.campaigner", part=part, url=registry.sqlite_url(path), **more)
