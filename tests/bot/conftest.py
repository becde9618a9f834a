"""The bot's side of Slack in a stand-in workspace: all commands on a registry in SQLite, without a broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import commands
from bot.people import People
from bot.router import Router
from bot.slack import Slack, members_of, web_client
from sandbox.workspace import OPERATOR, RateLimits, Workspace
from storage.db import Database
from tests.conftest import NOW, settings_for
from tests.workspaces import slack_for


@dataclass
class Desk:
    """The workspace, and the registry behind the bot that is connected to it."""

    ws: Workspace
    db: Database
    slack: Slack


OpenDesk = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
def open_desk(sqlite_url: str) -> OpenDesk:
    """`async with open_desk(…) as desk:`; `slack` are settings of that section, the rest is the workspace's."""

    @asynccontextmanager
    async def opened(slack: dict[str, Any] | None = None, **workspace: Any) -> AsyncIterator[Desk]:
        async with Workspace.start(limits=RateLimits(enabled=False), **workspace) as ws:
            roles = {"everyone": "viewer", "operator": {"users": [OPERATOR]}}
            database = {"url": sqlite_url, "lock_timeout": "200ms"}
            settings = settings_for(slack=slack_for(ws, **(slack or {})), roles=roles, database=database)
            db = Database(settings.database)
            client = web_client(settings.slack, None, retries=True)
            router = Router(commands.ALL, settings, db)
            bot = Slack(settings.slack, client, router, People(settings.roles, members_of(client)), db, lambda: NOW)
            await bot.connect()
            await ws.wait_for_connections(1)
            try:
                yield Desk(ws, db, bot)
            finally:
                await bot.close()
                await db.close()

    return opened


@pytest.fixture
async def desk(open_desk: OpenDesk) -> AsyncIterator[Desk]:
    async with open_desk() as opened:
        yield opened
