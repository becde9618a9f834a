"""Drift: a device runs another configuration than the one it should, and what is done about it.

It begins with `provisioned` and ends with `decommissioned`, as all monitoring does.

                      seen in the last 5 min            no ack, retries left
    (drift found) ──────────────────────────> pushing <──┐ (retry)
          │ else                               ^ │ │ └───┘
          v             heard from again       │ │ │ no ack after the last retry
       waiting ────────────────────────────────┘ │ └──────────> unresponsive ──┐ heard from again, at
                                                 │ the device      ^           │ most once an hour
                                                 v says no         └─ pushing <┘ (a fresh round)
                                              rejected
    every open state ── reports the target, acks it, or has no other target any more ──> resolved
    every open state ── still open 24 h after detection (rejected: at once) ──> escalated, in whatever state it is
    every open state ── gets a new target ──> pushing or waiting, with a new operation; `detected_at` stays

In `waiting` the retained message is published at once too: the broker hands it over on reconnect, and the clock for
the ack starts when the device is next heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from fleet.lifecycle import UNWATCHED, DeviceStatus
from fleet.settings import DriftSettings


class CaseState(StrEnum):
    PUSHING = "pushing"
    WAITING = "waiting"
    UNRESPONSIVE = "unresponsive"
    REJECTED = "rejected"
    RESOLVED = "resolved"


OPEN = tuple(state for state in CaseState if state is not CaseState.RESOLVED)

MOVES: dict[CaseState, frozenset[CaseState]] = {
    CaseState.PUSHING: frozenset(CaseState),
    CaseState.WAITING: frozenset({CaseState.PUSHING, CaseState.WAITING, CaseState.REJECTED, CaseState.RESOLVED}),
    CaseState.UNRESPONSIVE: frozenset(CaseState) - {CaseState.UNRESPONSIVE},
    CaseState.REJECTED: frozenset(CaseState) - {CaseState.UNRESPONSIVE},
    CaseState.RESOLVED: frozenset(),
}


class Resolution(StrEnum):
    """Why a case was closed."""

    ACKED = "acked"
    REPORTED = "reported"
    NOT_DRIFTED = "no longer drifted"


class DueCase(Protocol):
    """The part of a drift case that the rule looks at."""

    @property
    def state(self) -> CaseState: ...
    @property
    def attempt(self) -> int: ...
    @property
    def due_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Push:
    """Send the target, as attempt number `attempt` (1 is the first of a round)."""

    attempt: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The round is over without an answer; `fresh_at` is the earliest moment of another one."""

    fresh_at: datetime


@dataclass(frozen=True, slots=True)
class Nothing:
    """Not due, or nothing that time alone can change."""


Step = Push | GiveUp | Nothing


def is_online(last_seen_at: datetime | None, now: datetime, within: timedelta) -> bool:
    """Heard from during the last `within`, its end included."""
    return last_seen_at is not None and now - last_seen_at <= within


def is_drifted(status: DeviceStatus, target: str | None, reported: str) -> bool:
    """It has a target and reports another configuration, or none, while it is watched."""
    return status not in UNWATCHED and target is not None and target != reported


def first_state(last_seen_at: datetime | None, now: datetime, policy: DriftSettings) -> CaseState:
    """PUSHING for a device that is online, WAITING for one that is not."""
    return CaseState.PUSHING if is_online(last_seen_at, now, policy.online_within) else CaseState.WAITING


def next_step(case: DueCase, now: datetime, policy: DriftSettings) -> Step:
    """What follows when the deadline in `due_at` has passed.

    In `pushing` it is the ack's deadline; in `unresponsive` it is set when the device is heard again. A case without
    a deadline waits for the device, for a person, or for its message to leave.
    """
    if case.due_at is None or case.due_at > now:
        return Nothing()
    match case.state:
        case CaseState.PUSHING if case.attempt <= policy.retries:
            return Push(case.attempt + 1)
        case CaseState.PUSHING:
            return GiveUp(fresh_at=now + policy.fresh_round_every)
        case CaseState.UNRESPONSIVE:
            return Push(1)
        case _:
            return Nothing()
