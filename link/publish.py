"""Publishing many messages with a bounded number under way, each with its own answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from link.client import Connection
from link.permission import ASK_EVERY, Permission
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
        and then five times a second: once it says no, no further message leaves, and the connection is dropped if it
        still holds some that the broker does not take.
        """
        session = self._connection.session
        if session is None:
            why = Outcome(sent=False, reason=f"not connected: {self._connection.last_error}".removesuffix(": "))
            self._connection.stats.publish_failures += len(messages)
            return [why] * len(messages)
        permission = Permission(may, asyncio.get_running_loop().time)
        confirmations = await self._send(session, messages, permission)
        await self._confirmed(session, confirmations, permission)
        return self._outcomes(confirmations, len(messages))

    async def _send(
        self, session: Session, messages: Sequence[Outgoing], permission: Permission
    ) -> list[asyncio.Future[str]]:
        confirmations: list[asyncio.Future[str]] = []
        for message in messages:
            if not await self._place(permission):
                break
            if message.timed:
                self._connection.departures.note(message.timed, time.monotonic())
            confirmation = session.publish(message.topic, message.payload, message.retain)
            confirmation.add_done_callback(self._free_place)
            confirmations.append(confirmation)
        return confirmations

    async def _place(self, permission: Permission) -> bool:
        """Wait for a place among those under way. False if none came free in time, or nothing more may leave."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + self._timeout
        while await permission.holds():
            with contextlib.suppress(TimeoutError):
                # Places free themselves when a confirmation arrives or the connection ends.
                async with asyncio.timeout_at(min(give_up_at, clock() + ASK_EVERY)):
                    await self._places.acquire()
                    return True
            if clock() >= give_up_at:
                break
        return False

    async def _confirmed(
        self, session: Session, confirmations: Sequence[asyncio.Future[str]], permission: Permission
    ) -> None:
        """Wait until the broker has confirmed them, or gave no sign in time, or nothing more may leave."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + self._timeout
        waiting: set[asyncio.Future[str]] = set(confirmations)
        while waiting and clock() < give_up_at:
            # What was just published is written during this wait, unless there is no room for it.
            _, waiting = await asyncio.wait(waiting, timeout=min(ASK_EVERY, max(0, give_up_at - clock())))
            if waiting and session.holds_back and (clock() >= give_up_at or not await permission.holds()):
                session.abort()
                break

    def _free_place(self, _confirmation: asyncio.Future[str]) -> None:
        self._places.release()

    def _outcomes(self, confirmations: Sequence[asyncio.Future[str]], count: int) -> list[Outcome]:
        outcomes = []
        for confirmation in confirmations:
            if not confirmation.done():
                confirmation.set_result("the broker did not confirm in time")
            reason = confirmation.result()
            outcomes.append(Outcome(sent=False, reason=reason) if reason else SENT)
        why = "not sent: everything is stopped, nobody could tell in time, or the broker confirms nothing"
        outcomes += [Outcome(sent=False, reason=why)] * (count - len(outcomes))
        stats = self._connection.stats
        sent = sum(outcome.sent for outcome in outcomes)
        stats.published += sent
        stats.publish_failures += count - sent
        return outcomes
