"""Diagnostics: pings echoed, metrics measured, logs sent in chunks; by some never, late, in part."""

from __future__ import annotations

import asyncio
import random as random_module
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from link.topics import Kind, Order
from link.wire import DiagnosticsRequest, Echo, LogResponse, Metrics, MetricsResponse, Payload, PingResponse
from sandbox.devices.device import Behaviour, SimulatedDevice

if TYPE_CHECKING:
    from sandbox.devices.line import Line

CHUNK_BYTES = 6_000  # 200 lines are three chunks
_KEPT = 1_000  # answers that may be asked for again
_GIB = 1 << 30
_LEVELS = ("debug", "info", "warning", "error")
_LINES = {
    "debug": "DEBUG radio rssi=-71 dBm snr=9 channel=7",
    "info": "INFO telemetry sent in 1 batch of 100 readings to the broker",
    "warning": "WARN battery at 3.51 V is below the threshold of 3.60 V",
    "error": "ERROR MQTT reconnect failed: connection refused (token=9f1c2d3e4a5b)",
}

Answers = Callable[[SimulatedDevice, DiagnosticsRequest], list[Payload]]


class Diagnostics:
    def __init__(self, line: Line) -> None:
        self.orders = {Order.PING_REQUEST: self.ping, Order.METRICS_REQUEST: self.metrics, Order.LOG_REQUEST: self.logs}
        self._line = line
        self._answered: OrderedDict[tuple[str, str], list[Payload]] = OrderedDict()  # by device and request

    def ping(self, device: SimulatedDevice, payload: bytes) -> None:
        self._take(device, payload, Kind.PING_RESPONSE, _ping)

    def metrics(self, device: SimulatedDevice, payload: bytes) -> None:
        self._take(device, payload, Kind.METRICS_RESPONSE, _metrics)

    def logs(self, device: SimulatedDevice, payload: bytes) -> None:
        self._take(device, payload, Kind.LOG_RESPONSE, _logs)

    def _take(self, device: SimulatedDevice, payload: bytes, kind: Kind, answers: Answers) -> None:
        request = DiagnosticsRequest.decode(payload)
        if not device.obeys(request.expires_at):
            return
        key = device.device_id, request.request_id
        if key not in self._answered:  # a request that comes twice gets the same answer twice
            self._answered[key] = answers(device, request)
            if len(self._answered) > _KEPT:
                self._answered.popitem(last=False)
        self._line.soon(self._send(device, kind, self._answered[key]))

    async def _send(self, device: SimulatedDevice, kind: Kind, chunks: Sequence[Payload]) -> None:
        if device.behaviour is Behaviour.SLOW:
            await asyncio.sleep(self._line.pace.slow_after)
        for number, chunk in enumerate(chunks, 1):
            if device.behaviour is Behaviour.LOSES and len(chunks) > 1 and number == 2:
                continue
            if device.behaviour is Behaviour.DIES and number == 3:
                await self._line.reboot(device)
                return
            await self._line.answer(device, kind, chunk)


def _ping(_device: SimulatedDevice, request: DiagnosticsRequest) -> list[Payload]:
    sent_at = request.params.get("sent_at")
    echo = Echo(sent_at=sent_at if isinstance(sent_at, str) else None)
    return [PingResponse(request_id=request.request_id, payload=echo, device_ts=datetime.now(UTC))]


def _metrics(device: SimulatedDevice, request: DiagnosticsRequest) -> list[Payload]:
    """Its own numbers each time, around those of its kind."""
    random = random_module.Random(device.device_id)
    measured = Metrics(
        cpu_percent=round(random.gauss(22, 4), 1),
        ram_used_bytes=int(random.gauss(0.9, 0.05) * _GIB),
        ram_total_bytes=2 * _GIB,
        disk_used_bytes=int((15.2 if random.random() < 0.02 else random.gauss(6, 0.5)) * _GIB),
        disk_total_bytes=16 * _GIB,
        uptime_seconds=round(random.uniform(3_600, 5_000_000)),
        mqtt_connections=1,
    )
    return [MetricsResponse(request_id=request.request_id, payload=measured, device_ts=datetime.now(UTC))]


def _logs(device: SimulatedDevice, request: DiagnosticsRequest) -> list[Payload]:
    lines, level = request.params.get("lines", 200), request.params.get("level") or "debug"
    wanted = int(lines) if isinstance(lines, int) and lines > 0 else 200
    levels = _LEVELS[_LEVELS.index(level) :] if level in _LEVELS else _LEVELS
    random, now = random_module.Random(request.request_id), datetime.now(UTC)
    written = []
    for back in range(wanted, 0, -1):
        at = (now - timedelta(seconds=7 * back)).isoformat(timespec="seconds")
        written.append(f"{at} {device.device_id} {_LINES[random.choice(levels)]}\n")
    chunks = chunked("".join(written), CHUNK_BYTES)
    return [
        LogResponse(request_id=request.request_id, chunk=number, total_chunks=len(chunks), payload=text, device_ts=now)
        for number, text in enumerate(chunks, 1)
    ]


def chunked(text: str, most: int) -> list[str]:
    """The text in pieces of at most `most` bytes of UTF-8, cut between characters; one empty piece for no text."""
    pieces: list[str] = []
    piece: list[str] = []
    size = 0
    for character in text:
        length = len(character.encode())
        if piece and size + length > most:
            pieces.append("".join(piece))
            piece, size = [], 0
        piece.append(character)
        size += length
    return [*pieces, "".join(piece)]
