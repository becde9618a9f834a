"""The one connection to the broker: kept up, and what comes over it handed over in batches.

    connecting --CONNACK, SUBACK--> connected --lost--> waiting (full jitter, doubling) --> connecting

A message is acked only after `on_batch` has returned, that is, after the commit, and only on the connection it came
over: after a reconnect the broker redelivers, and reuses the message ids. So each message is handed over at least once.
"""

from __future__ import annotations

import asyncio
import random as random_module
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog
from aiomqtt import ProtocolVersion

from fleet.settings import MqttProtocol, MqttSettings
from link.departures import Departures
from link.inbox import Inbox, Received
from link.session import ConnectFailed, Session
from link.stats import LinkStats
from link.together import run_together

__all__ = ["Backoff", "Connection", "OnBatch", "Received"]

OnBatch = Callable[[Sequence[Received]], Awaitable[None]]

log = structlog.get_logger(__name__)


class Backoff:
    """Waits that double from `first` to `most`, each drawn anew between nothing and its bound (full jitter)."""

    def __init__(self, first: timedelta, most: timedelta, random: random_module.Random) -> None:
        self._first, self._most = first.total_seconds(), most.total_seconds()
        self._random = random
        self._bound = self._first

    def reset(self) -> None:
        self._bound = self._first

    def next(self) -> float:
        """Seconds to wait now."""
        wait = self._random.uniform(0, self._bound)
        self._bound = min(self._most, self._bound * 2)
        return wait


class Connection:
    """Connects to the broker and stays connected while `run` runs.

    `on_batch` gets what is queued, oldest first, at most `most_in_batch`, one call at a time; it returns when the
    batch is committed. If it raises, nothing is acked and the same batch comes again after a wait of up to
    `retry_most`; meanwhile the broker's in-flight window holds back what is QoS 1.
    """

    def __init__(
        self,
        settings: MqttSettings,
        subscriptions: Sequence[str],
        on_batch: OnBatch,
        *,
        stats: LinkStats | None = None,
        random: random_module.Random | None = None,
        most_in_batch: int = 2_000,
        most_qos0: int = 50_000,
        retry_first: timedelta = timedelta(milliseconds=200),
        retry_most: timedelta = timedelta(seconds=10),
    ) -> None:
        self.settings = settings
        self.stats = stats or LinkStats()
        self.last_error = ""
        self.departures = Departures()
        self._subscriptions = subscriptions
        self._on_batch = on_batch
        self._most_in_batch = most_in_batch
        self._random = random or random_module.Random()
        self._retry = Backoff(retry_first, retry_most, self._random)
        self._inbox = Inbox(self.stats, most_qos0)
        self._session: Session | None = None
        self._generation = 0
        self._connected_before = False
        self._up = asyncio.Event()
        self._spoken: ProtocolVersion | None = None

    @property
    def connected(self) -> bool:
        """True while connected and subscribed."""
        return self.session is not None

    @property
    def session(self) -> Session | None:
        """The open and subscribed connection, if there is one."""
        return self._session if self._up.is_set() and self._session is not None and self._session.is_open else None

    @property
    def queued(self) -> int:
        """Messages that wait for the next batch."""
        return len(self._inbox)

    @property
    def protocol(self) -> str:
        """The version of MQTT that this broker was found to speak: `5`, `3.1.1`, or empty before the first connect."""
        return {None: "", ProtocolVersion.V5: "5"}.get(self._spoken, "3.1.1")

    async def wait_connected(self) -> None:
        await self._up.wait()

    async def run(self) -> None:
        """Stay connected and hand over what arrives, until cancelled. A broker that is down is waited for."""
        await run_together(self._stay_connected(), self._hand_over())

    # --- the connection ---

    async def _stay_connected(self) -> None:
        backoff = Backoff(self.settings.reconnect_first, self.settings.reconnect_most, self._random)
        time = asyncio.get_running_loop().time
        while True:
            try:
                session = await self._connect()
            except ConnectFailed as error:
                if str(error) != self.last_error:
                    log.warning(
                        "broker not reachable", host=self.settings.host, port=self.settings.port, why=str(error)
                    )
                self.last_error = str(error)
            else:
                began = time()
                await self._while_connected(session)
                # Two replicas with one client id throw each other out at once: their waits must go on growing.
                if time() - began > self.settings.reconnect_most.total_seconds():
                    backoff.reset()
            await asyncio.sleep(backoff.next())

    async def _while_connected(self, session: Session) -> None:
        self.last_error = ""
        self.stats.reconnects += self._connected_before
        self._connected_before = True
        self._up.set()
        log.info(
            "broker connected",
            host=self.settings.host,
            port=self.settings.port,
            protocol=self.protocol,
            session_kept=session.resumed,
        )
        try:
            why = await session.ended()
            self.last_error = f"The connection was lost: {why}."
            log.warning("broker connection lost", why=why)
        finally:
            self._up.clear()
            await session.close()

    async def _connect(self) -> Session:
        failure: ConnectFailed | None = None
        for protocol in self._protocols():
            self._generation += 1
            try:
                session = await Session.open(
                    self.settings,
                    protocol,
                    self._generation,
                    self._subscriptions,
                    self._inbox.put,
                    self._accepted,
                )
            except ConnectFailed as error:
                failure = failure or error
                if error.wrong_protocol or (error.wrong_protocol is None and protocol is ProtocolVersion.V311):
                    self._spoken = None  # perhaps another broker by now: both are tried next time
                # A broker that spoke 5 and now hangs up is restarting, not older than it was.
                elif error.wrong_protocol is False or self._spoken is ProtocolVersion.V5:
                    raise
            else:
                self._spoken = protocol
                return session
        assert failure is not None
        raise failure

    def _accepted(self, session: Session) -> None:
        """At CONNACK, before the first message."""
        self._session = session
        if session.resumed:
            self._inbox.forget_acknowledgeable()

    def _protocols(self) -> Sequence[ProtocolVersion]:
        chosen = self.settings.protocol
        # Shared subscriptions are MQTT 5: with 3.1.1 each replica would get everything, or nothing.
        if chosen is MqttProtocol.V5 or self.settings.shared_group:
            return (ProtocolVersion.V5,)
        if chosen is MqttProtocol.V311 or self._spoken is ProtocolVersion.V311:
            return (ProtocolVersion.V311,)
        return (ProtocolVersion.V5, ProtocolVersion.V311)

    # --- what arrives ---

    async def _hand_over(self) -> None:
        while True:
            batch = await self._inbox.take(self._most_in_batch)
            await self._until_taken(batch)
            self._ack(batch)

    async def _until_taken(self, batch: Sequence[Received]) -> None:
        failed = False
        while True:
            try:
                await self._on_batch(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, the messages are kept and tried again
                self.stats.batch_failures += 1
                if not failed:
                    log.warning("batch not taken, kept and tried again", messages=len(batch), why=repr(error))
                failed = True
                await asyncio.sleep(self._retry.next())
            else:
                if failed:
                    log.info("batch taken after all", messages=len(batch))
                    self._retry.reset()
                self.stats.batches += 1
                return

    def _ack(self, batch: Sequence[Received]) -> None:
        # A session that is not subscribed yet acks too: what it redelivers may fill the broker's window already.
        session = self._session
        generation = session.generation if session is not None and session.is_open else -1
        held = [received for received in batch if received.qos]
        ours = [received.message_id for received in held if received.generation == generation]
        if session is not None and ours:
            session.ack(ours)
        self.stats.acked += len(ours)
        self.stats.stale_acks += len(held) - len(ours)
