"""What /healthz, /readyz and /metrics ask about the running bot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import text

from bot.metrics import Process
from bot.slack import Slack
from fleet.errors import FleetError
from fleet.settings import SlackMode
from link.client import Connection
from storage.db import Database

_PATIENCE = 2.0  # seconds for the database to answer a probe


class Health:
    """Reasons why not, as sentences; none means that all is well."""

    def __init__(
        self,
        db: Database,
        connection: Connection,
        slack: Slack,
        mode: SlackMode,
        process: Process,
        tasks: Sequence[asyncio.Task[None]],
    ) -> None:
        self._db, self._connection, self._slack, self._mode = db, connection, slack, mode
        self._process, self._tasks = process, tasks

    def unhealthy(self) -> list[str]:
        """Why this process should be restarted: what must run for ever and has ended."""
        ended = [task for task in self._tasks if task.done()]
        ended += [task for task in self._slack.opening if task.done() and (task.cancelled() or task.exception())]
        return [f"The task {task.get_name()} has ended." for task in ended]

    async def unready(self) -> list[str]:
        """Who cannot be reached just now. All of them are waited for without end, so a restart helps nobody."""
        return [*await self._database(), *self._broker(), *await self._slack_side()]

    async def refresh(self) -> None:
        """Read the gauges of this process anew."""
        self._process.broker_connected = self._connection.connected
        self._process.slack_connected = not await self._slack_side()
        self._process.slack_sockets = await self._slack.sockets_open()

    async def _database(self) -> list[str]:
        try:
            async with asyncio.timeout(_PATIENCE), self._db.read() as session:
                await session.execute(text("SELECT 1"))
        except FleetError as gone:
            return [str(gone)]
        except TimeoutError:
            return [f"The database does not answer within {_PATIENCE:.0f} s."]
        return []

    def _broker(self) -> list[str]:
        if self._connection.connected:
            return []
        why = self._connection.last_error or "It is being connected to."
        return [f"The broker {self._connection.settings.host}:{self._connection.settings.port} is not connected. {why}"]

    async def _slack_side(self) -> list[str]:
        if self._mode is SlackMode.HTTP:
            reached = self._slack.connected
            return [] if reached else ["Slack has not answered to the bot token yet; the log says why."]
        return [] if await self._slack.sockets_open() else ["No socket to Slack is open; the log says why."]
