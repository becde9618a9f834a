"""Whether sending may go on: asked again and again while a batch leaves, so that an order to stop is felt within it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

ASK_EVERY = 0.2  # seconds
_GOOD_FOR = 0.5  # seconds since the question: an answer that took longer may be older than an order to stop
_TRIES = 3


class Permission:
    """One batch's. A message leaves at most `ASK_EVERY` + `_GOOD_FOR` after a yes was asked for; a no is final.

    Without `may` nothing forbids it. `clock` counts seconds. Where the answer is late again and again, nobody
    knows, and it counts as a no.
    """

    def __init__(self, may: Callable[[], Awaitable[bool]] | None, clock: Callable[[], float]) -> None:
        self._may = may
        self._clock = clock
        self._asked_at = -math.inf
        self._refused = False

    async def holds(self) -> bool:
        if self._may and not self._refused and self._clock() >= self._asked_at + ASK_EVERY:
            self._refused = not await self._ask(self._may)
        return not self._refused

    async def _ask(self, may: Callable[[], Awaitable[bool]]) -> bool:
        for _ in range(_TRIES):
            self._asked_at = self._clock()
            if not await may():
                return False
            if self._clock() - self._asked_at <= _GOOD_FOR:
                return True
        return False
