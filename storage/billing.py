"""The billing ledger: its entries are only ever added, and a device has at most one open period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.billing import BillingKind
from storage import batch, ids
from storage.db import AnyRow
from storage.tables import OPEN_PERIOD, billing_ledger, billing_periods

_OPEN = text(OPEN_PERIOD)  # as the partial index has it


async def start(
    session: AsyncSession, device_ids: Sequence[str], kind: BillingKind, now: datetime, by: str, why: str
) -> None:
    """Billing starts, or resumes. A device that is billed already stays so, without another entry."""
    if not device_ids:
        return
    new = [{"id": ids.new("bp", now), "device_id": each, "started_at": now} for each in device_ids]
    statement = batch.insert(session, billing_periods).on_conflict_do_nothing()
    opened = await session.execute(statement.returning(billing_periods.c.id, billing_periods.c.device_id), new)
    await _note(session, opened.all(), kind, now, by, why)


async def stop(session: AsyncSession, device_ids: Sequence[str], now: datetime, by: str, why: str) -> None:
    """Billing stops. A device that is not billed has no entry of it."""
    given = batch.texts(session)
    statement = (
        update(billing_periods)
        .where(billing_periods.c.device_id == given.c.value, batch.and_not_guessed(_OPEN))
        .values(ended_at=now)
        .returning(billing_periods.c.id, billing_periods.c.device_id)
    )
    closed = await session.execute(statement, {"given": batch.dump(device_ids)})
    await _note(session, closed.all(), BillingKind.STOP, now, by, why)


async def _note(
    session: AsyncSession, periods: Sequence[AnyRow], kind: BillingKind, now: datetime, by: str, why: str
) -> None:
    """One entry of the ledger for each of these periods (id, device_id)."""
    entry = {"kind": kind, "at": now, "by": by, "why": why}
    rows = [{**entry, "id": ids.new("bl", now), "device_id": row.device_id, "period_id": row.id} for row in periods]
    if rows:
        await session.execute(insert(billing_ledger), rows)
