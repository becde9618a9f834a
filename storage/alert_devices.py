"""Which devices stand in which alert: their places, and how they leave them when their cause ends.

A group is one row and one message however many devices it has. Whoever joins or leaves changes two numbers, and edits
of them pile up (`alerts.edit_every`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy import case as when
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind, AlertState
from fleet.campaign import TargetState
from fleet.event import EventType
from fleet.grouping import Found
from storage import alerts as rows_of
from storage import batch, ids
from storage.alerts import UNRESOLVED
from storage.db import AnyRow
from storage.tables import Alert, alert_devices, alerts, campaign_devices

STANDING = text("alert_devices.left_at IS NULL")  # as the partial index has it


def has_open_alert(device_id: ColumnElement[str]) -> ColumnElement[bool]:
    """The device stands in an alert that nobody and nothing has resolved; looked up for each."""
    alert = select(alerts.c.id).where(alerts.c.id == alert_devices.c.alert_id, UNRESOLVED)
    its = select(alert_devices.c.id).where(alert_devices.c.device_id == device_id, STANDING)
    return batch.found(its.where(batch.found(alert.correlate(alert_devices))))


async def in_campaign(session: AsyncSession, campaign_id: str, wave: int | None = None) -> int:
    """How many devices that a campaign does not leave out stand in an alert that nobody and nothing has resolved.

    With `wave` only those of that wave. Costs the open alerts, not the campaign.
    """
    place, target = alert_devices.c, campaign_devices.c
    taken = select(target.device_id).where(
        target.campaign_id == campaign_id, target.device_id == place.device_id, target.state != TargetState.SKIPPED
    )
    if wave is not None:
        taken = taken.where(target.wave == wave)
    statement = (
        select(func.count(place.device_id.distinct()))
        .join(alerts, alerts.c.id == place.alert_id)
        .where(STANDING, UNRESOLVED, batch.found(taken.correlate(alert_devices)))
    )
    return await session.scalar(statement) or 0


async def place(
    session: AsyncSession, kind: AlertKind, places: Sequence[tuple[str | None, Found]], now: datetime
) -> set[str]:
    """Give devices their places in alerts. Returns those that had none of this kind and rule yet."""
    if not places:
        return set()
    new = [
        {
            "id": ids.new("am", now),
            "alert_id": alert_id,
            "device_id": each.device_id,
            "kind": kind,
            "detail": each.detail,
            "ends_at": each.ends_at,
            "rule_id": each.rule_id,
            "severity": each.severity,
            "line": each.line,
            "joined_at": now,
        }
        for alert_id, each in places
    ]
    insert = batch.insert(session, alert_devices).on_conflict_do_nothing().returning(alert_devices.c.device_id)
    return set(await session.scalars(insert, new))


async def resolve_for(
    session: AsyncSession, kind: AlertKind | None, device_ids: Sequence[str], by: str, now: datetime, after: timedelta
) -> int:
    """The cause ended for these devices; of every kind, if it is None. Returns how many places in alerts they had."""
    given = batch.rows(session, {"device_id": batch.TEXT})
    of_kind = (alert_devices.c.kind == kind,) if kind else ()
    statement = _left(now).where(
        alert_devices.c.device_id == given.c.device_id,
        batch.and_not_guessed(*of_kind, STANDING),
    )
    left = await session.execute(statement, {"given": batch.dump({"device_id": each} for each in device_ids)})
    return await _decrease(session, left.all(), by, now, after)


async def leave(
    session: AsyncSession, kind: AlertKind, ended: ColumnElement[bool], by: str, now: datetime, after: timedelta
) -> int:
    """The cause ended for the devices in alerts of this kind that meet `ended`, a condition on `alert_devices`."""
    left = await session.execute(_left(now).where(STANDING, alert_devices.c.kind == kind, ended))
    return await _decrease(session, left.all(), by, now, after)


async def any_ended(session: AsyncSession, kind: AlertKind, ended: ColumnElement[bool]) -> bool:
    """True if `leave` would find something: a look that takes no lock."""
    statement = select(alert_devices.c.id).where(STANDING, alert_devices.c.kind == kind, ended).limit(1)
    return (await session.execute(statement)).first() is not None


def _left(now: datetime) -> Any:
    return update(alert_devices).values(left_at=now).returning(alert_devices.c.alert_id)


async def _decrease(session: AsyncSession, left: Sequence[AnyRow], by: str, now: datetime, after: timedelta) -> int:
    """Fewer devices are left in these alerts; the ones that have none left are resolved, and all messages edited."""
    if not left:
        return 0
    fewer = Counter(row.alert_id for row in left if row.alert_id)  # suppressed ones are in no alert
    given = batch.rows(session, {"id": batch.TEXT, "gone": batch.INTEGER})
    remaining = alerts.c.remaining - given.c.gone
    ends = (alerts.c.state != AlertState.RESOLVED) & (remaining <= 0)
    statement = (
        update(alerts)
        .where(alerts.c.id == given.c.id)
        .values(
            remaining=remaining,
            state=when((ends, AlertState.RESOLVED.value), else_=alerts.c.state),
            resolved_by=when((ends, by), else_=alerts.c.resolved_by),
            resolved_at=when((ends, batch.moment(now)), else_=alerts.c.resolved_at),
            due_at=when((ends, None), else_=alerts.c.due_at),
            level_at=when((ends, None), else_=alerts.c.level_at),
        )
        .returning(alerts)
    )
    rows = ({"id": alert_id, "gone": gone} for alert_id, gone in sorted(fewer.items()))
    moved = (await session.execute(statement, {"given": batch.dump(rows)})).all()
    ended = [row for row in moved if row.state is AlertState.RESOLVED and row.resolved_at == now]
    await rows_of.say(session, ended, now)
    await rows_of.tell_others(session, EventType.ALERT_RESOLVED, ended, now)
    await rows_of.say(session, [row for row in moved if row.state is not AlertState.RESOLVED], now, after)
    return len(left)


async def end_in(session: AsyncSession, alert_id: str, ended: ColumnElement[bool], by: str, now: datetime) -> int:
    """Let the devices leave one alert that meet `ended`. Returns how many are left."""
    here = alert_devices.c.alert_id == alert_id
    left = await session.execute(_left(now).where(STANDING, here, ended))
    await _decrease(session, left.all(), by, now, timedelta(0))
    return await session.scalar(select(func.count()).select_from(alert_devices).where(STANDING, here)) or 0


def of_rule(rule_id: str) -> ColumnElement[bool]:
    """The condition that a place is in an alert of this rule."""
    return alert_devices.c.rule_id == rule_id


async def count_of_rule(session: AsyncSession, rule_id: str) -> int:
    """How many devices stand in alerts of this rule."""
    standing = select(func.count()).select_from(alert_devices).where(STANDING, of_rule(rule_id))
    return await session.scalar(standing.where(alert_devices.c.alert_id.is_not(None))) or 0


async def alert_of(session: AsyncSession, kind: AlertKind, device_id: str) -> Alert | None:
    """The unresolved alert of this kind in which the device stands."""
    statement = (
        select(Alert)
        .join(alert_devices, alert_devices.c.alert_id == alerts.c.id)
        .where(STANDING, alert_devices.c.kind == kind, alert_devices.c.device_id == device_id, UNRESOLVED)
    )
    return (await session.scalars(statement)).first()


async def alerts_of(session: AsyncSession, device_id: str, limit: int) -> Sequence[AnyRow]:
    """The unresolved alerts in which the device stands, the newest first."""
    statement = (
        select(alerts)
        .join(alert_devices, alert_devices.c.alert_id == alerts.c.id)
        .where(STANDING, alert_devices.c.device_id == device_id, UNRESOLVED)
        .order_by(alerts.c.opened_at.desc(), alerts.c.id.desc())
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def of_alert(session: AsyncSession, alert_id: str, limit: int) -> tuple[Sequence[AnyRow], int]:
    """The devices that still stand in an alert (device_id, line, joined_at), and how many there are."""
    condition = (alert_devices.c.alert_id == alert_id, STANDING)
    statement = (
        select(alert_devices.c.device_id, alert_devices.c.line, alert_devices.c.joined_at)
        .where(*condition)
        .order_by(alert_devices.c.device_id)
        .limit(limit)
    )
    count = select(func.count()).select_from(alert_devices).where(*condition)
    return (await session.execute(statement)).all(), await session.scalar(count) or 0
