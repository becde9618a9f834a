"""The chain of audit entries: each `mac` is over its entry and over the `mac` before, under a key that is elsewhere.

    GENESIS ──> entry 1, mac 1 ──> entry 2, mac 2 ──> … ──> head

    edited              its mac is not what the key makes of it
    moved               the same, as its place is part of it
    removed             a number is missing
    tail cut off        the end is not that of a head which was published before, where nobody can reach it

Whoever can write to the database but does not have the key cannot make a chain that passes.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """What is sealed. `data` is JSON; `at` is aware."""

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seal:
    """An entry's place, counted from 1, and the mac of all up to it. The last one is the head of the chain."""

    seq: int
    mac: str

    def __str__(self) -> str:
        """As it is published, and pasted: `123:9f86d0…`."""
        return f"{self.seq}:{self.mac}"


EMPTY = Seal(0, GENESIS)
"""The head of a chain without entries."""


def parse_seal(text: str) -> Seal:
    """A published head. Raises ValueError."""
    seq, _, mac = text.strip().partition(":")
    if len(mac) != len(GENESIS):
        raise ValueError(text)
    return Seal(int(seq), mac.lower())


def seal(key: bytes, entry: Entry, after: Seal) -> Seal:
    """The seal of the entry that follows `after`."""
    seq = after.seq + 1
    sealed = [seq, after.mac, entry.id, entry.at.astimezone(UTC).isoformat(timespec="microseconds")]
    text = json.dumps([*sealed, entry.actor, entry.action, entry.subject, entry.data], sort_keys=True)
    return Seal(seq, hmac.new(key, text.encode(), sha256).hexdigest())


def chain(key: bytes, entries: Iterable[Entry], after: Seal) -> list[Seal]:
    """The seals of entries that follow one another."""
    seals = []
    for entry in entries:
        after = seal(key, entry, after)
        seals.append(after)
    return seals


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, at that place of the chain, as a sentence."""

    seq: int
    said: str


class Verifier:
    """Walks the chain from its beginning. `feed` it every sealed entry in order, then ask for `ending`."""

    def __init__(self, key: bytes, published: Sequence[Seal] = ()) -> None:
        self._key = key
        self._published: dict[int, set[str]] = {}
        for each in published:
            self._published.setdefault(each.seq, set()).add(each.mac)
        self.head = EMPTY

    def feed(self, entry: Entry, found: Seal) -> Iterator[Fault]:
        """The faults of this entry."""
        expected = self.head.seq + 1
        if found.seq < expected:
            yield Fault(found.seq, f"Number {found.seq} is there twice.")
            return
        if found.seq > expected:  # its own mac cannot be checked then, as the one before it is not known
            yield Fault(expected, _missing(expected, found.seq - 1))
        elif not hmac.compare_digest(seal(self._key, entry, self.head).mac, found.mac):
            yield Fault(found.seq, f"Entry {found.seq} ({entry.id}) was changed or moved: its mac is not its own.")
        if self._published.get(found.seq, set()) - {found.mac}:
            yield Fault(found.seq, f"The head that was published at entry {found.seq} is not that of this chain.")
        self.head = found

    def ending(self, head: Seal) -> Iterator[Fault]:
        """The faults of the end. `head` is what the registry itself holds for the end of the chain."""
        if head.seq > self.head.seq:
            yield Fault(self.head.seq + 1, _missing(self.head.seq + 1, head.seq))
        elif head != self.head:
            yield Fault(self.head.seq, f"The registry takes entry {head.seq} for the last; the chain is another.")
        for seq in sorted(seq for seq in self._published if seq > self.head.seq):
            yield Fault(seq, f"A head was published at entry {seq}, and the chain ends before: its tail was cut off.")


def _missing(first: int, last: int) -> str:
    return f"Entry {first} is missing." if first == last else f"Entries {first} to {last} are missing."
