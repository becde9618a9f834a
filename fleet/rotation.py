"""When each certificate of a fleet is renewed: the earliest end first, so many a day, never all at once.

    ends:   dev-7 in 2 d   dev-1 in 9 d   dev-3 in 40 d   dev-2 in 41 d   …         (sorted: the order of the campaign)
    days:   1 ├─ quota ─┤  2 ├─ quota ─┤  3 ├─ quota ─┤  …  `over` days at most

A day's devices are one wave, and each of them gets a place of its own in it, so that no more than `per_minute` of them
renew, and so reconnect, in a minute. The order by end is the best there is: if any order of this quota lets nobody
expire, this one does. Whoever ends before their day is over has no slot, and is named beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.errors import BadInput

DAY = timedelta(days=1)
_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Rotation:
    """`quota` devices a day, for `days` days. `late` of them end before their day is over; `safe_over` is the longest
    time over which none would, None if even one day is too long, or more than `per_minute` would have to reconnect.
    """

    devices: int
    days: int
    quota: int
    late: int
    safe_over: timedelta | None


def plan(ends: Sequence[datetime], now: datetime, over: timedelta, per_minute: int) -> Rotation:
    """Spread devices over days, from `now` on. `ends`: when their certificates end, in any order.

    Raises BadInput when the days are too few for so many at that pace.
    """
    days = over // DAY
    if days < 1:
        raise BadInput("A rotation takes a day at least, like --over 30d: a fleet is never renewed all at once.")
    quota = math.ceil(len(ends) / days)
    if quota > per_minute * _MINUTES:
        needed = math.ceil(len(ends) / (per_minute * _MINUTES))
        raise BadInput(
            f"{len(ends):,} devices in {days} days are {quota:,} a day, and at {per_minute:,} a minute at most "
            f"{per_minute * _MINUTES:,} are possible. Give it --over {needed}d or more."
        )
    ordered = sorted(ends)
    late = sum(end <= slot_ends(place, quota, now) for place, end in enumerate(ordered))
    used = math.ceil(len(ends) / quota) if quota else 0
    return Rotation(len(ends), used, quota, late, _safe(ordered, now, per_minute))


def slot_ends(place: int, quota: int, start: datetime) -> datetime:
    """When the day of a device is over; `place` counts from 0 in the order of ends."""
    return start + (place // quota + 1) * DAY


def _safe(ordered: Sequence[datetime], now: datetime, per_minute: int) -> timedelta | None:
    """The longest time over which nobody ends before their slot is over.

    The device at `place` must be among the first `left` days' quotas, where `left` whole days are left to it.
    """
    quota = 1
    for place, end in enumerate(ordered):
        left = math.ceil((end - now) / DAY) - 1  # the end itself is too late
        if left < 1:
            return None
        quota = max(quota, math.ceil((place + 1) / left))
    if quota > per_minute * _MINUTES:
        return None
    # The most days that still need so many a day: one more, and the quota would be too small.
    return DAY * ((len(ordered) - 1) // (quota - 1) if quota > 1 else max(len(ordered), 1))
