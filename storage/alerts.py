"""Alerts as rows, and the message of each in the outbox: both always move together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import alert as rule
from fleet.alert import AlertKind, AlertState
from fleet.errors import BadInput, NotFound, Refused
from fleet.message import Message
from fleet.settings import AlertSettings
from storage import batch, ids, outbox
from storage.db import AnyRow, earliest
from storage.tables import Alert, alerts

_UNRESOLVED = text("state != 'resolved'")  # as the partial index has it


def message_key(alert_id: str) -> str:
    """The outbox key of an alert's message."""
    return f"alert:{alert_id}"


async def open_many(
    session: AsyncSession,
    kind: AlertKind,
    found: Sequence[Mapping[str, Any]],
    channel: str,
    policy: AlertSettings,
    now: datetime,
) -> int:
    """Open one alert for each row of `found` (device_id, and what the message shows), and post it.

    A device that has an open one of this kind keeps it: nothing is doubled. Returns how many were opened.
    """
    ladder = [{"after_s": rung.after.total_seconds(), "mention": rung.mention} for rung in policy.ladder]
    rows = [
        {
            "id": ids.new("al", now),
            "kind": kind,
            "key": each["device_id"],
            "device_id": each["device_id"],
            "state": AlertState.OPEN,
            "opened_at": now,
            "data": dict(each),
            "ladder": ladder,
            "due_at": now + policy.ladder[0].after if policy.ladder else None,
        }
        for each in found
    ]
    if not rows:
        return 0
    insert = batch.insert(session, alerts).on_conflict_do_nothing().returning(alerts)
    opened = (await session.execute(insert, rows)).all()
    await outbox.put(session, _messages(opened), channel, now, outbox.ESCALATION)
    return len(opened)


async def get(session: AsyncSession, name: str) -> Alert:
    """One alert by its id or its ending (4 characters or more). Raises NotFound, or BadInput if several end so."""
    if found := await session.get(Alert, name):
        return found
    if len(name) >= 4:
        ending = select(Alert).where(alerts.c.id.endswith(name.upper(), autoescape=True)).limit(2)
        match (await session.scalars(ending)).all():
            case [only]:
                return only
            case [_, _]:
                raise BadInput(f"Several alerts end in {name}. Write more of the id, from /fleet alert list.")
    raise NotFound(f"There is no alert called {name}. The open ones are in /fleet alert list.")


async def acknowledge(session: AsyncSession, name: str, by: str, now: datetime) -> Alert:
    """Somebody takes it. Raises NotFound, or Refused naming who was faster."""
    alert = await get(session, name)
    statement = (
        update(alerts)
        .where(alerts.c.id == alert.id, alerts.c.state == AlertState.OPEN)
        .values(state=AlertState.ACKNOWLEDGED, acknowledged_by=by, acknowledged_at=now, due_at=None)
        .returning(alerts)
    )
    moved = (await session.execute(statement)).all()
    await session.refresh(alert)
    if not moved:
        raise Refused(_too_late(alert))
    await outbox.revise(session, _messages(moved), now)
    return alert


def _too_late(alert: Alert) -> str:
    if alert.state is AlertState.ACKNOWLEDGED:
        return f"<@{alert.acknowledged_by}> has acknowledged the alert for {alert.device_id} already."
    return f"The alert for {alert.device_id} is resolved already. Nothing is left to acknowledge."


async def resolve_for(session: AsyncSession, kind: AlertKind, device_ids: Sequence[str], by: str, now: datetime) -> int:
    """Close what is open about these devices and edit the messages. Returns how many there were."""
    given = batch.rows(session, {"device_id": batch.TEXT})
    statement = (
        update(alerts)
        .where(alerts.c.device_id == given.c.device_id, batch.and_not_guessed(alerts.c.kind == kind, _UNRESOLVED))
        .values(state=AlertState.RESOLVED, resolved_by=by, resolved_at=now, due_at=None)
        .returning(alerts)
    )
    moved = (await session.execute(statement, {"given": batch.dump({"device_id": each} for each in device_ids)})).all()
    await outbox.revise(session, _messages(moved), now)
    return len(moved)


async def unresolved(session: AsyncSession, limit: int) -> tuple[Sequence[AnyRow], int]:
    """The newest open and acknowledged alerts, and how many there are."""
    rows = await session.execute(select(alerts).where(_UNRESOLVED).order_by(alerts.c.opened_at.desc()).limit(limit))
    return rows.all(), await session.scalar(select(func.count()).select_from(alerts).where(_UNRESOLVED)) or 0


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Open alerts whose next rung is due."""
    statement = (
        select(alerts).where(text("state = 'open'"), alerts.c.due_at <= now).order_by(alerts.c.due_at).limit(limit)
    )
    return (await session.execute(statement)).all()


async def called(session: AsyncSession, alert_id: str, rung: int, next_at: datetime | None) -> bool:
    """Climb one rung, from the one below. False if somebody moved the alert meanwhile."""
    statement = (
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.state == AlertState.OPEN, alerts.c.rung == rung - 1)
        .values(rung=rung, due_at=next_at)
        .returning(alerts.c.id)
    )
    return (await session.execute(statement)).first() is not None


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next rung is due."""
    return await earliest(session, select(func.min(alerts.c.due_at)).where(text("state = 'open'")))


def _messages(rows: Sequence[AnyRow]) -> dict[str, Message]:
    made = {}
    for row in rows:
        shown = {
            **row.data,
            "alert_id": row.id,
            "opened_at": row.opened_at,
            "acknowledged_by": row.acknowledged_by,
            "acknowledged_at": row.acknowledged_at,
            "resolved_by": row.resolved_by,
            "resolved_at": row.resolved_at,
        }
        made[message_key(row.id)] = rule.message(row.kind, row.state, shown)
    return made
