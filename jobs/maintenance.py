"""Maintenance windows start and end by themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.event import EventType
from fleet.lifecycle import DeviceStatus
from fleet.maintenance import WindowState
from fleet.message import Button, Message
from fleet.roles import MUSTER
from jobs.spec import Run, job
from storage import audit, events, lifecycle, maintenance, outbox
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

_BATCH = 500
_ENDED = "its maintenance window ended"


@job("maintenance windows", every=timedelta(minutes=1), woken_by=("maintenance",))
async def windows(run: Run) -> datetime | None:
    """Begin the maintenance windows whose time has come, and end those whose time is over."""
    async with run.db.read() as session:
        due = await maintenance.next_due(session)
    if due is None or due > run.now:
        return due
    async with run.db.begin(CLOCK) as session:
        rows = await maintenance.due(session, run.now, _BATCH)
        await _end(run, session, [row for row in rows if row.state is WindowState.RUNNING])
        await _begin(run, session, [row for row in rows if row.state is WindowState.PLANNED])
    log.info("maintenance windows moved", count=len(rows))
    return run.now


async def _end(run: Run, session: AsyncSession, over: Sequence[AnyRow]) -> None:
    ids = [row.device_id for row in over]
    done = await lifecycle.move(session, ids, DeviceStatus.ACTIVE, MUSTER.id, _ENDED, run.now, run.settings)
    if done.refused:  # somebody wrote the state by other means: the window must not stay due for ever
        await maintenance.ended(session, list(done.refused), MUSTER.id, run.now)


async def _begin(run: Run, session: AsyncSession, planned: Sequence[AnyRow]) -> None:
    missed = {
        row.device_id: "Its window was over before Muster ran again." for row in planned if row.ends_at <= run.now
    }
    alike: dict[str, list[str]] = defaultdict(list)
    for row in planned:
        if row.device_id not in missed:
            alike[row.why].append(row.device_id)
    for why, ids in alike.items():
        done = await lifecycle.move(session, ids, DeviceStatus.MAINTENANCE, MUSTER.id, why, run.now, run.settings)
        missed |= done.refused
    if missed:
        await _miss(run, session, missed)


async def _miss(run: Run, session: AsyncSession, missed: Mapping[str, str]) -> None:
    """Windows that could not begin are told to people: somebody relies on them."""
    gone = await maintenance.cancelled(session, list(missed), MUSTER.id, run.now, WindowState.MISSED)
    for row in gone:
        why = missed[row.device_id]
        data = {"device_id": row.device_id, "why": why, "by": row.requested_by, "starts_at": row.starts_at}
        again = Button(text="Show device", run=f"device show {row.device_id}")
        said = Message(template="device/missed", data={**data, "ends_at": row.ends_at}, buttons=(again,))
        await outbox.put(session, {f"window:{row.id}": said}, run.settings.slack.ops_channel, run.now)
        told = {**maintenance.window_data(row), "missed": why}
        await events.emit(session, EventType.MAINTENANCE_CANCELLED, row.device_id, told, run.now)
        await audit.add(session, run.now, MUSTER.id, "maintenance.missed", row.device_id, {"why": why})
