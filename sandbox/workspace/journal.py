"""What happened, for tests to read: every API call, envelope, response_url use, socket and personal act.

A ring: the oldest entries fall out, so that a demo may run for weeks.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

Entry = dict[str, Any]

#: Bodies above this many bytes are kept without their lists and objects (a history answer can be megabytes).
KEPT_BYTES = 65_536


class Journal:
    """Entries are dicts with `n` (1, 2, 3, …), `kind`, `at` (seconds since the epoch) and what belongs to the kind.

    An entry may be filled in later, e.g. `ack_ms` of an envelope.
    """

    def __init__(
        self, clock: Callable[[], float], size: int = 50_000, written: Callable[[], None] = lambda: None
    ) -> None:
        """`written` is called after each entry: it wakes those who wait for one."""
        self._clock = clock
        self._written = written
        self._entries: deque[Entry] = deque(maxlen=size)
        self._last = 0

    def add(self, kind: str, **facts: Any) -> Entry:
        self._last += 1
        entry: Entry = {"n": self._last, "kind": kind, "at": self._clock(), **facts}
        self._entries.append(entry)
        self._written()
        return entry

    def entries(self, *, after: int = 0, kind: str | None = None, method: str | None = None) -> list[Entry]:
        """Oldest first; those with `n > after`, of one kind, or of one Web API method."""
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if entry["n"] <= after:
                break
            if (kind is None or entry["kind"] == kind) and (method is None or entry.get("method") == method):
                found.append(entry)
        found.reverse()
        return found

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def shortened(body: Any) -> Any:
    """The body itself, or its plain values alone where it is large."""
    if not isinstance(body, dict) or len(json.dumps(body, default=str)) <= KEPT_BYTES:
        return body
    return {key: value for key, value in body.items() if not isinstance(value, list | dict)} | {"shortened": True}
