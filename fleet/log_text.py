"""What is in a log, at a glance: how many lines of each level, and from when to when."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_LEVEL = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|EMERG|ALERT)\b", re.IGNORECASE
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_LOOKED_AT = 200  # characters of a line: its level and its moment stand in front
_NAMES = {
    "TRACE": "debug",
    "NOTICE": "info",
    "WARN": "warning",
    "ERR": "error",
    "CRIT": "critical",
    "FATAL": "critical",
    "EMERG": "critical",
    "ALERT": "critical",
}
ORDER = ("critical", "error", "warning", "info", "debug")


@dataclass(frozen=True, slots=True)
class LogSummary:
    """`levels` from the worst on, without those that do not occur; `first` and `last` as the device wrote them."""

    lines: int
    levels: dict[str, int]
    first: str | None
    last: str | None


def summary(text: str) -> LogSummary:
    """Counts each line by the first level that is named in it; lines without one are not counted by level."""
    lines = text.splitlines()
    heads = [line[:_LOOKED_AT] for line in lines]
    found = Counter(_named(level[1]) for head in heads if (level := _LEVEL.search(head)))
    moments = (moment[0] for head in heads if (moment := _MOMENT.search(head)))
    first = next(moments, None)
    backwards = (moment[0] for head in reversed(heads) if (moment := _MOMENT.search(head)))
    levels = {name: found[name] for name in ORDER if found[name]}
    return LogSummary(len(lines), levels, first, next(backwards, None))


def _named(level: str) -> str:
    upper = level.upper()
    return _NAMES.get(upper, upper.lower())
