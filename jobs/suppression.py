"""What was suppressed while devices were in maintenance or suspended: told in one message when that has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from fleet.alert import Severity
from fleet.message import Message
from fleet.roles import MUSTER
from jobs.spec import Run, job
from storage import alert_suppression, audit, ids, maintenance, outbox
from storage.columns import iso
from storage.db import CLOCK, AnyRow, wake

log = structlog.get_logger(__name__)

_BATCH = 2000
_LISTED = 30


@job("suppressed alerts", every=timedelta(minutes=1), woken_by=("windows over", "alerts"))
async def summarise(run: Run) -> datetime | None:
    """Tell what was suppressed while devices were in maintenance or suspended, and let what lasts be told again."""
    async with run.db.read() as session:
        windows = await maintenance.to_summarise(session, _BATCH)
        if not windows and not await alert_suppression.over(session, 1):
            return None
    async with run.db.begin(CLOCK) as session:
        windows = await maintenance.to_summarise(session, _BATCH)
        await maintenance.summarised(session, [window.id for window in windows], run.now)
        found = await alert_suppression.over(session, _BATCH)
        ours = await alert_suppression.told(session, [place.id for place in found], run.now)
        places = [place for place in found if place.id in ours]
        if places:
            said = Message(template="alert/suppressed", data=_summary(places))
            key = f"suppressed:{ids.new('sp', run.now)}"
            await outbox.put(session, {key: said}, run.settings.slack.ops_channel, run.now)
            devices = sorted({place.device_id for place in places})
            told = {"devices": devices, "alerts": len(places)}
            await audit.add(session, run.now, MUSTER.id, "alerts.summarised", f"{len(devices)} devices", told)
            wake(session, "alerts", "rules", "certificates", "cases", "new cases")  # what lasts is told now
    if places:
        log.info("suppressed alerts summarised", alerts=len(places))
    return run.now if len(found) == _BATCH or len(windows) == _BATCH else None


def _summary(places: Sequence[AnyRow]) -> dict[str, Any]:
    by_device: dict[str, list[AnyRow]] = defaultdict(list)
    for place in places:
        by_device[place.device_id].append(place)
    rows = [_device(device_id, its) for device_id, its in by_device.items()]
    rows.sort(key=lambda row: (-row["lasting"], -Severity(row["worst"]).rank, row["device_id"]))
    return {
        "devices": len(rows),
        "alerts": len(places),
        "lasting": sum(row["lasting"] for row in rows),
        "worst": _worst(places),
        "since": iso(min(place.joined_at for place in places)),
        "rows": rows[:_LISTED],
    }


def _device(device_id: str, places: Sequence[AnyRow]) -> dict[str, Any]:
    last_of_kind = {place.kind: place for place in places}
    return {
        "device_id": device_id,
        "alerts": len(places),
        "lasting": sum(place.left_at is None for place in places),
        "worst": _worst(places),
        "what": [
            {"kind": kind.value.replace("_", " "), "line": place.line, "lasts": place.left_at is None}
            for kind, place in last_of_kind.items()
        ],
    }


def _worst(places: Sequence[AnyRow]) -> str:
    worst: Severity = max((place.severity for place in places), key=lambda severity: severity.rank)
    return worst.value
