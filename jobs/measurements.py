"""What devices say of their processor, memory and disk, held against the alert rules.

Answers to `diag metrics` have it, and so does telemetry that uses the same names at its top level.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert_rule import RuleKind
from fleet.peers import readings
from fleet.settings import Settings
from storage import alert_rules

_NAMES = ("cpu_percent", "ram_used_bytes", "disk_used_bytes")


async def take(
    session: AsyncSession, metrics: Mapping[str, Mapping[str, Any]], now: datetime, settings: Settings
) -> None:
    """Metrics by device, as `link.wire.Metrics` has them."""
    measured = {device_id: found for device_id, each in metrics.items() if (found := _measured(each))}
    await alert_rules.measured(session, measured, now, settings.drift.online_within)


async def take_telemetry(session: AsyncSession, texts: Mapping[str, str], now: datetime, settings: Settings) -> None:
    """The last telemetry of each device, as JSON text; what holds none of the names is not even read."""
    read = {each: json.loads(text) for each, text in texts.items() if any(name in text for name in _NAMES)}
    if read:
        await take(session, read, now, settings)


def _measured(metrics: Mapping[str, Any]) -> dict[RuleKind, float]:
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}
    shares = readings(numbers)
    return {kind: value for kind in RuleKind if (value := shares.get(kind.value)) is not None}
