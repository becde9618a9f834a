"""A certificate's way to its end, and how loud it is said: once at each threshold, the last time when it is over.

more than 30 days ──> nothing     30 ──> 14 ──> 7 ──> 1 ──> expired
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

EXPIRED = 0
"""The level below every threshold: the certificate has ended."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`level` is the threshold in days that was reached last, `next_at` when the one after it is."""

    level: int
    next_at: datetime | None


def standing(not_after: datetime, now: datetime, days: Sequence[int]) -> Standing | None:
    """Where a certificate stands; None while it is further from its end than the largest threshold.

    A threshold is reached at its very moment: 30 days before the end to the second.
    """
    levels = sorted({*days, EXPIRED}, reverse=True)
    reached = [level for level in levels if now >= not_after - timedelta(days=level)]
    if not reached:
        return None
    ahead = levels[len(reached) :]
    return Standing(reached[-1], not_after - timedelta(days=ahead[0]) if ahead else None)


def severity(level: int) -> str:
    """`low`, `medium`, `high` or `critical`, by the days that are left."""
    if level <= 1:
        return "critical"
    if level <= 7:
        return "high"
    return "medium" if level <= 14 else "low"
