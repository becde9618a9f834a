"""Alerts that are silent for a while, and those that call again: after a snooze, or because they got louder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Integer, case, cast, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertState, sources
from fleet.errors import Refused
from storage import alerts as rows_of
from storage import batch
from storage.db import AnyRow, earliest, wake
from storage.tables import Alert, alert_devices, alerts

_SNOOZED = text("alerts.state = 'snoozed'")  # as the partial indexes have them
_LOUDER = text("alerts.level_at IS NOT NULL")


async def snooze(session: AsyncSession, name: str, until: datetime, by: str, now: datetime) -> Alert:
    """Silent until then: it calls nobody. Raises NotFound, or Refused if it is resolved."""
    alert = await rows_of.get(session, name)
    statement = (
        update(alerts)
        .where(alerts.c.id == alert.id, alerts.c.state.in_(sources(AlertState.SNOOZED)))
        .values(state=AlertState.SNOOZED, snoozed_until=until, snoozed_by=by, due_at=None)
        .returning(alerts)
    )
    moved = (await session.execute(statement)).all()
    await session.refresh(alert)
    if not moved:
        raise Refused(f"The alert for {rows_of.about(alert)} is resolved already. There is nothing to snooze.")
    await rows_of.say(session, moved, now)
    wake(session, "alerts")
    return alert


async def end(session: AsyncSession, name: str, now: datetime) -> Alert:
    """End a snooze before its time. Raises NotFound, or Refused if there is none."""
    alert = await rows_of.get(session, name)
    row = (await session.execute(select(alerts).where(alerts.c.id == alert.id))).one()
    moved = await reopen(session, [row], now)
    await session.refresh(alert)
    if not moved:
        raise Refused(f"The alert for {rows_of.about(alert)} is {alert.state}, not snoozed. Nothing was changed.")
    return alert


async def over(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Snoozed alerts whose time is over. Those whose devices are all in maintenance or suspended wait on."""
    statement = (
        select(alerts)
        .where(_SNOOZED, alerts.c.snoozed_until <= now, rows_of.calling())
        .order_by(alerts.c.snoozed_until)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def next_over(session: AsyncSession) -> datetime | None:
    """When the next snooze is over."""
    return await earliest(session, select(func.min(alerts.c.snoozed_until)).where(_SNOOZED, rows_of.calling()))


async def reopen(session: AsyncSession, rows: Sequence[AnyRow], now: datetime) -> set[str]:
    """Begin to call again from the first rung, where the alert is still snoozed. Returns the ids of those."""
    given = batch.rows(session, {"id": batch.TEXT, "due_at": batch.MOMENT})
    statement = (
        update(alerts)
        .where(alerts.c.id == given.c.id, batch.and_not_guessed(_SNOOZED))
        .values(state=AlertState.OPEN, snoozed_until=None, rung=0, ladder_at=now, due_at=given.c.due_at)
        .returning(alerts)
    )
    begun = ({"id": row.id, "due_at": _first_call(row, now)} for row in rows)
    moved = (await session.execute(statement, {"given": batch.dump(begun)})).all()
    await rows_of.say(session, moved, now)
    wake(session, "outbox")
    return {row.id for row in moved}


def _first_call(row: AnyRow | Alert, now: datetime) -> datetime | None:
    return now + timedelta(seconds=float(row.ladder[0]["after_s"])) if row.ladder else None


async def louder(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Unresolved alerts whose next threshold has come: the alert's columns, and `ends_at`, the first end in it."""
    first = (
        select(func.min(alert_devices.c.ends_at))
        .where(alert_devices.c.alert_id == alerts.c.id, alert_devices.c.left_at.is_(None))
        .scalar_subquery()
    )
    statement = (
        select(alerts, first.label("ends_at"))
        .where(_LOUDER, alerts.c.level_at <= now, rows_of.UNRESOLVED)
        .where(rows_of.calling())
        .order_by(alerts.c.level_at)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def raise_level(session: AsyncSession, row: AnyRow, level: int, level_at: datetime | None, now: datetime) -> bool:
    """One alert got louder: it calls again from the first rung, but for one that is snoozed. False if it is too late.

    An alert that is open calls on where its ladder stands.
    """
    again = alerts.c.state == AlertState.ACKNOWLEDGED
    statement = (
        update(alerts)
        .where(alerts.c.id == row.id, alerts.c.level == row.level, alerts.c.state != AlertState.RESOLVED)
        .values(
            level=level,
            level_at=level_at,
            state=case((again, AlertState.OPEN.value), else_=alerts.c.state),
            rung=case((again, cast(0, Integer)), else_=alerts.c.rung),
            ladder_at=case((again, batch.moment(now)), else_=alerts.c.ladder_at),
            due_at=case((again, literal(_first_call(row, now), batch.MOMENT)), else_=alerts.c.due_at),
        )
        .returning(alerts)
    )
    moved = (await session.execute(statement)).all()
    await rows_of.say(session, moved, now)
    return bool(moved)


async def next_louder(session: AsyncSession) -> datetime | None:
    """When the next threshold comes."""
    statement = select(func.min(alerts.c.level_at)).where(_LOUDER, rows_of.UNRESOLVED, rows_of.calling())
    return await earliest(session, statement)
