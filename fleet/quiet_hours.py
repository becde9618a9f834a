"""Quiet hours: at night an alert of a low severity waits until people are up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from fleet.alert import Severity
from fleet.settings import QuietHours


def posted_at(severity: Severity, now: datetime, hours: Sequence[QuietHours]) -> datetime:
    """When an alert of that severity may be posted: now, or the end of the quiet hours that hold it back."""
    ends = [_end(each, now) for each in hours if severity.rank <= each.up_to.rank]
    return max([now, *(end for end in ends if end)])


def _end(hours: QuietHours, now: datetime) -> datetime | None:
    """The end of these quiet hours, if they are on now. Their clock is the wall's, also when the time changes."""
    zone = ZoneInfo(hours.zone)
    local = now.astimezone(zone)
    for day in (local.date() - timedelta(days=1), local.date()):
        begin = datetime.combine(day, hours.begin, zone)
        end = datetime.combine(day if hours.begin < hours.end else day + timedelta(days=1), hours.end, zone)
        if begin <= local < end:
            return end.astimezone(UTC)
    return None
