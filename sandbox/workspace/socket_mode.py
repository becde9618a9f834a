"""Socket Mode: tickets, sockets, envelopes and their acknowledgements.

Source: Slack's "Using Socket Mode". An envelope goes to one socket, in turn; it must be acknowledged within three
seconds; a `disconnect` message asks the app to open another socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSMsgType, web

from sandbox.workspace import ids
from sandbox.workspace.changes import Changes
from sandbox.workspace.journal import Entry, Journal
from sandbox.workspace.state import Clock

Json = dict[str, Any]
Reason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]

#: The reasons that a test may give; `too_many_websockets` is the workspace's own.
REASONS: tuple[Reason, ...] = ("warning", "refresh_requested", "link_disabled")

MOST_SOCKETS = 10
TICKET_LIVES = 30.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an envelope fared: `acked` (with the payload of the ack), `ack_timeout`, `closed` or `no_socket`."""

    outcome: Literal["acked", "ack_timeout", "closed", "no_socket"]
    payload: Json = field(default_factory=dict)

    @property
    def acked(self) -> bool:
        return self.outcome == "acked"


@dataclass(eq=False, slots=True)
class _Socket:
    number: int
    ws: web.WebSocketResponse
    transport: asyncio.Transport | None
    waiting: dict[str, asyncio.Future[Delivery]] = field(default_factory=dict)


