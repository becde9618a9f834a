"""A question to many as people see it: one message, from its first device to its report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fleet import diagnostic_message
from fleet.diagnostics import UNSETTLED, RequestState
from fleet.fan_out import Report, listed
from fleet.message import Button, Message

_LONGEST_RUN = 2_000


def progress(row: Mapping[str, Any], counts: Mapping[RequestState, int], now: datetime, *, unsent: int = 0) -> Message:
    """How far it is. `row` are the columns of `fan_outs`; `unsent` of those in `counts` have not left yet."""
    taken, offline = sum(counts.values()), counts.get(RequestState.OFFLINE, 0)
    given_up = counts.get(RequestState.EXPIRED, 0)
    data = {
        **_common(row, now),
        "asked": taken - offline - given_up - unsent,
        "offline": offline,
        "answered": counts.get(RequestState.ANSWERED, 0),
        "waited_for": sum(counts.get(state, 0) for state in UNSETTLED) - unsent,
        "given_up": given_up,
        "left": max(0, row["total"] - taken) + unsent,
    }
    return Message(template="diag/progress", data=data)


def closed(row: Mapping[str, Any], found: Report, now: datetime) -> Message:
    """The report."""
    named, more = listed(found.silent)
    data = {
        **_common(row, now),
        "asked": found.asked,
        "answered": found.answered,
        "offline": found.offline,
        "given_up": found.given_up,
        "silent": named,
        "more": more,
        "incomplete": found.counts.get(RequestState.INCOMPLETE, 0) + found.counts.get(RequestState.FAULTY, 0),
        "p50": found.latency(0.5),
        "p95": found.latency(0.95),
        "slowest": found.latency(1.0),
        "worst": found.worst,
        "skewed": found.skewed,
        "took_s": (now - row["created_at"]).total_seconds(),
    }
    again = diagnostic_message.line(row["kind"], row["selector"], row["params"])
    buttons = (Button(text="Ask again", run=again),) if len(again) <= _LONGEST_RUN else ()
    return Message(template="diag/report", data=data, buttons=buttons)


def _common(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "id": row["id"],
        "kind": row["kind"].value,
        "what": diagnostic_message.what(row["kind"], row["params"]),
        "selector": row["selector"],
        "total": row["total"],
        "by": row["requested_by"],
        "asked_at": row["created_at"],
    }
