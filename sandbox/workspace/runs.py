"""One thing that a person did, and how it went: commands, clicks, shortcuts, submissions."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from sandbox.workspace.journal import Journal
from sandbox.workspace.socket_mode import Delivery, SocketMode
from sandbox.workspace.state import Message, State

Json = dict[str, Any]

KEPT = 5000


@dataclass(slots=True)
class Run:
    """One command or click: `settled` when the app acknowledged it or failed to. `error` is Slack's word for that."""

    id: str
    user: str
    channel: str
    said: str
    error: str | None = None
    notice: str | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    answers: list[Message] = field(default_factory=list)
    silent: bool = False

    def shape(self) -> Json:
        return {
            "id": self.id,
            "user": self.user,
            "channel": self.channel,
            "said": self.said,
            "error": self.error,
            "notice": self.notice,
            "settled": self.settled.is_set(),
        }


class Runs:
    """The latest runs by id, and how one is begun, sent and settled."""

    def __init__(self, state: State, sockets: SocketMode, journal: Journal) -> None:
        self.by_id: OrderedDict[str, Run] = OrderedDict()
        self._state = state
        self._sockets = sockets
        self._journal = journal
        self._numbers = itertools.count(1)

    def begin(self, user: str, channel: str, said: str, *, silent: bool = False) -> Run:
        run = Run(f"run-{next(self._numbers)}", user, channel, said, silent=silent)
        self.by_id[run.id] = run
        while len(self.by_id) > KEPT:
            self.by_id.popitem(last=False)
        self._journal.add("person", user=user, did=said, channel=channel, run=run.id)
        return run

    def settle(self, run: Run, error: str | None = None, notice: str | None = None) -> Run:
        run.error, run.notice = error or run.error, notice or run.notice
        run.settled.set()
        self._state.changes.tell("run", facts=run.shape())
        return run

    async def deliver(self, run: Run, payload: Json) -> None:
        """Sends a click or shortcut, and settles it: neither is sent again, the person is told and may repeat it."""
        delivery = await self._sockets.deliver("interactive", payload)
        if delivery.acked:
            self.settle(run)
            return
        notice = "This action didn't work. Muster did not answer in time."
        if delivery.outcome == "no_socket":
            notice = "This action didn't work. Muster is not connected."
        self.settle(run, error_of(delivery), notice)


def error_of(delivery: Delivery) -> str:
    """Slack's word for what went wrong with an envelope that was not acknowledged."""
    return "operation_timeout" if delivery.outcome == "ack_timeout" else "dispatch_failed"
