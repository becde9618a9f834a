"""Asking a device and playing it, for tests of diagnostics."""

from __future__ import annotations

import json
from typing import Any

from jobs.delivery import send
from jobs.diagnostics import settle
from jobs.fan_outs import ask_many
from jobs.outbox import post
from jobs.ports import Letter
from tests.house import House

JOBS = (send, settle, ask_many, post)
"""Those that diagnostics need."""

ANSWERS = {"ping": "diagnostics/ping", "metrics": "diagnostics/metrics", "logs": "diagnostics/log-request"}
METRICS = {
    "cpu_percent": 12.0,
    "ram_used_bytes": 1 << 30,
    "ram_total_bytes": 2 << 30,
    "disk_used_bytes": 4 << 30,
    "disk_total_bytes": 16 << 30,
    "uptime_seconds": 86_400,
    "mqtt_connections": 1,
}


def asked(house: House, kind: str, device_id: str = "dev-1") -> dict[str, Any]:
    """The newest question of a kind that was published for a device."""
    return house.publish.orders(device_id, ANSWERS[kind])[-1]


def answer(
    request: dict[str, Any], kind: str, payload: object, device_id: str = "dev-1", **more: Any
) -> tuple[str, bytes]:
    said = {"request_id": request["request_id"], "chunk": 1, "total_chunks": 1, "payload": payload, **more}
    return f"{device_id}/{ANSWERS[kind]}/response", json.dumps(said).encode()


def chunk(request: dict[str, Any], number: int, total: int, text: str, device_id: str = "dev-1") -> tuple[str, bytes]:
    return answer(request, "logs", text, device_id, chunk=number, total_chunks=total)


def shown(house: House, key: str = "diag:") -> Letter:
    """What Slack shows of the newest message of a request that is no file."""
    return [each for each in house.deliver.letters if each.key.startswith(key) and each.file is None][-1]


def files(house: House) -> list[Letter]:
    return [each for each in house.deliver.letters if each.file is not None]
