"""Maintenance windows: planned downtime of a device, with a beginning, an end and a time zone.

planned ── its start, the device is active ──> running ── its end, or by hand ──> over
   │ \\── its start, the device is not active, or it was due while nobody was there ──> missed
   └──── by hand, or the device is decommissioned ──> cancelled
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fleet.errors import BadInput


class WindowState(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    OVER = "over"
    MISSED = "missed"
    CANCELLED = "cancelled"


def zone_named(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises BadInput."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"There is no time zone called {name}. Use a name such as Europe/Oslo or UTC.") from None


def moment(text: str, zone: ZoneInfo) -> datetime:
    """`2026-03-29T01:30` on the clocks of a zone, as a moment in UTC; one with an offset of its own keeps that.

    A time that clocks show twice means the first. One that they skip is refused: nobody can be there then.
    Raises BadInput.
    """
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text} is not a date and time. Write it as 2026-03-29T01:30.") from None
    if wall.tzinfo is not None:
        return wall.astimezone(UTC)
    found = wall.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) != wall:
        after = found.astimezone(zone)
        raise BadInput(
            f"{text} does not exist in {zone.key}: clocks are put forward then. "
            f"Take a time outside of that hour, such as {after:%Y-%m-%dT%H:%M}."
        )
    return found


def refusal(starts_at: datetime, ends_at: datetime, now: datetime, longest: timedelta) -> str | None:
    """Why a window cannot be planned so; None if it can."""
    if ends_at <= now or ends_at <= starts_at:
        return "That window would be over before it began. Give a later start, or a longer time."
    if ends_at - starts_at > longest:
        return (
            f"A window lasts at most {longest / timedelta(hours=1):g} hours (maintenance.longest). Take a shorter one."
        )
    return None
