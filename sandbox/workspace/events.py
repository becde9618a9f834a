"""Events: sent to the app, and, unlike commands and clicks, sent again until they are acknowledged.

Source: Slack's "Events API", retries; in Socket Mode `retry_attempt` and `retry_reason` stand in the envelope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from sandbox.workspace import ids
from sandbox.workspace.socket_mode import SocketMode
from sandbox.workspace.state import State

Json = dict[str, Any]
Spawn = Callable[[Coroutine[Any, Any, None]], object]

#: Pauses in seconds before an unacknowledged event is sent again: at once, after a minute, after five.
RETRIES = (0.0, 60.0, 300.0)


class Events:
    def __init__(self, state: State, sockets: SocketMode, spawn: Spawn, retries: tuple[float, ...] = RETRIES) -> None:
        self._state = state
        self._sockets = sockets
        self._spawn = spawn
        self._retries = retries

    def send(self, event: Json) -> None:
        """Sends any event to the app, until it is acknowledged."""
        payload = {
            "token": ids.VERIFICATION_TOKEN,
            "team_id": ids.TEAM,
            "api_app_id": ids.APP,
            "event": event,
            "type": "event_callback",
            "event_id": self._state.next_id("Ev"),
            "event_time": int(self._state.clock()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": ids.TEAM,
                    "user_id": ids.BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": self._state.next_id("4-"),
        }
        self._spawn(self._deliver(payload))

    async def _deliver(self, payload: Json) -> None:
        reason = ""
        for attempt, pause in enumerate((0.0, *self._retries)):
            await self._pause(pause)
            delivery = await self._sockets.deliver("events_api", payload, retry_attempt=attempt, retry_reason=reason)
            if delivery.acked:
                return
            reason = "timeout" if delivery.outcome == "ack_timeout" else "connection_failed"

    async def _pause(self, seconds: float) -> None:
        """Waits on the workspace's clock, which in a test may jump."""
        due = self._state.clock() + seconds
        while (left := due - self._state.clock()) > 0:  # noqa: ASYNC110  a clock has no event to wait for
            await asyncio.sleep(min(left, 0.05))
