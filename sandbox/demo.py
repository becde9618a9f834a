"""The demo: broker, workspace and simulated fleet, and the very same `muster run` beside them as a child process."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fleet import pki
from sandbox.broker import EmbeddedBroker
from sandbox.devices import Behaviour, Manufacturer, SimulatedDevice, SimulatedFleet
from sandbox.workspace import APP_TOKEN, BOT_TOKEN, Workspace

SETTINGS = Path(__file__).parent / "demo.yaml"
OLD, NEW = "2026.10.0", "2026.11.0"
CONFIGS = {
    OLD: {"sampling_s": 60, "upload": {"batch": 50}},
    NEW: {"sampling_s": 30, "upload": {"batch": 100, "compress": True}, "radio": {"band": "868"}},
}
MIX = {
    Behaviour.PROMPT: 112,
    Behaviour.SLOW: 30,
    Behaviour.RETURNS: 20,
    Behaviour.OFFLINE: 8,
    Behaviour.NEVER_ACKS: 8,
    Behaviour.REJECTS: 6,
    Behaviour.GARBAGE: 8,
    Behaviour.FAILS: 4,
    Behaviour.ROLLS_BACK: 4,
}
"""How many devices behave how: 200 in all."""

NEWCOMERS = 4
"""Devices fresh from the factory: nobody has registered them, they claim their certificates."""

PACE = {"status_every": 5.0, "slow_after": 4.0, "returns_after": 40.0, "step_within": 3.0}
"""How fast the devices are, in seconds."""

_SITES = ("oslo", "bergen", "tromso", "malmo")
_MODELS = ("gw2", "gw3", "meter-1")


class DemoRunning(Exception):
    """Another demo lives in the folder, which is therefore left alone."""


class MusterEnded(Exception):
    """The bot's process ended by itself; its log says why."""


def fleet(mix: Mapping[Behaviour, int] = MIX) -> list[SimulatedDevice]:
    """The devices, all still on the old configuration; ids tell what to expect: `prompt-001`."""
    made = []
    for behaviour, count in mix.items():
        for number in range(1, count + 1):
            made.append(
                SimulatedDevice(
                    device_id=f"{behaviour.value.replace('_', '-')}-{number:03}",
                    behaviour=behaviour,
                    site=_SITES[number % len(_SITES)],
                    model=_MODELS[number % len(_MODELS)],
                    reported_version=OLD,
                )
            )
    return made


def newcomers(count: int, factory: Manufacturer) -> list[SimulatedDevice]:
    """`new-001` and so on: they know no configuration, and nobody knows them."""
    made = []
    for number in range(1, count + 1):
        device = SimulatedDevice(device_id=f"new-{number:03}", site=_SITES[number % len(_SITES)])
        device.identity.manufacturing = factory.equip(device.device_id)
        made.append(device)
    return made


