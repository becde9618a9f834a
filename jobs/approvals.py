"""What was asked for and waits: its approvers are reminded, it expires, or it starts."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.approval import ApprovalState, Expire, Remind, Wait, cannot_start, next_step
from fleet.errors import FleetError, Refused, Unavailable
from fleet.roles import MUSTER
from jobs.spec import Run, job
from jobs.starters import BY_OPERATION
from storage import approval_clock, approvals, audit
from storage.db import CLOCK
from storage.tables import Approval

log = structlog.get_logger(__name__)

_BATCH = 100
_AT_ONCE = 20


@job("start what is approved", every=timedelta(minutes=1), woken_by=("approvals",))
async def start(run: Run) -> datetime | None:
    """Start what has its approvals, exactly as it was asked for."""
    until = run.now + run.settings.database.claim_for
    async with run.db.begin(CLOCK) as session:
        claimed = await approval_clock.claim(session, run.now, until, _AT_ONCE)
    for approval_id in claimed:
        try:
            await _start(run, approval_id)
        except Unavailable as away:
            log.warning("an approved plan could not be started, tried again soon", approval=approval_id, why=str(away))
        except FleetError as refused:
            await _fail(run, approval_id, str(refused))
    async with run.db.read() as session:
        return await approval_clock.next_due(session, ApprovalState.APPROVED)


async def _start(run: Run, approval_id: str) -> None:
    """All that starting means, in one transaction. Raises what the starter raises, and nothing has happened then."""
    async with run.db.begin(CLOCK) as session:
        approval = await approval_clock.take(session, approval_id, ApprovalState.STARTED)
        if approval is None:
            return
        if why := cannot_start(approval.plan, approval.plan_sha256, approval.expires_at, run.now):
            raise Refused(why)
        if (starter := BY_OPERATION.get(approval.operation)) is None:
            raise Refused(f"This Muster does not know how to start {approval.operation}. Is it the newest version?")
        await starter(run, session, approval)
        begun = {"title": approval.title}
        await audit.add(session, run.now, MUSTER.id, "approval.started", approval.id, begun, approval.device_ids)
        await approvals.moved(session, approval, run.now, run.settings)


async def _fail(run: Run, approval_id: str, why: str) -> None:
    async with run.db.begin(CLOCK) as session:
        approval = await approval_clock.take(session, approval_id, ApprovalState.FAILED)
        if approval is None:
            return
        approval.error = why
        told = {"title": approval.title, "why": why}
        await audit.add(session, run.now, MUSTER.id, "approval.failed", approval.id, told, approval.device_ids)
        await approvals.moved(session, approval, run.now, run.settings)
    log.warning("an approved plan could not be started", approval=approval_id, why=why)


@job("approvals", every=timedelta(minutes=1), woken_by=("approvals",))
async def remind_or_expire(run: Run) -> datetime | None:
    """Remind approvers of what expires soon, and let expire what nobody decided about in time."""
    async with run.db.begin(CLOCK) as session:
        for approval in await approval_clock.waiting(session, run.now, _BATCH):
            match next_step(approval.expires_at, approval.reminded, run.now):
                case Expire():
                    await _expire(run, session, approval)
                case Remind(next_at=next_at):
                    approval.reminded, approval.due_at = True, next_at
                    await approvals.remind(session, approval, run.now, run.settings)
                case Wait(next_at=next_at):
                    approval.due_at = next_at
    async with run.db.read() as session:
        return await approval_clock.next_due(session, ApprovalState.PENDING)


async def _expire(run: Run, session: AsyncSession, approval: Approval) -> None:
    approval.state, approval.ended_at, approval.due_at = ApprovalState.EXPIRED, run.now, None
    told = {"title": approval.title}
    await audit.add(session, run.now, MUSTER.id, "approval.expired", approval.id, told, approval.device_ids)
    await approvals.moved(session, approval, run.now, run.settings)
