"""One thing that doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The value is the mark that people see."""

    FINE = "✓"
    WARNING = "!"
    PROBLEM = "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    """`part` is what was looked at, `said` what was found, `mend` what to do about it; empty if nothing."""

    level: Level
    part: str
    said: str
    mend: str = ""


def fine(part: str, said: str) -> Finding:
    return Finding(Level.FINE, part, said)


def warning(part: str, said: str, mend: str) -> Finding:
    return Finding(Level.WARNING, part, said, mend)


def problem(part: str, said: str, mend: str) -> Finding:
    return Finding(Level.PROBLEM, part, said, mend)
