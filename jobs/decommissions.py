"""Devices leave when the export of their data is certain."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby

import structlog

from fleet.lifecycle import DeviceStatus
from jobs.spec import Run, job
from storage import decommissions, lifecycle
from storage.db import CLOCK

log = structlog.get_logger(__name__)

_BATCH = 500


@job("decommissions", every=timedelta(minutes=1), woken_by=("decommissions",))
async def leave(run: Run) -> datetime | None:
    """Decommission the devices that only waited for the export of their data."""
    async with run.db.read() as session:
        if not await decommissions.ready(session, 1):
            return None
    async with run.db.begin(CLOCK) as session:
        rows = await decommissions.ready(session, _BATCH)
        for (by, why), alike in groupby(rows, key=lambda row: (row.requested_by, row.why)):
            ids = [row.device_id for row in alike]
            await lifecycle.move(session, ids, DeviceStatus.DECOMMISSIONED, by, why, run.now, run.settings)
    log.info("devices decommissioned", count=len(rows))
    return run.now if len(rows) == _BATCH else None
