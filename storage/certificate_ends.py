"""What the clock ends: certificates that a newer one has replaced, and questions about them that nobody answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, and_, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.operation import OperationState
from storage import batch
from storage import operations as rows_of
from storage.certificates import KINDS, REVOKED
from storage.db import AnyRow, earliest, wake
from storage.tables import certificates, devices, operations


def _over(now: datetime) -> Select[str]:
    """Superseded ones whose time is over and whose device was heard since."""
    return (
        select(certificates.c.serial)
        .join(devices, devices.c.device_id == certificates.c.device_id)
        .where(text("revoke_at IS NOT NULL"), certificates.c.revoke_at <= now)
        .where(devices.c.last_seen_at >= certificates.c.revoke_at)
    )


def _unanswered(now: datetime) -> Select[str]:
    """What was sent about certificates and not answered in its time."""
    return select(operations.c.id).where(
        text("operations.state = 'sent'"),  # as the partial index has it
        operations.c.kind.in_(KINDS),
        operations.c.expires_at <= now,
    )


async def anything_over(session: AsyncSession, now: datetime) -> bool:
    """True if `revoke_superseded` or `close_unanswered` would find something: a look that takes no lock."""
    either = or_(_over(now).exists(), _unanswered(now).exists())
    return bool(await session.scalar(select(either)))


async def revoke_superseded(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Revoke up to `limit` superseded ones whose time is over and whose device was heard since. Columns: all."""
    due = _over(now).order_by(certificates.c.revoke_at).limit(limit).cte("due")
    statement = (
        update(certificates)
        .where(certificates.c.serial == due.c.serial)
        .values(**REVOKED, revoked_at=now, reason="superseded")
        .returning(certificates)
    )
    rows: Sequence[AnyRow] = (await session.execute(statement)).all()
    if rows:
        wake(session, "crl")
    return rows


async def close_unanswered(session: AsyncSession, now: datetime, limit: int) -> int:
    """Close up to `limit` operations that nobody answered in their time. A late answer still settles them."""
    found = list(await session.scalars(_unanswered(now).limit(limit)))
    await rows_of.close(session, found, OperationState.EXPIRED, now)
    return len(found)


async def replaced(session: AsyncSession, campaign_id: str) -> tuple[int, datetime | None]:
    """How many certificates that a campaign replaced still work, and when the last of them may be revoked."""
    newer = certificates.alias("newer")
    of_campaign = and_(newer.c.device_id == certificates.c.device_id, newer.c.campaign_id == campaign_id)
    statement = select(func.count(), func.max(certificates.c.revoke_at)).where(
        text("certificates.revoke_at IS NOT NULL"), batch.found(select(newer.c.serial).where(of_campaign))
    )
    still, until = (await session.execute(statement)).one()
    return still, until


async def next_revocation(session: AsyncSession, now: datetime) -> datetime | None:
    """When the next superseded one is due; those that wait for their device are looked at by the interval."""
    waits = and_(text("revoke_at IS NOT NULL"), certificates.c.revoke_at > now)
    return await earliest(session, select(func.min(certificates.c.revoke_at)).where(waits))
