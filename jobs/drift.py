"""The clock's part of drift: find it, push again, give up. What the devices say comes through jobs/inbox.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind
from fleet.drift import CaseState, GiveUp, Push, next_step
from fleet.operation import OperationState
from fleet.roles import MUSTER
from fleet.settings import AlertSettings
from jobs.spec import Run, job
from storage import alert_devices, audit, drift, drift_rounds, drift_sweep, fences, operations, schedule
from storage.db import CLOCK, AnyRow, wake
from storage.schedule import SWEEP

log = structlog.get_logger(__name__)

_BATCH = 1000


@job(SWEEP, every=timedelta(minutes=5), woken_by=(SWEEP,))
async def sweep(run: Run) -> datetime | None:
    """Find devices that drifted from their target, and queue a push for each."""
    policy = run.settings.drift
    async with run.db.read() as session:
        due = await schedule.due_at(session, SWEEP, run.now)
        stopped = await fences.standing(session)
    if due > run.now:
        return due
    if stopped:
        return None  # its pushes could not leave; it is due as soon as everything goes on
    mended, taken_up = await _close_mended(run), 0
    while True:
        async with run.db.begin(CLOCK) as session:
            found = await drift_sweep.find(session, run.now, policy.sweep_limit)
            taken_up += await drift_sweep.take_up(session, found, run.now, policy, MUSTER.id)
            if len(found) < policy.sweep_limit:
                done = {"taken_up": taken_up, "mended": mended}
                if taken_up or mended:
                    await audit.add(session, run.now, MUSTER.id, "drift.swept", "fleet", done)
                next_due = run.now + policy.sweep_every
                await schedule.ran(session, SWEEP, run.now, next_due)
                wake(session, "cases", "new cases")
                break
    log.info("drift swept", **done)
    return next_due


async def _close_mended(run: Run) -> int:
    async with run.db.begin(CLOCK) as session:
        resolved = await drift.resolve_mended(session, run.now)
        await after_resolution(session, resolved, run.now, run.settings.alerts)
    return len(resolved)


async def after_resolution(
    session: AsyncSession, resolved: Sequence[AnyRow], now: datetime, policy: AlertSettings
) -> None:
    """Settle what belonged to cases that were resolved: pushes under way, and the alerts of those that escalated."""
    if not resolved:
        return
    await operations.close(session, [row.operation_id for row in resolved], OperationState.CANCELLED, now)
    escalated = [row.device_id for row in resolved if row.escalated_at]
    if escalated:
        await alert_devices.resolve_for(session, AlertKind.DRIFT, escalated, MUSTER.id, now, policy.edit_every)
    ended = {"devices": [row.device_id for row in resolved]}
    await audit.add(session, now, MUSTER.id, "drift.resolved", f"{len(resolved)} devices", ended)


@job("drift follow-up", every=timedelta(minutes=1), woken_by=("cases",))
async def follow_up(run: Run) -> datetime | None:
    """Push again where no ack came in time, give up where none ever does, begin anew where a device came back."""
    async with run.db.begin(CLOCK) as session:
        retries, silent, anew = [], [], []
        for case in await drift_rounds.due(session, run.now, _BATCH):
            match next_step(case, run.now, run.settings.drift):
                case Push() if case.state is CaseState.UNRESPONSIVE:
                    anew.append(case)
                case Push(attempt=attempt):
                    retries.append(
                        {
                            "id": case.id,
                            "device_id": case.device_id,
                            "target_version": case.target_version,
                            "operation_id": case.operation_id,
                            "attempt": attempt,
                        }
                    )
                case GiveUp(fresh_at=fresh_at):
                    silent.append({"id": case.id, "operation_id": case.operation_id, "fresh_at": fresh_at})
        if retries:
            await drift_rounds.retry(session, retries, run.now, MUSTER.id)
        if silent:
            await drift_rounds.give_up(session, silent, run.now)
        if anew:
            rounds = await drift_rounds.for_cases(session, anew, run.now, run.settings.drift)
            await drift_rounds.begin(session, rounds, run.now, MUSTER.id)
    if retries or silent or anew:
        log.info("drift followed up", pushed_again=len(retries), gave_up=len(silent), fresh_rounds=len(anew))
    async with run.db.read() as session:
        return await drift_rounds.next_due(session)
