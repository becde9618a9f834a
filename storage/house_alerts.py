"""Alerts about Muster's own house and no device: they stand while something is wrong, one for each kind and key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind, AlertState, Severity
from fleet.event import EventType
from fleet.settings import AlertSettings
from storage import alerts as rows_of
from storage import batch, outbox
from storage.alert_opening import new_row
from storage.tables import alerts


async def tell(
    session: AsyncSession,
    kind: AlertKind,
    key: str,
    data: Mapping[str, Any],
    channel: str,
    policy: AlertSettings,
    now: datetime,
) -> bool:
    """Open it; one that stands says from now on what `data` says. Returns True if it was opened."""
    alone = {"key": key, "data": dict(data), "devices": 0, "remaining": 0, "severity": Severity.CRITICAL}
    row = {**new_row(kind, policy, now), **alone}
    insert = batch.insert(session, alerts).on_conflict_do_nothing().returning(alerts)
    if opened := (await session.execute(insert, [row])).all():
        await outbox.put(session, rows_of.messages(opened), channel, now, outbox.ESCALATION)
        await rows_of.tell_others(session, EventType.ALERT_OPENED, opened, now)
        return True
    standing = (
        select(alerts.c.id, alerts.c.data)
        .where(alerts.c.kind == kind, alerts.c.key == key, alerts.c.state != AlertState.RESOLVED)
        .with_for_update()
    )
    for found in (await session.execute(standing)).all():
        if found.data != dict(data):
            changed = update(alerts).where(alerts.c.id == found.id).values(data=dict(data)).returning(alerts)
            await rows_of.say(session, (await session.execute(changed)).all(), now)
    return False


async def end(session: AsyncSession, kind: AlertKind, key: str, by: str, now: datetime) -> None:
    """Nothing is wrong any more."""
    ended = (
        update(alerts)
        .where(alerts.c.kind == kind, alerts.c.key == key, alerts.c.state != AlertState.RESOLVED)
        .values(state=AlertState.RESOLVED, resolved_by=by, resolved_at=now, due_at=None)
        .returning(alerts)
    )
    rows = (await session.execute(ended)).all()
    await rows_of.say(session, rows, now)
    await rows_of.tell_others(session, EventType.ALERT_RESOLVED, rows, now)


async def stands(session: AsyncSession, kind: AlertKind, key: str) -> bool:
    """True while it is not resolved: a look that takes no lock."""
    statement = select(alerts.c.id).where(alerts.c.kind == kind, alerts.c.key == key)
    return (await session.execute(statement.where(alerts.c.state != AlertState.RESOLVED).limit(1))).first() is not None
