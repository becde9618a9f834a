"""Drift cases that people are told of, because they last too long or a device refused; or that are snoozed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind
from storage import batch
from storage.db import AnyRow, earliest, wake
from storage.drift import OPEN
from storage.tables import SNOOZED_CASE, UNTOLD_CASE, alert_devices, devices, drift_cases

_UNTOLD = text(UNTOLD_CASE)
_SNOOZED = text(SNOOZED_CASE)


async def escalating(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Open cases to be escalated now: the case's columns, with status, site, model, firmware_version, last_seen_at.

    A device in maintenance or suspended is found once, for what is suppressed, and again when that has ended. A case
    that is snoozed waits, and so does that of a device that flaps, which has an alert of its own.
    """
    told = _stands(AlertKind.DRIFT, alert_devices.c.alert_id.is_(None))
    statement = (
        select(
            drift_cases,
            devices.c.status,
            devices.c.site,
            devices.c.model,
            devices.c.firmware_version,
            devices.c.reported_config_version,
            devices.c.last_seen_at,
        )
        .join(devices, devices.c.device_id == drift_cases.c.device_id)
        .where(_UNTOLD, drift_cases.c.escalate_at <= now)
        .where(batch.not_found(told), batch.not_found(_stands(AlertKind.FLAPPING)))
        .where(or_(drift_cases.c.snoozed_until.is_(None), drift_cases.c.snoozed_until <= now))
        .order_by(drift_cases.c.escalate_at)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def _stands(kind: AlertKind, *more: ColumnElement[bool]) -> Select[str]:
    """The device has its place in an alert of that kind."""
    place = alert_devices.c
    here = (place.device_id == drift_cases.c.device_id, place.kind == kind, place.left_at.is_(None))
    return select(place.id).where(*here, *more)


async def escalated(session: AsyncSession, case_ids: Sequence[str], now: datetime) -> set[str]:
    """Mark these as escalated. Returns those that were not yet."""
    statement = (
        update(drift_cases)
        .where(drift_cases.c.id.in_(case_ids), OPEN, drift_cases.c.escalated_at.is_(None))
        .values(escalated_at=now)
        .returning(drift_cases.c.id)
    )
    return set(await session.scalars(statement))


async def next_escalation(session: AsyncSession, now: datetime) -> datetime | None:
    """The next escalation after `now`; those that are due and paused are looked at by the interval."""
    statement = select(func.min(drift_cases.c.escalate_at)).where(_UNTOLD, drift_cases.c.escalate_at > now)
    snoozed = select(func.min(drift_cases.c.snoozed_until)).where(_SNOOZED, drift_cases.c.snoozed_until > now)
    return await earliest(session, statement, snoozed)


async def snooze(session: AsyncSession, case_id: str, until: datetime | None, by: str, why: str) -> None:
    """The escalation of this case waits until then; None ends it."""
    values = {"snoozed_until": until, "snoozed_by": by if until else None, "snooze_why": why if until else ""}
    await session.execute(update(drift_cases).where(drift_cases.c.id == case_id, OPEN).values(**values))
    wake(session, "cases")
