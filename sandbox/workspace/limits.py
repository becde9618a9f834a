"""Slack's rate limits: about one message a second and channel with short bursts, and 50 edits a minute.

Source: Slack's "Rate limits" page (chat.postMessage: special tier; chat.update: tier 3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.workspace.errors import rate_limited


@dataclass(slots=True)
class RateLimits:
    """`enabled=False` switches all limits off; the others are counts and rates as Slack counts them."""

    enabled: bool = True
    posts_per_second: float = 1.0
    post_burst: int = 3
    updates_per_minute: int = 50


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Raises `ratelimited` when a call comes too early. Time is monotonic, in seconds."""

    def __init__(self, limits: RateLimits, monotonic: Callable[[], float]) -> None:
        self.limits = limits
        self._monotonic = monotonic
        self._channels: dict[str, _Bucket] = {}
        self._updates: deque[float] = deque()

    def post(self, channel: str) -> None:
        """One chat.postMessage to a channel: a token bucket of `post_burst`, filled at `posts_per_second`."""
        if not self.limits.enabled:
            return
        now, rate, burst = self._monotonic(), self.limits.posts_per_second, self.limits.post_burst
        bucket = self._channels.setdefault(channel, _Bucket(float(burst), now))
        bucket.tokens = min(float(burst), bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1.0 - 1e-9:
            raise rate_limited((1.0 - bucket.tokens) / rate)
        bucket.tokens -= 1.0

    def update(self) -> None:
        """One chat.update in the workspace: at most `updates_per_minute` in any 60 seconds."""
        if not self.limits.enabled:
            return
        now = self._monotonic()
        while self._updates and self._updates[0] <= now - 60.0:
            self._updates.popleft()
        if len(self._updates) >= self.limits.updates_per_minute:
            raise rate_limited(self._updates[0] + 60.0 - now)
        self._updates.append(now)

    def reset(self) -> None:
        self._channels.clear()
        self._updates.clear()
