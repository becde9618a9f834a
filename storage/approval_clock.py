"""What the clock does with requests for approval: it reminds, lets them expire, and starts what is approved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.approval import ApprovalState, sources
from storage.db import earliest
from storage.tables import Approval, approvals

_DUE = text("approvals.due_at IS NOT NULL")  # as the partial index has it


async def waiting(session: AsyncSession, now: datetime, limit: int) -> Sequence[Approval]:
    """Pending requests that are due to be looked at, locked; those that somebody else holds are left out."""
    statement = (
        select(Approval)
        .where(_DUE, approvals.c.state == ApprovalState.PENDING, approvals.c.due_at <= now)
        .order_by(approvals.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.scalars(statement)).all()


async def claim(session: AsyncSession, now: datetime, until: datetime, limit: int) -> list[str]:
    """Take up to `limit` approved requests to start: nobody else does before `until`, so one that cannot be started
    does not hold up the others. Returns their ids."""
    due = select(approvals.c.id).where(_DUE, approvals.c.state == ApprovalState.APPROVED, approvals.c.due_at <= now)
    picked = due.order_by(approvals.c.due_at).limit(limit).with_for_update(skip_locked=True).cte("picked")
    statement = update(approvals).where(approvals.c.id == picked.c.id).values(due_at=until).returning(approvals.c.id)
    return list(await session.scalars(statement))


async def take(session: AsyncSession, approval_id: str, state: ApprovalState) -> Approval | None:
    """Move one from approved to `started` or `failed`; None if it is not approved any more.

    Until the transaction ends nobody else can: it starts once.
    """
    statement = (
        update(approvals)
        .where(approvals.c.id == approval_id, approvals.c.state.in_(sources(state)))
        .values(state=state, due_at=None)
        .returning(approvals.c.id)
    )
    if (await session.execute(statement)).first() is None:
        return None
    return await session.get(Approval, approval_id)


async def next_due(session: AsyncSession, state: ApprovalState) -> datetime | None:
    """When the next request in this state is due."""
    return await earliest(session, select(func.min(approvals.c.due_at)).where(_DUE, approvals.c.state == state))
