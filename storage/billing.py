"""The billing ledger: its entries are only ever added, and a device has at most one open period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.billing import BillingKind
from storage import batch, ids
from storage.columns import hours_since
from storage.db import AnyRow
from storage.tables import OPEN_PERIOD, billing_ledger, billing_periods, devices

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


@dataclass(frozen=True, slots=True)
class Totals:
    """How many devices were billed between two moments, for how many hours in all, and how many still are."""

    devices: int
    hours: float
    open: int


async def totals(session: AsyncSession, begin: datetime, end: datetime) -> Totals:
    """The sums of `periods`."""
    first = case((billing_periods.c.started_at < begin, batch.moment(begin)), else_=billing_periods.c.started_at)
    ended = func.coalesce(billing_periods.c.ended_at, batch.moment(end))
    last = case((ended > end, batch.moment(end)), else_=ended)
    counted = select(
        func.count(billing_periods.c.device_id.distinct()),
        func.sum(hours_since(last, first)),
        func.count().filter(billing_periods.c.ended_at.is_(None)),
    ).where(_within(begin, end))
    devices_billed, hours, still = (await session.execute(counted)).one()
    return Totals(devices_billed, hours or 0.0, still)


async def periods(
    session: AsyncSession, begin: datetime, end: datetime, after: tuple[str, str], limit: int
) -> Sequence[AnyRow]:
    """Up to `limit` periods that reach into the time between, behind (device_id, id), in that order.

    Columns: id, device_id, started_at, ended_at, and of the device site and model.
    """
    device_id, period_id = after
    behind = or_(
        billing_periods.c.device_id > device_id,
        and_(billing_periods.c.device_id == device_id, billing_periods.c.id > period_id),
    )
    statement = (
        select(billing_periods, devices.c.site, devices.c.model)
        .join(devices, devices.c.device_id == billing_periods.c.device_id)
        .where(_within(begin, end), behind)
        .order_by(billing_periods.c.device_id, billing_periods.c.id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def _within(begin: datetime, end: datetime) -> ColumnElement[bool]:
    ended = billing_periods.c.ended_at
    return and_(billing_periods.c.started_at < end, or_(ended.is_(None), ended > begin))


async def entries(
    session: AsyncSession, begin: datetime, end: datetime, after: tuple[datetime, str] | None, limit: int
) -> Sequence[AnyRow]:
    """Up to `limit` entries of the time between, behind (at, id), in that order."""
    entry = billing_ledger.c
    behind = [or_(entry.at > after[0], and_(entry.at == after[0], entry.id > after[1]))] if after else []
    statement = (
        select(billing_ledger)
        .where(entry.at >= begin, entry.at < end, *behind)
        .order_by(entry.at, entry.id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()
