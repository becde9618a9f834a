"""The bot as a process of its own, which a test may kill."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from sandbox.workspace import Workspace
from tests.walks.conftest import environment_for
from tests.workspaces import slack_for


class Bot:
    """`muster run` as a child process."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        file = folder / "app.yaml"
        file.write_text(json.dumps(settings))  # which is YAML too
        self._environment = environment_for(file)
        self.log = folder / "bot.log"
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run"), env=self._environment, stdout=output, stderr=output
            )

    async def end(self, how: signal.Signals) -> int:
        """Sends the signal to this very process and waits for its end. Returns the exit code."""
        if self._process.returncode is None:
            self._process.send_signal(how)
        return await self._process.wait()


def settings_of(url: str, port: int, ws: Workspace) -> dict[str, Any]:
    return {
        "slack": slack_for(ws, channel_per_second=1000),
        "mqtt": {"port": port, "reconnect_first": "50ms", "reconnect_most": "500ms"},
        "database": {"url": url, "claim_for": "2s"},
        "alerts": {"group_above": 1000},
        "drift": {"sweep_every": "2s", "sweep_limit": 300, "online_within": "2m", "ack_timeout": "3s"},
        "log": {"level": "warning"},
    }
