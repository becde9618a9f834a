"""An operation: one thing that Muster asks of one device, sent as often as needed and settled once.

              send                 ack applied
    queued ─────────> sent ───────────────────> done
      ^  \\             │ \\──── ack rejected ──> rejected
      │   \\            │  \\─── nobody answers > expired ──(a late ack)──> done, rejected
      └──retry──────────┘
    queued, sent, expired ── no longer wanted ──> cancelled

An ack may overtake our own record of having sent (queued -> done), come twice, late, or never.
"""

from __future__ import annotations

from enum import StrEnum


class OperationKind(StrEnum):
    """What is asked. How each kind becomes a message is in `jobs/dispatch.py`."""

    CONFIG = "config"
    PING = "ping"
    METRICS = "metrics"
    LOGS = "logs"
    CERTIFICATE_RENEW = "certificate_renew"
    CERTIFICATE_ISSUED = "certificate_issued"
    FIRMWARE = "firmware"
    CLEAR = "clear"
    RESTART = "restart"


class OperationState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


_Q, _S, _E = OperationState.QUEUED, OperationState.SENT, OperationState.EXPIRED

MOVES: dict[OperationState, frozenset[OperationState]] = {
    OperationState.QUEUED: frozenset({_S, _E, OperationState.DONE, OperationState.REJECTED, OperationState.CANCELLED}),
    OperationState.SENT: frozenset({_Q, _E, OperationState.DONE, OperationState.REJECTED, OperationState.CANCELLED}),
    OperationState.EXPIRED: frozenset({OperationState.DONE, OperationState.REJECTED, OperationState.CANCELLED}),
    OperationState.DONE: frozenset(),
    OperationState.REJECTED: frozenset(),
    OperationState.CANCELLED: frozenset(),
}


def sources(of: OperationState) -> tuple[OperationState, ...]:
    """The states from which `of` can be reached: the condition of every compare-and-set."""
    return tuple(state for state, reached in MOVES.items() if of in reached)