class Demo:
    """Everything that a fleet needs, on loopback, in one folder that is made anew each time."""

    def __init__(
        self, folder: Path, port: int, mix: Mapping[Behaviour, int] = MIX, pace: Mapping[str, Any] = PACE
    ) -> None:
        self.folder = folder
        self.port = port
        self._pace = pace
        self.devices = fleet(mix)
        self._factory = Manufacturer()
        self.newcomers = newcomers(NEWCOMERS, self._factory)
        self.workspace: Workspace
        self.simulated: SimulatedFleet
        self.environment: Mapping[str, str]
        self.muster: asyncio.subprocess.Process

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Demo]:
        """Start it all; end it all when left. Raises DemoRunning or OSError before anything is removed."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(_alone(self.folder))
            self.workspace = await stack.enter_async_context(Workspace.start(port=self.port))
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            broker = stack.enter_context(EmbeddedBroker())
            self.environment = self._environment_for(broker)
            self._certify(self.environment["MUSTER_CA_PASSPHRASE"])
            self._keep()
            await self._register()
            everything = [*self.devices, *self.newcomers]
            self.simulated = SimulatedFleet(everything, broker.host, broker.port, **self._pace)
            simulation = asyncio.create_task(self.simulated.run(), name="simulated fleet")
            stack.push_async_callback(_cancelled, simulation)
            await self._start()
            stack.push_async_callback(self._end)
            yield self

    async def _start(self) -> None:
        self.muster = await asyncio.create_subprocess_exec(*_muster("run"), env=self.environment)

    async def _end(self) -> None:
        if self.muster.returncode is None:
            self.muster.terminate()
            await self.muster.wait()

    def _environment_for(self, broker: EmbeddedBroker) -> dict[str, str]:
        return {
            **os.environ,
            "MUSTER_SETTINGS": str(SETTINGS),
            "MUSTER_SLACK_BOT_TOKEN": BOT_TOKEN,
            "MUSTER_SLACK_APP_TOKEN": APP_TOKEN,
            "MUSTER_SLACK_BASE_URL": self.workspace.base_url,
            "MUSTER_MQTT_HOST": broker.host,
            "MUSTER_MQTT_PORT": str(broker.port),
            "MUSTER_DEMO": str(self.folder.absolute()),
            "MUSTER_CA_PASSPHRASE": secrets.token_urlsafe(24),
            "MUSTER_AUDIT_KEY": secrets.token_hex(32),
            "MUSTER_DATABASE_URL": f"sqlite+aiosqlite:///{(self.folder / 'muster.db').absolute()}",
        }

    def _certify(self, passphrase: str) -> None:
        """What `muster ca init` makes, without the second that a process takes; and the CA of the devices' factory."""
        certificate, key = pki.create("Demo CA", passphrase, datetime.now(UTC), timedelta(days=3650))
        for name, text in (("ca.pem", certificate), ("ca.key", key), ("factory.pem", self._factory.certificate_pem)):
            (self.folder / name).write_text(text)
        (self.folder / "ca.key").chmod(0o600)

    def _keep(self) -> None:
        """For a shell beside the demo: with these set, `muster doctor` and `muster audit verify` know where it is."""
        file = self.folder / "environment"
        file.touch(mode=0o600)
        named = {name: value for name, value in self.environment.items() if name.startswith("MUSTER_")}
        file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in named.items()))

    async def _register(self) -> None:
        """As an ops team would: configurations from files, devices from a CSV."""
        for version, body in CONFIGS.items():
            file = self.folder / f"{version}.json"
            file.write_text(json.dumps(body, indent=2))
            await self._run("config", version, str(file))
        listed = self.folder / "devices.csv"
        with listed.open("w", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(["device_id", "site", "model", "target_config_version", "tags"])
            writer.writerows([each.device_id, each.site, each.model, NEW, "env=demo"] for each in self.devices)
        await self._run("import", str(listed))

    async def _run(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec(*_muster(*words), env=self.environment)
        if await process.wait():
            raise MusterEnded(f"muster {' '.join(words)} ended with exit code {process.returncode}.")

    async def connected(self) -> None:
        """Wait until the bot has a socket to the workspace. Raises MusterEnded, or TimeoutError after a minute."""
        connected = asyncio.create_task(self.workspace.wait_for_connections(1, timeout=60))
        ended = asyncio.create_task(self.ended())
        done, waiting = await asyncio.wait([connected, ended], return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        for task in done:
            task.result()

    async def ended(self) -> None:
        """Wait for the bot to end by itself, which it should not. Raises MusterEnded.

        One that was killed is started again, as a service manager does.
        """
        while (code := await self.muster.wait()) < 0:
            print(f"muster run was killed by signal {-code}, and is started again.", flush=True)
            await self._start()
        raise MusterEnded(f"muster run ended with exit code {code}.")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, by a lock beside it. Raises DemoRunning."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder.absolute()}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DemoRunning(
            f"A demo is running in {folder} already. Stop it, or start this one with: "
            ".venv/bin/python -m sandbox --port 0 --folder <other>"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _muster(*words: str) -> list[str]:
    return [sys.executable, "-m", "bot", *words]


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
