"""Alerts as rows, and the message of each in the outbox: both always move together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import alert as rule
from fleet import alert_message
from fleet.alert import AlertKind, AlertState, sources
from fleet.errors import NotFound, Refused
from fleet.event import EventType
from fleet.lifecycle import ALERTS_PAUSED
from fleet.message import Message
from storage import batch, events, named, outbox
from storage.columns import iso
from storage.db import AnyRow, earliest
from storage.pages import Listing
from storage.selection import Condition
from storage.tables import Alert, alert_devices, alerts, devices

# as the partial indexes have them
UNRESOLVED = text("alerts.state != 'resolved'")
_LADDER = text("alerts.state = 'open'")


def message_key(alert_id: str) -> str:
    """The outbox key of an alert's message."""
    return f"alert:{alert_id}"


def call_key(alert: AnyRow, rung: int) -> str:
    """The outbox key of the call of a rung: a ladder that begins anew calls anew."""
    began = int((alert.ladder_at or alert.opened_at).timestamp())
    return f"{message_key(alert.id)}:rung:{began}:{rung}"


async def get(session: AsyncSession, name: str) -> Alert:
    """One alert by its id or its ending (4 characters or more). Raises NotFound, or BadInput if several end so."""
    if found := await named.find(session, Alert, name, "alerts", "/fleet alert list"):
        return found
    raise NotFound(f"There is no alert called {name}. The open ones are in /fleet alert list.")


async def acknowledge(session: AsyncSession, name: str, by: str, now: datetime) -> Alert:
    """Somebody takes it. Raises NotFound, or Refused naming who was faster."""
    alert = await get(session, name)
    statement = (
        update(alerts)
        .where(alerts.c.id == alert.id, alerts.c.state.in_(sources(AlertState.ACKNOWLEDGED)))
        .values(
            state=AlertState.ACKNOWLEDGED,
            acknowledged_by=by,
            acknowledged_at=now,
            snoozed_until=None,
            snoozed_by=None,
            due_at=None,
        )
        .returning(alerts)
    )
    moved = (await session.execute(statement)).all()
    await session.refresh(alert)
    if not moved:
        raise Refused(_too_late(alert))
    await say(session, moved, now)
    await tell_others(session, EventType.ALERT_ACKNOWLEDGED, moved, now)
    return alert


def _too_late(alert: Alert) -> str:
    if alert.state is AlertState.ACKNOWLEDGED:
        return f"<@{alert.acknowledged_by}> has acknowledged the alert for {about(alert)} already."
    return f"The alert for {about(alert)} is resolved already. Nothing is left to acknowledge."


async def resolve(session: AsyncSession, alert: Alert, why: str, by: str, now: datetime) -> None:
    """Close it by hand, its cause or not. Its devices keep their places, so that what lasts is not told again.

    If it closed in this transaction, because its last device left it, only the reason is added. Raises Refused if
    somebody was faster.
    """
    # Its `level_at` stays: a certificate that is not renewed is told again then, as `causes.expiring` finds it.
    closed = update(alerts).where(alerts.c.id == alert.id, alerts.c.state.in_(sources(AlertState.RESOLVED)))
    values = {"state": AlertState.RESOLVED, "resolved_by": by, "resolved_at": now, "due_at": None}
    ended = (await session.execute(closed.values(**values).returning(alerts))).all()
    explained = update(alerts).where(alerts.c.id == alert.id, alerts.c.resolved_at == now).values(resolved_why=why)
    rows = (await session.execute(explained.returning(alerts))).all()
    if not rows:
        raise Refused(f"The alert for {about(alert)} is resolved already.")
    await say(session, rows, now)
    await tell_others(session, EventType.ALERT_RESOLVED, ended, now)
    await session.refresh(alert)


def unresolved(meant: Condition | None = None) -> Listing:
    """Open, snoozed and acknowledged alerts, the newest first; only those in which such devices stand, if given."""
    where: list[ColumnElement[bool]] = [and_(UNRESOLVED)]
    if meant is not None:
        standing = (
            select(alert_devices.c.id)
            .join(devices, devices.c.device_id == alert_devices.c.device_id)
            .where(alert_devices.c.alert_id == alerts.c.id, alert_devices.c.left_at.is_(None), meant)
        )
        where.append(batch.found(standing))
    return Listing(tuple(alerts.c), alerts, and_(*where), alerts.c.id, newest_first=True)


