"""Leaving: a device is decommissioned only when the export of its data is certain.

                 ┌── a telemetry store is configured ──> waiting ── export.confirmed ──> confirmed ─┐
decommission ────┤                                          └────── by hand, with a reason ─> overridden ─┼─> done
                 └── none is: Muster's own export, read back ──> verified ───────────────────┘
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum


class ExportState(StrEnum):
    WAITING = "waiting"
    CONFIRMED = "confirmed"
    VERIFIED = "verified"
    OVERRIDDEN = "overridden"
    CANCELLED = "cancelled"


CERTAIN = frozenset({ExportState.CONFIRMED, ExportState.VERIFIED, ExportState.OVERRIDDEN})
"""Only a device whose export is in one of these states may be decommissioned."""


def retain_until(now: datetime, years: int) -> datetime:
    """So many calendar years later; the 29th of February becomes the 28th where there is none."""
    try:
        return now.replace(year=now.year + years)
    except ValueError:
        return now.replace(year=now.year + years, day=28)
