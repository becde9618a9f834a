"""Rows for tests, in few words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fleet.lifecycle import DeviceStatus
from fleet.version import version_key
from storage import configs, devices
from storage.db import Database

OLD, NEW = "2026.1.0", "2026.2.0"


def device(device_id: str, now: datetime, **columns: Any) -> dict[str, Any]:
    """An active device that runs its target, unless told otherwise."""
    row: dict[str, Any] = {
        "device_id": device_id,
        "status": DeviceStatus.ACTIVE,
        "site": "oslo",
        "model": "gw2",
        "registered_at": now,
        "target_config_version": NEW,
        "reported_config_version": NEW,
        "firmware_version": "1.4.0",
        "last_seen_at": None,
        "reported_site": "",
        "boot_id": "",
        "telemetry_count": 0,
        **columns,
    }
    return {**row, "firmware_key": version_key(row["firmware_version"])}


async def fleet(db: Database, now: datetime, rows: Sequence[dict[str, Any]], **more: Any) -> None:
    """Put devices into the registry, beside the configurations OLD and NEW."""
    async with db.begin() as session:
        for version in (OLD, NEW):
            await configs.add(session, version, f'{{"version":"{version}"}}', "", "olga", now)
        await devices.add(session, rows, **more)
