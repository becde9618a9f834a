"""`muster run` as it is installed, in a process of its own, beside a stand-in workspace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench import broker
from sandbox.workspace import APP_TOKEN, BOT_TOKEN, FLEET_OPS, OPERATOR, Workspace

_SOCKETS = 2  # of each
_PATIENCE = 30.0  # seconds until its sockets are open


@contextlib.asynccontextmanager
async def running(server: broker.Running, url: str, workspace: Workspace, replica: int = 1) -> AsyncIterator[int]:
    """With a settings file of its own, over the registry at `url`, as the first or another replica; gives its pid."""
    settings: dict[str, Any] = {
        "slack": {
            "bot_token": BOT_TOKEN,
            "app_token": APP_TOKEN,
            "base_url": workspace.base_url,
            "ops_channel": FLEET_OPS,
        },
        "roles": {"operator": {"users": [OPERATOR]}},
        "mqtt": {"host": server.host, "port": server.port, "client_id": f"muster-{replica}"},
        "database": {"url": url},
        "web": {"enabled": False},
        "log": {"level": "warning"},
    }
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        file = Path(folder) / "app.yaml"
        file.write_text(json.dumps(settings))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
        words = (sys.executable, "-m", "bot", "run", "--settings", str(file))
        process = await asyncio.create_subprocess_exec(*words, env=environment)
        try:
            await workspace.wait_for_connections(_SOCKETS * replica, timeout=_PATIENCE)
            yield process.pid
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


def peak_memory(pid: int) -> float:
    """The most memory that a process has had so far, in MiB; 0 where there is no /proc."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
