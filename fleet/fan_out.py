"""One question to many devices: asked a slice at a time, watched, and reported when nobody is waited for any more.

asking ── every device is taken up ──> watching ── all settled, or the deadline ──> closed
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fleet.diagnostics import UNSETTLED, DiagnosticKind, RequestState, percentile
from fleet.log_text import ORDER
from fleet.peers import beside, readings
from fleet.settings import DiagnosticsSettings

SLICE_EVERY = timedelta(milliseconds=500)
_LISTED = 30
_WORST = 10
_BAD_LEVELS = ORDER[:2]
_NOT_SILENT = (RequestState.ANSWERED, RequestState.OFFLINE, RequestState.EXPIRED)


class Step(StrEnum):
    ASK = "ask"
    WAIT = "wait"
    CLOSE = "close"


def slice_of(policy: DiagnosticsSettings) -> int:
    """How many devices are asked at a time, so that they are `fan_out_per_second`."""
    return max(1, round(policy.fan_out_per_second * SLICE_EVERY.total_seconds()))


def next_step(
    done_at: datetime | None, counts: Mapping[RequestState, int], now: datetime, policy: DiagnosticsSettings
) -> Step:
    """What to do about a question to many. Its deadline: what each request may take, after the last was asked."""
    if done_at is None:
        return Step.ASK
    open_ones = sum(counts.get(state, 0) for state in UNSETTLED)
    deadline = done_at + policy.expires_after + policy.chunk_timeout
    return Step.CLOSE if not open_ones or now >= deadline else Step.WAIT


@dataclass(frozen=True, slots=True)
class Report:
    """What an operator wants to know. `latencies` in milliseconds, of pings; `worst` as rows of device and why."""

    counts: dict[RequestState, int]
    latencies: list[float]
    silent: list[str]
    offline: int
    worst: list[list[str]]
    skewed: int

    @property
    def asked(self) -> int:
        return sum(self.counts.values()) - self.offline - self.given_up

    @property
    def given_up(self) -> int:
        """Those that were not asked, as the question did not leave in its time."""
        return self.counts.get(RequestState.EXPIRED, 0)

    @property
    def answered(self) -> int:
        return self.counts.get(RequestState.ANSWERED, 0)

    def latency(self, share: float) -> float | None:
        return percentile(self.latencies, share) if self.latencies else None


def report(kind: DiagnosticKind, requests: Sequence[Mapping[str, Any]], clock_off: timedelta) -> Report:
    """Count and rank the requests (their columns)."""
    counts = Counter(each["state"] for each in requests)
    answered = [each for each in requests if each["state"] is RequestState.ANSWERED]
    off = clock_off.total_seconds()
    silent = [each["device_id"] for each in requests if each["state"] not in _NOT_SILENT]
    return Report(
        counts=dict(counts),
        latencies=[each["rtt_ms"] for each in answered if each["rtt_ms"] is not None],
        silent=sorted(silent),
        offline=counts[RequestState.OFFLINE],
        worst=_WORSE[kind](answered)[:_WORST],
        skewed=sum(abs(each["skew_s"] or 0.0) > off for each in answered),
    )


def _slowest(answered: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    ranked = sorted(answered, key=lambda each: -(each["rtt_ms"] or 0.0))
    return [[each["device_id"], f"{each['rtt_ms']:,.0f} ms"] for each in ranked]


def _fullest(answered: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Those with most readings out of line for their model, and among these the one whose fullest part is fuller."""
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for each in answered:
        by_model.setdefault(each["model"], []).append(each["result"])
    ranked = []
    for each in answered:
        # Its own numbers among those of its model move no median of five or more.
        marks = [row for row in beside(each["result"], by_model[each["model"]][:_PEERS]) if row.mark]
        numbers = readings(each["result"])
        fullest = max((numbers[name] or 0.0 for name in ("disk", "ram", "cpu")), default=0.0)
        words = ", ".join(f"{row.name} {row.mark}" for row in marks)
        shown = ", ".join(
            f"{name} {numbers[name]:.0f} %" for name in ("disk", "ram", "cpu") if numbers[name] is not None
        )
        ranked.append((-len(marks), -fullest, each["device_id"], f"{shown}{f': {words}' if words else ''}"))
    return [[device_id, shown] for _, _, device_id, shown in sorted(ranked)]


_PEERS = 200


def _loudest(answered: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    def bad(each: Mapping[str, Any]) -> int:
        levels: Mapping[str, int] = each["result"].get("levels") or {}
        return sum(levels.get(name, 0) for name in _BAD_LEVELS)

    ranked = sorted(answered, key=lambda each: (-bad(each), each["device_id"]))
    return [[each["device_id"], f"{bad(each):,} lines of error and worse"] for each in ranked if bad(each)]


_WORSE = {DiagnosticKind.PING: _slowest, DiagnosticKind.METRICS: _fullest, DiagnosticKind.LOGS: _loudest}


def listed(device_ids: Sequence[str]) -> tuple[list[str], int]:
    """The first of them, to be named, and how many more there are."""
    return list(device_ids[:_LISTED]), max(0, len(device_ids) - _LISTED)
