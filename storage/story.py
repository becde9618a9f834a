"""What happened to a device, out of every table that knows: each is asked for its own newest events, by index.

A story costs its own length. The tables are asked for what is before a moment, so a page further back costs the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind
from fleet.roles import MUSTER
from fleet.story import DOUBLED, Event, Page, detail, folded, linked, outcome, page, url, words
from storage import alerts as alert_rows
from storage import approvals as approval_rows
from storage.tables import alert_devices, alerts, audit, audit_subjects, devices, drift_cases, operations, outbox

_READ = 200  # events that are looked at for one page: repeated ones become one
_REGISTERED = words("device.registered")


async def of_device(session: AsyncSession, device_id: str, before: datetime, limit: int) -> Page:
    """Its newest events before that moment, those that repeat as one. It begins with the registration."""
    found = [
        *await _audit(session, device_id, before, _READ),
        *await _cases(session, device_id, before, _READ),
        *await _operations(session, device_id, before, _READ),
        *await _alerts(session, device_id, before, _READ),
    ]
    read = page(found, _READ)
    began = [] if read.earlier else await _registration(session, device_id, before, read)
    told = page(folded([*began, *read.events]), limit)
    told = replace(told, earlier=told.earlier or read.earlier)
    return linked(told, await _urls(session, {event.key for event in told.events if event.key}))


async def _registration(session: AsyncSession, device_id: str, before: datetime, read: Page) -> list[Event]:
    """An import has one entry for all of its devices; a device that was registered by itself has its own."""
    if any(event.what == _REGISTERED for event in read.events):
        return []
    at = await session.scalar(select(devices.c.registered_at).where(devices.c.device_id == device_id))
    return [Event(at, MUSTER.id, _REGISTERED)] if at and at < before else []


async def _audit(session: AsyncSession, device_id: str, before: datetime, limit: int) -> list[Event]:
    by_batch = select(audit_subjects.c.entry_id).where(audit_subjects.c.device_id == device_id)
    by_name = select(audit.c.id).where(audit.c.subject == device_id)
    about = union(by_batch, by_name).subquery()
    statement = (
        select(audit)
        .join(about, about.c[0] == audit.c.id)
        .where(audit.c.at < before, audit.c.action.not_in(DOUBLED))
        .order_by(audit.c.at.desc(), audit.c.id.desc())
        .limit(limit + 1)
    )
    rows = await session.execute(statement)
    return [Event(row.at, row.actor, words(row.action), detail(row.data), _key(row.subject)) for row in rows]


def _key(subject: str) -> str:
    """The message of what an entry is about, by the beginning of its id."""
    if subject.startswith("ap-"):
        return approval_rows.message_key(subject)
    return alert_rows.message_key(subject) if subject.startswith("al-") else ""


async def _cases(session: AsyncSession, device_id: str, before: datetime, limit: int) -> list[Event]:
    case = drift_cases.c
    of_device = select(drift_cases).where(case.device_id == device_id)
    events = []
    for row in await session.execute(_newest(of_device, case.detected_at, before, limit)):
        wanted = f"should run {row.target_version}, reported {row.reported_version or 'nothing yet'}"
        events.append(Event(row.detected_at, MUSTER.id, "drift found", wanted))
    for row in await session.execute(_newest(of_device, case.resolved_at, before, limit)):
        said = f"; the device had said: {row.error}" if row.error else ""
        events.append(Event(row.resolved_at, MUSTER.id, "drift resolved", f"{row.resolution.value}{said}"))
    return events


async def _alerts(session: AsyncSession, device_id: str, before: datetime, limit: int) -> list[Event]:
    place = alert_devices.c
    columns = (
        *(place.joined_at, place.left_at, place.kind, place.line, place.alert_id),
        *(alerts.c.acknowledged_by, alerts.c.acknowledged_at),
    )
    of_device = select(*columns).outerjoin(alerts, alerts.c.id == place.alert_id).where(place.device_id == device_id)
    events = []
    for row in await session.execute(_newest(of_device, place.joined_at, before, limit)):
        how = "alert opened" if row.alert_id else "alert suppressed"
        events.append(Event(row.joined_at, MUSTER.id, f"{how}: {_kind(row.kind)}", row.line, _of(row.alert_id)))
    for row in await session.execute(_newest(of_device, place.left_at, before, limit)):
        events.append(Event(row.left_at, MUSTER.id, f"alert over: {_kind(row.kind)}", "", _of(row.alert_id)))
    for row in await session.execute(_newest(of_device, alerts.c.acknowledged_at, before, limit)):
        what = f"alert acknowledged: {_kind(row.kind)}"
        events.append(Event(row.acknowledged_at, row.acknowledged_by, what, "", _of(row.alert_id)))
    return events


def _kind(kind: AlertKind) -> str:
    return kind.value.replace("_", " ")


def _of(alert_id: str | None) -> str:
    return alert_rows.message_key(alert_id) if alert_id else ""


async def _operations(session: AsyncSession, device_id: str, before: datetime, limit: int) -> list[Event]:
    of_device = select(operations).where(operations.c.device_id == device_id)
    events = []
    for row in await session.execute(_newest(of_device, operations.c.created_at, before, limit)):
        became = outcome(row.kind, row.state, row.sent_at is not None, bool(row.campaign_id))
        parts = [f"{row.version}" if row.version else "", became]
        parts.append(f"attempt {row.attempt}" if row.attempt > 1 else "")
        parts.append(f"campaign {row.campaign_id[-6:]}" if row.campaign_id else "")
        parts.append(row.error)
        what = f"asked: {row.kind.value.replace('_', ' ')}"
        events.append(Event(row.created_at, row.requested_by, what, ", ".join(part for part in parts if part)))
    return events


def _newest(statement: Select[Any], moment: ColumnElement[Any], before: datetime, limit: int) -> Select[Any]:
    """One more than a page, so that it is known whether there is another one."""
    return statement.where(moment < before).order_by(moment.desc()).limit(limit + 1)


async def _urls(session: AsyncSession, keys: Iterable[str]) -> dict[str, str]:
    columns = (outbox.c.key, outbox.c.channel, outbox.c.ts)
    standing = select(*columns).where(outbox.c.key.in_(keys), outbox.c.ts.is_not(None))
    return {row.key: url(row.channel, row.ts) for row in await session.execute(standing)}
