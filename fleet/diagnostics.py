"""Diagnostics: one question to one device, and what its answer is put together from.

                 heard again            chunk          every chunk is here
    waiting ───────────────> asked ────────────> answering ───────────────> answered
       │                       │ 30 s without a chunk │ 30 s without a chunk   ^
       │ it did not come back  v                      v        late chunks     │
       └──────> expired      silent ──(late)──>    incomplete ─────────────────┘
                  ^                                   until the request expires
                  └─ it could not be sent in time     ├── contradicts itself, or too large ──> faulty
    offline: one of many, was offline and was not asked

A log comes in chunks, numbered from 1, in any order and any of them twice. `Parts` takes them one by one: equal ones
are harmless, and whatever does not fit together is a fault, after which nothing more is taken. So the text is exact,
or it is declared incomplete with the exact gaps.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

MOST_CHUNKS = 1_000
MOST_BYTES = 8 * 1024 * 1024


class DiagnosticKind(StrEnum):
    PING = "ping"
    METRICS = "metrics"
    LOGS = "logs"


class LogLevel(StrEnum):
    """The least level of the lines that are asked for."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class RequestState(StrEnum):
    WAITING = "waiting"
    ASKED = "asked"
    ANSWERING = "answering"
    ANSWERED = "answered"
    INCOMPLETE = "incomplete"
    FAULTY = "faulty"
    SILENT = "silent"
    EXPIRED = "expired"
    OFFLINE = "offline"


UNSETTLED = (RequestState.ASKED, RequestState.ANSWERING)
"""Somebody still waits for the answer."""

TAKES_ANSWERS = (*UNSETTLED, RequestState.INCOMPLETE, RequestState.SILENT, RequestState.EXPIRED)
"""An answer may come after its time, and after Muster gave up sending what had left after all."""


class Fault(StrEnum):
    """Why the chunks of an answer do not fit together."""

    CONFLICT = "a chunk came twice with different text"
    TOTAL = "the number of chunks changed"
    BEYOND = "a chunk is numbered beyond their number"
    TOO_MANY = "more than 1,000 chunks"
    TOO_LARGE = "more than 8 MiB"


class Taken(StrEnum):
    """What became of a chunk: `KEPT` is new, `AGAIN` was here, `REFUSED` comes with or after a fault."""

    KEPT = "kept"
    AGAIN = "again"
    REFUSED = "refused"


def digest(text: str) -> str:
    """What tells two chunks apart without keeping both."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True)
class Parts:
    """What has come of one answer: `digests` by number of the chunk, `size` in bytes of UTF-8."""

    total: int | None = None
    size: int = 0
    fault: Fault | None = None
    digests: dict[int, str] = field(default_factory=dict)

    def take(self, number: int, total: int, text: str) -> Taken:
        """Count one chunk in, if it fits what is here. A fault is for good."""
        if self.fault is not None:
            return Taken.REFUSED
        size, told = len(text.encode("utf-8", "surrogatepass")), digest(text)
        known = self.digests.get(number)
        if known == told and total == self.total:
            return Taken.AGAIN
        self.fault = self._fault(number, total, known, size)
        if self.fault is not None:
            return Taken.REFUSED
        self.total, self.size = total, self.size + size
        self.digests[number] = told
        return Taken.KEPT

    def _fault(self, number: int, total: int, known: str | None, size: int) -> Fault | None:
        if total > MOST_CHUNKS:
            return Fault.TOO_MANY
        if self.total not in (None, total):
            return Fault.TOTAL
        if not 1 <= number <= total:
            return Fault.BEYOND
        if known is not None:
            return Fault.CONFLICT
        return Fault.TOO_LARGE if self.size + size > MOST_BYTES else None

    @property
    def complete(self) -> bool:
        """Every chunk is here, and they fit together."""
        return self.fault is None and self.total is not None and len(self.digests) == self.total


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of chunks without a gap; something may be missing right before or right after it."""

    first: int
    last: int
    text: str
    after_gap: bool = False
    before_gap: bool = False


@dataclass(frozen=True, slots=True)
class Assembly:
    """A log as far as it is here. `gaps` are the missing chunks, first and last of each run."""

    pieces: tuple[Piece, ...]
    gaps: tuple[tuple[int, int], ...]


def assemble(chunks: Mapping[int, str], total: int | None) -> Assembly:
    """Put together what is here of `total` chunks, in order of their numbers, whatever order they came in.

    Without a total nothing has come, and so nothing is known to be missing.
    """
    gaps = tuple(runs(set(range(1, (total or 0) + 1)) - set(chunks)))
    pieces = tuple(
        Piece(first, last, "".join(chunks[number] for number in range(first, last + 1)), first > 1, last < (total or 0))
        for first, last in runs(chunks)
    )
    return Assembly(pieces, gaps)


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The first and last of each run of numbers that follow each other: {1, 2, 5} -> [(1, 2), (5, 5)]."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def gap_map(gaps: Iterable[tuple[int, int]], total: int, width: int = 40) -> str:
    """The answer as a line: `■■□■` has lost its third chunk. Above `width` chunks one sign stands for several."""
    missing = {number for first, last in gaps for number in range(first, last + 1)}
    signs = min(total, width)
    edges = [at * total // signs for at in range(signs + 1)]
    lost = (any(number + 1 in missing for number in range(a, b)) for a, b in pairwise(edges))
    return "".join("□" if each else "■" for each in lost)


def joined(assembly: Assembly, texts: Iterable[str], total: int) -> str:
    """The pieces in order, `texts` being what is shown of each, with a line in the place of each gap."""
    parts = [(piece.first, text) for piece, text in zip(assembly.pieces, texts, strict=True)]
    parts += [(first, f"\n[… {missing(first, last)} of {total} did not come …]\n") for first, last in assembly.gaps]
    return "".join(text for _, text in sorted(parts))


def missing(first: int, last: int) -> str:
    """`chunk 3`, `chunks 3 to 5`."""
    return f"chunk {first}" if first == last else f"chunks {first} to {last}"


def percentile(samples: Iterable[float], share: float) -> float:
    """The smallest sample that at least `share` of all (0 to 1) do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a request stands after its time ran out, or its last chunk came. `due_at` None: nothing more happens."""

    state: RequestState
    due_at: datetime | None


def verdict(parts: Parts, sent: bool, expires_at: datetime, now: datetime) -> Verdict:
    """What a request has become. An incomplete answer may still be completed until the request expires."""
    if parts.fault is not None:
        return Verdict(RequestState.FAULTY, None)
    if parts.complete:
        return Verdict(RequestState.ANSWERED, None)
    if parts.digests:
        return Verdict(RequestState.INCOMPLETE, expires_at if now < expires_at else None)
    if not sent and now < expires_at:
        return Verdict(RequestState.ASKED, expires_at)  # the broker is away: it is sent when it is back
    return Verdict(RequestState.SILENT if sent else RequestState.EXPIRED, None)


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Milliseconds. `approximate`: by wall clocks, since question and answer did not pass through one process."""

    ms: float
    approximate: bool


def round_trip(departed: float | None, arrived: float | None, sent_at: datetime, heard_at: datetime) -> RoundTrip:
    """`departed` and `arrived` are seconds on the monotonic clock of this process, None where it does not know."""
    if departed is not None and arrived is not None and arrived >= departed:
        return RoundTrip((arrived - departed) * 1e3, approximate=False)
    return RoundTrip(max((heard_at - sent_at) / timedelta(milliseconds=1), 0.0), approximate=True)
