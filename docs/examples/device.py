"""A whole device in one file: status, telemetry, configuration, diagnostics and restart, over aiomqtt.

    python device.py dev-1 --host broker.example.net

docs/device-protocol.md is the contract. A real device keeps its configuration and its answers where they survive a
power cut; here they are in memory.
"""

import argparse
import asyncio
import json
import os
import shutil
import time
import uuid
from datetime import UTC, datetime

import aiomqtt

CHUNK_BYTES = 60_000  # of text: escaped as JSON it still fits into the 128 KiB that brokers allow
LEVELS = ("debug", "info", "warning", "error")


class Device:
    def __init__(self, device_id: str, status_every: float) -> None:
        self.id, self.status_every, self.version, self.config = device_id, status_every, "", {}
        self.log_lines, self.answers = [], {}  # answers by order: what was answered, to be said again
        self.boot()

    def boot(self) -> None:
        self.boot_id, self.started = uuid.uuid4().hex, time.monotonic()
        self.log("info", f"started, boot {self.boot_id}")

    def log(self, level: str, text: str) -> None:
        line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {level.upper()} {text}\n"
        self.log_lines = [*self.log_lines[-9_999:], (level, line)]

    async def run(self, host: str, port: int) -> None:
        """Until cancelled; a broker that goes away is waited for."""
        while True:
            try:
                async with aiomqtt.Client(host, port, identifier=self.id, clean_session=False) as client:
                    self.client = client
                    orders = ("config/desired", "command/restart", "diagnostics/+")
                    await client.subscribe([(f"{self.id}/{order}", 1) for order in orders])
                    speaking = asyncio.create_task(self.speak())
                    try:
                        async for message in client.messages:
                            await self.take(message.topic.value.removeprefix(f"{self.id}/"), bytes(message.payload))
                    finally:
                        speaking.cancel()
            except aiomqtt.MqttError as lost:
                self.log("error", f"no broker: {lost}")
                await asyncio.sleep(2)

    async def speak(self) -> None:
        while True:
            await self.status()
            await self.say("telemetry", {"load": os.getloadavg()[0]})
            await asyncio.sleep(self.status_every)

    async def say(self, kind: str, payload: dict) -> None:
        payload = {**payload, "device_ts": datetime.now(UTC).isoformat()}
        await self.client.publish(f"{self.id}/{kind}", json.dumps(payload, ensure_ascii=False), qos=1)

    async def status(self) -> None:
        await self.say("status", {"reported_config_version": self.version, "boot_id": self.boot_id})

    async def take(self, kind: str, payload: bytes) -> None:
        """One order. What cannot be read is logged; a device that falls over it would fall over it again."""
        if not payload:
            return  # a retained order was cleared
        try:
            order = json.loads(payload)
            if kind == "config/desired":
                await self.configure(order)
            elif datetime.fromisoformat(order["expires_at"]) <= datetime.now(UTC):
                self.log("warning", f"{kind} came too late")
            elif kind == "command/restart":
                await self.restart(order)
            else:
                await self.diagnose(kind, order)
        except (ValueError, KeyError, TypeError, AttributeError) as wrong:
            self.log("error", f"cannot read {kind}: {wrong!r}")

    async def configure(self, order: dict) -> None:
        key = order["operation_id"], order["attempt"]
        if key not in self.answers:
            self.version, self.config = order["version"], order["config"]
            self.log("info", f"runs configuration {self.version}")
            self.answers[key] = {"version": self.version, "operation_id": key[0], "status": "applied"}
        await self.say("config/ack", self.answers[key])
        await self.status()

    async def restart(self, order: dict) -> None:
        key = order["operation_id"], order["attempt"]
        if key not in self.answers:
            await self.say("command/ack", {"operation_id": key[0], "status": "accepted"})
            self.boot()  # a real device goes down here, and says the rest when it is up again
            self.answers[key] = {"operation_id": key[0], "status": "done"}
            await self.status()
        await self.say("command/ack", self.answers[key])

    async def diagnose(self, kind: str, order: dict) -> None:
        key, params = order["request_id"], order.get("params") or {}
        if key not in self.answers:
            if kind == "diagnostics/ping":
                self.answers[key] = [{"sent_at": params.get("sent_at")}]
            elif kind == "diagnostics/metrics":
                self.answers[key] = [self.metrics()]
            else:
                self.answers[key] = chunked(self.last_lines(params.get("lines", 200), params.get("level")))
        chunks = self.answers[key]
        for number, chunk in enumerate(chunks, 1):
            answer = {"request_id": key, "chunk": number, "total_chunks": len(chunks), "payload": chunk}
            await self.say(f"{kind}/response", answer)
        while len(self.answers) > 100:
            del self.answers[next(iter(self.answers))]

    def metrics(self) -> dict:
        disk, page = shutil.disk_usage("/"), os.sysconf("SC_PAGE_SIZE")
        ram, free = (page * os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
        found = {"cpu_percent": round(100 * os.getloadavg()[0] / (os.cpu_count() or 1), 1), "mqtt_connections": 1}
        found |= {"ram_used_bytes": ram - free, "ram_total_bytes": ram}
        found |= {"disk_used_bytes": disk.used, "disk_total_bytes": disk.total}
        return {**found, "uptime_seconds": round(time.monotonic() - self.started, 1)}

    def last_lines(self, count: int, level: str | None) -> str:
        wanted = LEVELS[LEVELS.index(level) :] if level in LEVELS else LEVELS
        return "".join([text for each, text in self.log_lines if each in wanted][-count:])


def chunked(text: str) -> list[str]:
    """Pieces of at most CHUNK_BYTES, cut between characters; one empty piece when there is nothing."""
    pieces = []
    while text:
        pieces.append(text.encode()[:CHUNK_BYTES].decode(errors="ignore"))
        text = text[len(pieces[-1]) :]
    return pieces or [""]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("device_id")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--status-every", type=float, default=60.0)  # seconds
    words = parser.parse_args()
    asyncio.run(Device(words.device_id, words.status_every).run(words.host, words.port))