async def for_person(session: AsyncSession, person: str, limit: int) -> tuple[Sequence[AnyRow], int]:
    """The newest alerts that this person took or nobody has, and how many there are."""
    taken = and_(alerts.c.state == AlertState.ACKNOWLEDGED, alerts.c.acknowledged_by == person)
    theirs = (UNRESOLVED, or_(alerts.c.state == AlertState.OPEN, taken))
    rows = await session.execute(select(alerts).where(*theirs).order_by(alerts.c.opened_at.desc()).limit(limit))
    return rows.all(), await session.scalar(select(func.count()).select_from(alerts).where(*theirs)) or 0


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Open alerts whose next rung is due, but for those whose devices are all in maintenance or suspended."""
    statement = select(alerts).where(_LADDER, alerts.c.due_at <= now, calling()).order_by(alerts.c.due_at).limit(limit)
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
    """When the next rung is due. A paused one that is due already is looked at by the interval."""
    return await earliest(session, select(func.min(alerts.c.due_at)).where(_LADDER, calling()))


def calling() -> ColumnElement[bool]:
    """The condition that an alert may call people: not all that is left in it is in maintenance or suspended.

    One about the house has no devices, and always may.
    """
    awake = (
        select(alert_devices.c.id)
        .join(devices, devices.c.device_id == alert_devices.c.device_id)
        .where(
            alert_devices.c.alert_id == alerts.c.id,
            alert_devices.c.left_at.is_(None),
            devices.c.status.not_in(ALERTS_PAUSED),
        )
        .exists()
    )
    return or_(alerts.c.devices == 0, awake)


def messages(rows: Sequence[Alert | AnyRow], also: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Message]:
    """The message of each alert as it should read now, by its outbox key; `also` is more data, by the alert's id."""
    made = {}
    for row in rows:
        shown = {
            **row.data,
            "alert_id": row.id,
            "device_id": row.device_id,
            "devices": row.devices,
            "remaining": row.remaining,
            "level": row.level,
            "opened_at": row.opened_at,
            "snoozed_by": row.snoozed_by,
            "snoozed_until": row.snoozed_until,
            "acknowledged_by": row.acknowledged_by,
            "acknowledged_at": row.acknowledged_at,
            "resolved_by": row.resolved_by,
            "resolved_at": row.resolved_at,
            "resolved_why": row.resolved_why,
            **(also or {}).get(row.id, {}),
        }
        made[message_key(row.id)] = alert_message.message(row.kind, row.state, shown)
    return made


async def say(session: AsyncSession, rows: Sequence[AnyRow], now: datetime, after: timedelta = timedelta(0)) -> None:
    """Edit the messages of these alerts. `after` lets edits pile up that nobody waits for, such as numbers.

    Calls that have not left yet are withdrawn where somebody has taken the alert, or it is over or silent.
    """
    silent = [row for row in rows if row.state is not AlertState.OPEN]
    calls = [call_key(row, rung) for row in silent for rung in range(1, row.rung + 1)]
    await outbox.withdraw(session, calls, now)
    await outbox.revise(session, messages(rows, await _present(session, rows)), now, after)


async def _present(session: AsyncSession, rows: Sequence[AnyRow]) -> dict[str, dict[str, Any]]:
    """What a device runs and should run now, for each of the alerts about its drift that ended: the target may differ.

    By the alert's id: target and reported, under "present".
    """
    ended = {row.device_id: row.id for row in rows if _drift_ended(row)}
    if not ended:
        return {}
    given = batch.texts(session)
    statement = select(
        devices.c.device_id,
        devices.c.target_config_version.label("target"),
        devices.c.reported_config_version.label("reported"),
    ).join(given, given.c.value == devices.c.device_id)
    found = await session.execute(statement, {"given": batch.dump(ended)})
    return {ended[row.device_id]: {"present": {"target": row.target, "reported": row.reported}} for row in found}


def _drift_ended(row: AnyRow) -> bool:
    return bool(row.kind is AlertKind.DRIFT and row.device_id and row.state is AlertState.RESOLVED)


async def tell_others(session: AsyncSession, kind: EventType, rows: Sequence[AnyRow], now: datetime) -> None:
    """Tell other systems, such as one that calls people, what became of these alerts. The subject is the alert's id."""
    told = {
        row.id: {
            "kind": row.kind.value,
            "about": about(row),
            "severity": row.severity.value,
            "device_id": row.device_id,
            "devices": row.devices,
            "site": row.data.get("site"),
            "opened_at": iso(row.opened_at),
            "acknowledged_by": row.acknowledged_by,
            "resolved_by": row.resolved_by,
        }
        for row in rows
    }
    await events.emit_many(session, kind, told, now)


def about(alert: Alert | AnyRow) -> str:
    """Whom or what it is about, in a few words."""
    return rule.about(alert.kind, alert.device_id, alert.data)
