"""One device's numbers beside those of others of its model: the median, and what is out of line."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEAST_PEERS = 5
"""With fewer others nothing is called out of line: they are no crowd."""

_FAR = 3.5  # robust standard deviations (Iglewicz and Hoaglin, 1993)
_TO_DEVIATION = 1.4826  # of the median absolute deviation, for a normal distribution
_FULL = 90.0  # percent
_JUST_STARTED_S = 600.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One kind of number. `least`: a smaller difference to the median is never out of line."""

    name: str
    unit: str
    least: float


READINGS = (
    Reading("cpu", "%", 10.0),
    Reading("ram", "%", 10.0),
    Reading("disk", "%", 10.0),
    Reading("uptime", "s", float("inf")),  # devices start when they start
    Reading("connections", "", 2.0),
)


@dataclass(frozen=True, slots=True)
class Beside:
    """A reading, the median of its peers (None if there are none), and why it is out of line (empty: it is not)."""

    name: str
    value: float | None
    median: float | None
    peers: int
    mark: str


def readings(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """The metrics as a device sends them (`link.wire.Metrics`), as one number for each of READINGS."""
    return {
        "cpu": metrics.get("cpu_percent"),
        "ram": _share(metrics.get("ram_used_bytes"), metrics.get("ram_total_bytes")),
        "disk": _share(metrics.get("disk_used_bytes"), metrics.get("disk_total_bytes")),
        "uptime": metrics.get("uptime_seconds"),
        "connections": metrics.get("mqtt_connections"),
    }


def _share(used: float | None, total: float | None) -> float | None:
    return None if used is None or not total else 100.0 * used / total


def beside(metrics: Mapping[str, float | None], others: Sequence[Mapping[str, float | None]]) -> tuple[Beside, ...]:
    """Each reading of a device beside the same of `others`, one of each other device of its model."""
    own, theirs = readings(metrics), [readings(each) for each in others]
    return tuple(_beside(each, own[each.name], [row[each.name] for row in theirs]) for each in READINGS)


def _beside(reading: Reading, value: float | None, others: Sequence[float | None]) -> Beside:
    known = [each for each in others if each is not None]
    median = statistics.median(known) if known else None
    mark = "" if value is None else _mark(reading, value, known, median)
    return Beside(reading.name, value, median, len(known), mark)


def _mark(reading: Reading, value: float, others: Sequence[float], median: float | None) -> str:
    if reading.unit == "%" and value >= _FULL:
        return "nearly full" if reading.name != "cpu" else "busy"
    if reading.name == "uptime":
        return "just started" if value < _JUST_STARTED_S else ""
    if median is None or len(others) < LEAST_PEERS or abs(value - median) < reading.least:
        return ""
    deviation = _TO_DEVIATION * statistics.median(abs(each - median) for each in others)
    if abs(value - median) <= _FAR * deviation:
        return ""
    return "above its peers" if value > median else "below its peers"
