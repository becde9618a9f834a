"""Alerts: open -> acknowledged -> resolved, one per (kind, key), and the ladder of people that an open one calls.

            ack                     the cause ended, or by hand
    open ─────────> acknowledged ──────────────────────────────> resolved <── open, snoozed
     │ ^              │   │
     │ └─ got louder ─┘   │ snooze
     └──────snooze─────> snoozed ── its time is over, or ended by hand ──> open, and the ladder begins anew
                            └───ack──> acknowledged

The ladder is copied into the alert when it opens, so a later change of the settings moves nobody's deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class AlertKind(StrEnum):
    """What an alert is about. Each of them ends by itself when its cause does."""

    DRIFT = "drift"
    UNKNOWN_VERSION = "unknown_version"
    FLAPPING = "flapping"
    LOCATION = "location"
    CERTIFICATE = "certificate"
    OFFLINE = "offline"
    CPU = "cpu"
    RAM = "ram"
    DISK = "disk"
    REVOCATION_LIST = "revocation_list"


OF_THE_HOUSE = frozenset({AlertKind.REVOCATION_LIST})
"""These are about Muster itself and no device."""


class Severity(StrEnum):
    """How bad it is. Quiet hours hold back the lower ones (settings `alerts.quiet_hours`)."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info up to 2 for critical."""
        return list(Severity).index(self)


class AlertState(StrEnum):
    OPEN = "open"
    SNOOZED = "snoozed"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


MOVES: dict[AlertState, frozenset[AlertState]] = {
    AlertState.OPEN: frozenset({AlertState.ACKNOWLEDGED, AlertState.SNOOZED, AlertState.RESOLVED}),
    AlertState.SNOOZED: frozenset(AlertState),
    AlertState.ACKNOWLEDGED: frozenset({AlertState.OPEN, AlertState.SNOOZED, AlertState.RESOLVED}),
    AlertState.RESOLVED: frozenset(),
}


def sources(of: AlertState) -> tuple[AlertState, ...]:
    """The states from which `of` can be reached: the condition of every compare-and-set."""
    return tuple(state for state, reached in MOVES.items() if of in reached)


@dataclass(frozen=True, slots=True)
class Call:
    """Mention somebody in the alert's thread; `next_at` is when the rung after this one is due, if there is one."""

    mention: str
    rung: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class NobodyLeft:
    """Acknowledged, resolved, or at the top of the ladder."""


def next_rung(
    state: AlertState, rung: int, ladder: list[dict[str, Any]], began_at: datetime, now: datetime
) -> Call | NobodyLeft:
    """The call that is due once an alert's `due_at` has passed; `ladder`: [{"after_s": seconds, "mention": text}].

    A call that comes late, because the alert was paused or nobody was there to send it, does not take the time from
    the people it calls: the next one keeps its distance.
    """
    if state is not AlertState.OPEN or rung >= len(ladder):
        return NobodyLeft()
    following = ladder[rung + 1] if rung + 1 < len(ladder) else None
    next_at = None
    if following is not None:
        distance = float(following["after_s"]) - float(ladder[rung]["after_s"])
        planned = began_at + timedelta(seconds=float(following["after_s"]))
        next_at = max(planned, now + timedelta(seconds=max(distance, 0.0)))
    return Call(mention=str(ladder[rung]["mention"]), rung=rung + 1, next_at=next_at)


def about(kind: AlertKind, device_id: str | None, data: dict[str, Any]) -> str:
    """Whom or what an alert is about, in a few words for a list or a sentence."""
    if kind is AlertKind.UNKNOWN_VERSION:
        return f"configuration {data.get('version')}"
    if kind in OF_THE_HOUSE:
        return f"the revocation list of {data.get('replica')}"
    return device_id or f"the devices at {data.get('site') or 'no site'}"
