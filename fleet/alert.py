"""Alerts: open -> acknowledged -> resolved, one per (kind, key), and the ladder of people that an open one calls.

    open ──ack──> acknowledged ──resolve──> resolved
      └───────────────resolve──────────────────^

The ladder is copied into the alert when it opens, so a later change of the settings moves nobody's deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fleet.message import Button, Message, Style


class AlertKind(StrEnum):
    DRIFT = "drift"


class AlertState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


MOVES: dict[AlertState, frozenset[AlertState]] = {
    AlertState.OPEN: frozenset({AlertState.ACKNOWLEDGED, AlertState.RESOLVED}),
    AlertState.ACKNOWLEDGED: frozenset({AlertState.RESOLVED}),
    AlertState.RESOLVED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Call:
    """Mention somebody in the alert's thread; `next_at` is when the rung after this one is due, if there is one."""

    mention: str
    rung: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class NobodyLeft:
    """Acknowledged, resolved, or at the top of the ladder."""


def next_rung(state: AlertState, rung: int, ladder: list[dict[str, Any]], opened_at: datetime) -> Call | NobodyLeft:
    """The call that is due once an alert's `due_at` has passed; `ladder`: [{"after_s": seconds, "mention": text}]."""
    if state is not AlertState.OPEN or rung >= len(ladder):
        return NobodyLeft()
    following = ladder[rung + 1] if rung + 1 < len(ladder) else None
    return Call(
        mention=str(ladder[rung]["mention"]),
        rung=rung + 1,
        next_at=None if following is None else opened_at + timedelta(seconds=float(following["after_s"])),
    )


def message(kind: AlertKind, state: AlertState, data: Mapping[str, Any]) -> Message:
    """The alert as it stands now, with the buttons that still make sense. `data` is the alert's row as a mapping."""
    alert_id, device_id = str(data["alert_id"]), str(data["device_id"])
    show = Button(text="Show device", run=f"device show {device_id}")
    retry = Button(text="Retry push", run=f"drift retry {device_id}")
    acknowledge = Button(text="Acknowledge", run=f"alert ack {alert_id}", style=Style.PRIMARY)
    buttons = {
        AlertState.OPEN: (acknowledge, retry, show),
        AlertState.ACKNOWLEDGED: (retry, show),
        AlertState.RESOLVED: (show,),
    }[state]
    return Message(template=f"alert/{kind.value}", data={**data, "state": state.value}, buttons=buttons)
