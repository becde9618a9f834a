"""A certificate's states, and its way to its end: said once at each threshold, the last time when it is over.

issued ── the device reports it ──> installed ── a newer one is in use ──> superseded ── its time is over ─┐
   └─────────────────── never installed, and a newer one is ─────────────────^                            v
issued, installed, superseded ── by hand, or the device is decommissioned ──────────────────────────> revoked

more than 30 days ──> nothing     30 ──> 14 ──> 7 ──> 1 ──> expired
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class CertificateState(StrEnum):
    """Superseded ones still work: they are revoked once the device was heard with the newer one for a while."""

    ISSUED = "issued"
    INSTALLED = "installed"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class RequestState(StrEnum):
    """What became of a device's request for a certificate. `waiting`: for a person to provision the device."""

    PENDING = "pending"
    WAITING = "waiting"
    ISSUED = "issued"
    REFUSED = "refused"


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
