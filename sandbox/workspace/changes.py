"""Who is told when something in the workspace changes: waiting tests and open pages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.workspace.state import Message


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` is message, deleted, run, surfaces, groups, channels or socket. `facts` with a `user` are theirs alone."""

    number: int
    kind: str
    message: Message | None = None
    facts: dict[str, Any] | None = None


class Changes:
    """Numbered from 1; the last `size` are kept, so that a waiter asks only for what is new."""

    def __init__(self, size: int = 20_000) -> None:
        self.number = 0
        self.listeners: set[Callable[[Change], None]] = set()
        self._kept: deque[Change] = deque(maxlen=size)
        self._waiting: set[asyncio.Future[None]] = set()

    def tell(self, kind: str, message: Message | None = None, facts: dict[str, Any] | None = None) -> Change:
        self.number += 1
        change = Change(self.number, kind, message, facts)
        if message is not None:
            message.change = self.number
            self._kept.append(change)
        for listener in tuple(self.listeners):
            listener(change)
        self.wake()
        return change

    def wake(self) -> None:
        """Wakes the waiters without a numbered change (a journal entry was written)."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def messages_after(self, number: int) -> list[Message]:
        """Messages changed since, oldest change first, each once."""
        found: dict[tuple[str, str], Message] = {}
        for change in reversed(self._kept):
            if change.number <= number:
                break
            if change.message is not None:
                found.setdefault((change.message.channel, change.message.ts), change.message)
        return list(reversed(found.values()))

    async def wait(self, timeout: float) -> bool:
        """Waits for the next change or journal entry; False when none came in `timeout` seconds."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True
