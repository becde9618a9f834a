"""The page of a workspace in Chromium, and the whole bot behind it: SQLite, the embedded broker, real sockets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.app import Muster
from sandbox.workspace import (
    APPROVER1,
    APPROVER2,
    OPERATOR,
    RateLimits,
    Workspace,
)
from tests.brokers import embedded_broker
from tests.browser.chromium import Chromium, Page, require_chromium
from tests.conftest import settings_for
from tests.workspaces import slack_for


@dataclass
class Screen:
    """A person's browser on the workspace, and the bot that is connected to it."""

    page: Page
    ws: Workspace
    muster: Muster

    async def photograph(self, name: str) -> None:
        """For people to look at: only where MUSTER_SCREENSHOTS names a folder."""
        if folder := os.environ.get("MUSTER_SCREENSHOTS"):
            _keep(Path(folder) / f"{name}.png", await self.page.photographed())


def _keep(path: Path, picture: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)


@pytest.fixture
async def screen(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Screen]:
    """The page of the operator, loaded, with the bot connected. No complaint in its console is overlooked."""
    path = require_chromium()
    with embedded_broker() as broker:
        async with Workspace.start(limits=RateLimits(enabled=False)) as ws:
            slack = slack_for(ws, channel_per_second=1000)
            settings = settings_for(
                slack=slack,
                roles={"operator": {"users": [OPERATOR]}, "approver": {"users": [APPROVER1, APPROVER2]}},
                mqtt={"port": broker.port},
                database={"url": sqlite_url},
            )
            muster = Muster(settings)
            try:
                await muster.start()
                await ws.wait_for_connections(1)
                async with Chromium(path, tmp_path / "profile") as browser:
                    page = await browser.open(ws.url)
                    await page.sees("Muster is connected")
                    yield Screen(page, ws, muster)
                    assert page.complaints == []
            finally:
                await muster.stop()
