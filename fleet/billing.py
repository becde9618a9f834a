"""Billing: which stretches of time a device is billed for, and how much of a month they are.

start ──────> billed ── stop ──> not billed ── resume ──> billed
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum

from fleet.errors import BadInput

_MONTH = re.compile(r"(\d{4})-(\d{2})")


class BillingKind(StrEnum):
    START = "start"
    STOP = "stop"
    RESUME = "resume"


def month(text: str, now: datetime) -> tuple[datetime, datetime]:
    """`2026-03` as the moments where it begins and where it ends, in UTC; the month that is on ends now.

    Raises BadInput, also for a month that has not begun.
    """
    found = _MONTH.fullmatch(text)
    if not found or not 1 <= int(found[2]) <= 12 or not 1 <= int(found[1]) <= 9998:
        raise BadInput(f"{text} is not a month. Write it as 2026-03.")
    year, number = int(found[1]), int(found[2])
    begin = datetime(year, number, 1, tzinfo=UTC)
    if begin > now:
        raise BadInput(f"{text} has not begun, so nothing is billed in it. The newest month is {now:%Y-%m}, so far.")
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return begin, min(datetime(*following, 1, tzinfo=UTC), now)


def part_of(
    started_at: datetime, ended_at: datetime | None, begin: datetime, end: datetime
) -> tuple[datetime, datetime]:
    """The part of a billing period that lies between two moments; an open period reaches to the second of them."""
    return max(started_at, begin), min(ended_at or end, end)
