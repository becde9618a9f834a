"""Flapping: one device drifts and mends again and again. One alert tells it, and not one for each case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta


def flaps(detected: Sequence[datetime], now: datetime, cases: int, within: timedelta) -> bool:
    """True if at least `cases` drift cases were found during the last `within`, its beginning included."""
    return sum(now - each <= within for each in detected) >= cases


def calm_at(last_detected: datetime, within: timedelta) -> datetime:
    """When it is over, unless another case is found before."""
    return last_detected + within
