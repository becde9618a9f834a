"""What the broker has delivered and nobody has taken yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from link.stats import LinkStats


class Received(NamedTuple):
    """One message. `generation` counts connections: an id may be acked only on the connection it came over.

    `at` is when it came out of the socket, in seconds on the monotonic clock of this process.
    """

    topic: str
    payload: bytes
    retain: bool
    qos: int
    message_id: int
    generation: int
    at: float = 0.0


class Inbox:
    """A queue that is emptied in batches.

    The broker itself bounds QoS 1: it delivers no more than its in-flight window until something is acked. QoS 0 has
    no window, so beyond `most_qos0` waiting messages the newest are dropped, and counted.
    """

    def __init__(self, stats: LinkStats, most_qos0: int = 50_000) -> None:
        self._waiting: deque[Received] = deque()
        self._something = asyncio.Event()
        self._stats = stats
        self._most_qos0 = most_qos0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, received: Received) -> None:
        self._stats.received += 1
        if not received.qos and len(self._waiting) >= self._most_qos0:
            self._stats.dropped_qos0 += 1
            return
        self._waiting.append(received)
        self._something.set()

    async def take(self, most: int) -> Sequence[Received]:
        """Whatever is waiting, oldest first, at most `most` and at least one; never waits for a batch to fill."""
        while not self._waiting:
            self._something.clear()
            await self._something.wait()
        waiting = self._waiting
        if len(waiting) <= most:
            self._waiting = deque()
            return list(waiting)
        return [waiting.popleft() for _ in range(most)]

    def forget_acknowledgeable(self) -> None:
        """Let go of QoS 1 messages: called when a broker that kept the session is about to redeliver them."""
        kept = deque(received for received in self._waiting if not received.qos)
        self._stats.forgotten += len(self._waiting) - len(kept)
        self._waiting = kept
