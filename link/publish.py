"""Publishing many messages with a bounded number under way, each with its own answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from link.client import Connection
from link.session import Session


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message for the broker, QoS 1. An empty retained payload clears the retained message of the topic.

    When one with a `timed` name leaves, the moment is noted under it (`link.departures`).
    """

    topic: str
    payload: bytes
    retain: bool = False
    timed: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`sent`: the broker has confirmed (PUBACK), which is not yet receipt by the device. Else `reason` says why not."""

    sent: bool
    reason: str = ""


SENT = Outcome(sent=True)

_ASK_EVERY = 0.2  # seconds


class Publisher:
    """Publishes over one connection, at most `publish_concurrency` at a time whoever asks.

    What was not confirmed may still have arrived: it is sent again as the same attempt, and devices dedupe.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._places = asyncio.Semaphore(connection.settings.publish_concurrency)
        self._timeout = connection.settings.publish_timeout.total_seconds()

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        """One outcome for each message, in order. Never raises for a message, and never queues without a connection.

        Gives up when the broker has confirmed nothing for `publish_timeout`. `may` is asked before the first message
        and then five times a second: once it says no, no further message leaves.
        """
        session = self._connection.session
        if session is None:
            why = Outcome(sent=False, reason=f"not connected: {self._connection.last_error}".removesuffix(": "))
            self._connection.stats.publish_failures += len(messages)
            return [why] * len(messages)
        confirmations = await self._send(session, messages, may)
        if confirmations:
            await asyncio.wait(confirmations, timeout=self._timeout)
        return self._outcomes(confirmations, len(messages))

    async def _send(
        self, session: Session, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None
    ) -> list[asyncio.Future[str]]:
        confirmations: list[asyncio.Future[str]] = []
        clock, ask_at = asyncio.get_running_loop().time, 0.0
        for message in messages:
            try:
                # Places free themselves when a confirmation arrives or the connection ends.
                async with asyncio.timeout(self._timeout):
                    await self._places.acquire()
            except TimeoutError:
                break
            if may and clock() >= ask_at:
                if not await may():
                    self._places.release()
                    break
                ask_at = clock() + _ASK_EVERY
            if message.timed:
                self._connection.departures.note(message.timed, time.monotonic())
            confirmation = session.publish(message.topic, message.payload, message.retain)
            confirmation.add_done_callback(self._free_place)
            confirmations.append(confirmation)
        return confirmations

    def _free_place(self, _confirmation: asyncio.Future[str]) -> None:
        self._places.release()

    def _outcomes(self, confirmations: Sequence[asyncio.Future[str]], count: int) -> list[Outcome]:
        outcomes = []
        for confirmation in confirmations:
            if not confirmation.done():
                confirmation.set_result("the broker did not confirm in time")
            reason = confirmation.result()
            outcomes.append(Outcome(sent=False, reason=reason) if reason else SENT)
        why = "not sent: everything is stopped, or the broker confirms nothing"
        outcomes += [Outcome(sent=False, reason=why)] * (count - len(outcomes))
        stats = self._connection.stats
        sent = sum(outcome.sent for outcome in outcomes)
        stats.published += sent
        stats.publish_failures += count - sent
        return outcomes
