"""Durations as people write them: `5m`, `24h`, `30s`, `7d`, `250ms`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def duration(value: object) -> object:
    """`5m` -> timedelta(minutes=5); anything else is left to whoever asks, such as pydantic (seconds, ISO 8601).

    Raises ValueError if it is too long to be counted.
    """
    if isinstance(value, str) and (found := _WRITTEN.fullmatch(value)):
        try:
            return float(found[1]) * _UNITS[found[2]]
        except OverflowError:
            raise ValueError(f"{value} is longer than can be counted") from None
    return value


def short(value: timedelta) -> str:
    """A duration as it would be typed, `5m`: in the largest unit that gives a whole number."""
    for unit, length in _UNITS.items():
        if value % length == timedelta():
            return f"{value // length}{unit}"
    return f"{value / timedelta(milliseconds=1)}ms"
