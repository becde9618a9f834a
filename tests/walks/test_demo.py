"""The demo itself, small and fast: the very same `muster run` as a child process, and a fleet of every behaviour."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.demo import Demo, DemoRunning
from sandbox.devices import Behaviour
from sandbox.workspace import FLEET_OPS, OPERATOR

MIX = dict.fromkeys((Behaviour.PROMPT, Behaviour.SLOW, Behaviour.RETURNS, Behaviour.REJECTS, Behaviour.GARBAGE), 3)
PACE = {"status_every": 1.0, "slow_after": 1.0, "returns_after": 4.0}


async def test_drift_is_mended_and_refusals_stand_in_the_channel_with_working_buttons(tmp_path: Path) -> None:
    async with Demo(tmp_path / "demo", port=0, mix=MIX, pace=PACE).running() as demo:
        registry = tmp_path / "demo" / "muster.db"
        await until(lambda: resolved(registry) == 12)
        for number in (1, 2, 3):
            await demo.workspace.wait_for_message(FLEET_OPS, contains=f"rejects-00{number}", timeout=30)
        alert = await demo.workspace.wait_for_message(FLEET_OPS, contains="rejects-001", timeout=5)
        answer = await demo.workspace.click(OPERATOR, alert.ts, "Acknowledge", wait=10)
        assert "You took the alert for `rejects-001`" in answer.words
        answer = await demo.workspace.click(OPERATOR, alert.ts, "Show device", wait=10)
        assert "rejects-001" in answer.words
        await until(lambda: all(each.identity.certificate_pem for each in demo.newcomers))
        answer = await demo.workspace.command(OPERATOR, "#fleet-ops", "/fleet status", wait=10)
        assert "rejected" in answer.words
        await until(lambda: sealed(registry) > 0)
        await is_killed_and_goes_on(demo)
        assert (tmp_path / "demo" / "ca.key").stat().st_mode & 0o777 == 0o600
        verify = f"set -a; . {demo.folder}/environment; {sys.executable} -m bot audit verify"
        assert await (await asyncio.create_subprocess_shell(verify)).wait() == 0
        with pytest.raises(DemoRunning, match="A demo is running in"):
            async with Demo(tmp_path / "demo", port=0).running():
                pass
        assert resolved(registry) == 12


async def is_killed_and_goes_on(demo: Demo) -> None:
    watching, killed = asyncio.create_task(demo.ended()), demo.muster
    killed.kill()
    await until(lambda: demo.muster is not killed)
    await demo.workspace.wait_for_connections(1, timeout=60)
    answer = await demo.workspace.command(OPERATOR, FLEET_OPS, "/fleet alert list", wait=10)
    assert "rejects-002" in answer.words
    watching.cancel()


async def test_a_port_in_use_is_told_with_the_next_step_before_the_folder_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "demo" / "muster.db"
    kept.parent.mkdir()
    kept.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ("--port", str(taken.getsockname()[1]), "--folder", str(tmp_path / "demo"))
        demo = await asyncio.create_subprocess_exec(sys.executable, "-m", "sandbox", *words, stderr=subprocess.PIPE)
        _, said = await demo.communicate()
    assert demo.returncode == 1
    assert f"another program listens on port {words[1]} already" in said.decode()
    assert kept.exists()


def sealed(registry: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{registry}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM audit WHERE mac IS NOT NULL").fetchone()[0])


def resolved(registry: Path) -> int:
    connection = sqlite3.connect(f"file:{registry}?mode=ro", uri=True)
    try:
        counted = connection.execute(
            "SELECT count(*) FROM drift_cases WHERE state = 'resolved' AND device_id NOT LIKE 'new-%'"
        ).fetchone()
    finally:
        connection.close()
    return int(counted[0])


async def until(holds: Callable[[], bool], timeout: float = 60) -> None:
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110  (another process changes it)
            await asyncio.sleep(0.2)