class SocketMode:
    """The sockets of the one app of this workspace."""

    def __init__(
        self, clock: Clock, journal: Journal, changes: Changes, *, ack_within: float, connection_time: int = 3600
    ) -> None:
        self.ack_within = ack_within
        self._clock = clock
        self._journal = journal
        self._changes = changes
        self._connection_time = connection_time
        self._tickets: OrderedDict[str, float] = OrderedDict()
        self._sockets: list[_Socket] = []
        self._numbers = itertools.count(1)
        self._turn = 0
        self._sent: OrderedDict[str, tuple[Entry, float]] = OrderedDict()

    @property
    def count(self) -> int:
        return len(self._sockets)

    def issue_ticket(self) -> str:
        now = self._clock()
        while self._tickets and next(iter(self._tickets.values())) < now - TICKET_LIVES:
            self._tickets.popitem(last=False)
        ticket = str(uuid.uuid4())
        self._tickets[ticket] = now
        return ticket

    async def link(self, request: web.Request) -> web.StreamResponse:
        """GET /link/?ticket=…: takes the ticket and serves the socket until it closes."""
        issued = self._tickets.pop(request.query.get("ticket", ""), None)
        if issued is None or issued < self._clock() - TICKET_LIVES:
            self._journal.add("socket", event="refused", reason="unknown, used or expired ticket")
            return web.json_response({"ok": False, "error": "invalid_ticket"}, status=408)
        ws = web.WebSocketResponse(max_msg_size=4 * 1024 * 1024)
        await ws.prepare(request)
        if len(self._sockets) >= MOST_SOCKETS:
            self._journal.add("socket", event="refused", reason="too_many_websockets")
            await ws.send_json(_disconnect("too_many_websockets"))
            await ws.close()
            return ws
        socket = _Socket(next(self._numbers), ws, request.transport)
        self._sockets.append(socket)
        self._tell("opened", socket)
        try:
            await ws.send_json(self._hello())
            async for message in ws:
                if message.type == WSMsgType.TEXT:
                    self._receive(socket, message.data)
        except ConnectionError:
            pass  # the app went away in the middle of a frame: the same as a close
        finally:
            self._drop(socket)
        return ws

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._sockets),
            "connection_info": {"app_id": ids.APP},
            "debug_info": {
                "host": "applink-sandbox-1",
                "build_number": 1,
                "approximate_connection_time": self._connection_time,
            },
        }

    def _drop(self, socket: _Socket) -> None:
        if socket not in self._sockets:
            return
        self._sockets.remove(socket)
        for future in socket.waiting.values():
            if not future.done():
                future.set_result(Delivery("closed"))
        socket.waiting.clear()
        self._tell("closed", socket)

    def _tell(self, event: str, socket: _Socket) -> None:
        self._journal.add("socket", event=event, socket=socket.number, connections=len(self._sockets))
        self._changes.tell("socket", facts={"connections": len(self._sockets)})

    def _receive(self, socket: _Socket, data: str) -> None:
        """An ack: `{"envelope_id": …, "payload": …}`. What comes too late is noted and has no effect."""
        try:
            ack = json.loads(data)
            envelope_id, payload = ack["envelope_id"], ack.get("payload") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            self._journal.add("socket", event="unreadable", socket=socket.number, data=data[:1000])
            return
        entry, sent_at = self._sent.get(envelope_id, (None, 0.0))
        if entry is not None and entry["ack_ms"] is None:
            entry["ack_ms"] = round((time.monotonic() - sent_at) * 1000, 1)
        future = socket.waiting.pop(envelope_id, None)
        if future is not None and not future.done():
            future.set_result(Delivery("acked", payload if isinstance(payload, dict) else {}))
        elif entry is not None:
            entry["late_ack"] = True
        else:
            self._journal.add("socket", event="unknown_ack", socket=socket.number, envelope_id=envelope_id)

    async def deliver(self, kind: str, payload: Json, *, accepts_payload: bool = False, **extra: Any) -> Delivery:
        """Sends one envelope to one socket and waits for its ack."""
        envelope_id = str(uuid.uuid4())
        socket = self._next()
        entry = self._journal.add(
            "envelope",
            type=kind,
            envelope_id=envelope_id,
            socket=socket.number if socket else None,
            payload=payload,
            outcome="sent",
            ack_ms=None,
            **extra,
        )
        delivery = Delivery("no_socket")
        if socket is not None:
            envelope = {"envelope_id": envelope_id, "type": kind, "payload": payload, **extra}
            delivery = await self._send(socket, entry, {**envelope, "accepts_response_payload": accepts_payload})
        entry["outcome"] = delivery.outcome
        if delivery.payload:
            entry["ack_payload"] = delivery.payload
        self._changes.wake()
        return delivery

    async def _send(self, socket: _Socket, entry: Entry, envelope: Json) -> Delivery:
        future: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        envelope_id = envelope["envelope_id"]
        socket.waiting[envelope_id] = future
        self._sent[envelope_id] = (entry, time.monotonic())
        while len(self._sent) > 1000:
            self._sent.popitem(last=False)
        try:
            await socket.ws.send_json(envelope)
            async with asyncio.timeout(self.ack_within):
                return await future
        except TimeoutError:
            return Delivery("ack_timeout")
        except ConnectionError:
            return Delivery("closed")
        finally:
            socket.waiting.pop(envelope_id, None)

    def _next(self) -> _Socket | None:
        """The sockets take turns."""
        if not self._sockets:
            return None
        self._turn += 1
        return self._sockets[self._turn % len(self._sockets)]

    async def ask_to_reconnect(self, reason: Reason) -> int:
        """Sends `disconnect` to every socket: `warning` announces it, after `link_disabled` the socket is closed."""
        asked = list(self._sockets)
        for socket in asked:
            with contextlib.suppress(ConnectionError):
                await socket.ws.send_json(_disconnect(reason))
                if reason == "link_disabled":
                    await socket.ws.close()
        self._journal.add("socket", event="disconnect", reason=reason, sockets=[socket.number for socket in asked])
        return len(asked)

    async def cut(self) -> int:
        """Ends every connection at once and without a word, as a network does."""
        cut = list(self._sockets)
        for socket in cut:
            if socket.transport is not None:
                socket.transport.abort()
            self._drop(socket)
        return len(cut)

    async def close(self) -> None:
        for socket in list(self._sockets):
            with contextlib.suppress(ConnectionError):
                await socket.ws.close()
        self._tickets.clear()


def _disconnect(reason: Reason) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox-1"}}
