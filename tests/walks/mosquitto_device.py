"""A device made of Debian's clients for MQTT."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.debian import program
from tests.walks.conftest import SOON, eventually

DESIRED, STATUS, ACK = "dev-1/config/desired", "dev-1/status", "dev-1/config/ack"


class Device:
    """A device made of mosquitto_pub and mosquitto_sub."""

    def __init__(self, port: int) -> None:
        self._where = ("-h", "127.0.0.1", "-p", str(port), "-q", "1")

    async def says(self, topic: str, payload: dict[str, Any]) -> None:
        """mosquitto_pub ends when the broker has confirmed."""
        process = await asyncio.create_subprocess_exec(
            _client("mosquitto_pub"), *self._where, "-t", topic, "-m", json.dumps(payload)
        )
        assert await asyncio.wait_for(process.wait(), SOON) == 0

    async def reports(self, version: str) -> None:
        await self.says(STATUS, {"reported_config_version": version, "firmware_version": "1.4.0"})

    async def acks(self, push: dict[str, Any], status: str = "applied", **more: str) -> None:
        answer = {"version": push["version"], "operation_id": push["operation_id"], "status": status, **more}
        await self.says(ACK, answer)

    async def signs_on(self) -> None:
        """Leaves a session with a subscription at the broker, and goes away."""
        process = await asyncio.create_subprocess_exec(
            _client("mosquitto_sub"), *self._where, "-i", "dev-1", "-c", "-t", DESIRED, "-E"
        )
        assert await asyncio.wait_for(process.wait(), SOON) == 0

    @asynccontextmanager
    async def listening(self, *more: str) -> AsyncIterator[Heard]:
        """mosquitto_sub on the desired configuration, from its subscription on.

        It would keep the lines of `-d` to itself until its buffer is full, so stdbuf makes it write each at once.
        """
        process = await asyncio.create_subprocess_exec(
            *("stdbuf", "-oL", _client("mosquitto_sub"), *self._where, "-t", DESIRED, "-d", "-F", "%j", *more),
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        heard = Heard(process)
        try:
            await asyncio.wait_for(heard.subscribed.wait(), SOON)
            yield heard
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            await heard.reading


def _client(name: str) -> str:
    return program("mosquitto-clients", name)


class Heard:
    """What one mosquitto_sub has printed: its messages, oldest first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.messages: list[dict[str, Any]] = []
        self.subscribed = asyncio.Event()
        self.reading = asyncio.create_task(self._read(process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line.startswith(b"{"):
                self.messages.append(json.loads(line))
            elif line.startswith(b"Subscribed"):
                self.subscribed.set()

    @property
    def pushes(self) -> list[dict[str, Any]]:
        return [json.loads(message["payload"]) for message in self.messages]

    async def push(self, number: int = 1) -> dict[str, Any]:
        """The push of that number, counted from 1, once it is here."""

        async def arrived() -> bool:
            return len(self.messages) >= number

        await eventually(arrived)
        return self.pushes[number - 1]
