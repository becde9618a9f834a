"""Who did what: entries in the transaction that did it, and which devices each is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, literal, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.roles import MUSTER
from fleet.settings_change import changed, digest
from storage import batch, ids
from storage.db import AnyRow, wake
from storage.tables import audit, audit_subjects

_NEWEST = 10_000


async def add(
    session: AsyncSession,
    now: datetime,
    actor: str,
    action: str,
    subject: str,
    data: dict[str, Any] | None = None,
    devices: Iterable[str] = (),
) -> None:
    """One entry. `subject` is a device id, an alert id or the like; a batch is one entry with its ids in `data`.

    It belongs to the story of its subject, of every device in `data["devices"]`, and of `devices`. The sealer gives it
    its place in the chain after the commit.
    """
    data = data or {}
    entry = {"id": ids.new("au", now), "at": now, "actor": actor, "action": action, "subject": subject[:256]}
    await session.execute(insert(audit), [{**entry, "data": data}])
    listed = data.get("devices")
    about = {*devices, *(listed if isinstance(listed, list) else ())}
    if about:
        await _about(session, str(entry["id"]), about)
    wake(session, "audit")


def subject_of(device_ids: Collection[str]) -> str:
    """What an entry about devices has for its subject: the device's id, or how many they are."""
    return next(iter(device_ids)) if len(device_ids) == 1 else f"{len(device_ids)} devices"


async def _about(session: AsyncSession, entry_id: str, devices: Iterable[str]) -> None:
    given = batch.texts(session)
    picked = select(given.c.value, literal(entry_id)).select_from(given).where(true())
    statement = batch.insert(session, audit_subjects).from_select(["device_id", "entry_id"], picked)
    # In order of their key: two transactions that name the same devices do not wait for one another in a circle.
    await session.execute(statement, {"given": batch.dump(sorted(devices))})


async def recent(
    session: AsyncSession, limit: int, who: str = "", what: str = "", since: datetime | None = None, before: str = ""
) -> Sequence[AnyRow]:
    """The newest entries first: by whom, whose action begins with `what`, from `since` on, before the id `before`."""
    statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if who:
        statement = statement.where(audit.c.actor == who)
    if what:
        statement = statement.where(audit.c.action.startswith(what, autoescape=True))
    if since:
        statement = statement.where(audit.c.at >= since)
    if before:
        statement = statement.where(audit.c.id < before)
    return (await session.execute(statement)).all()


async def kinds(session: AsyncSession) -> Sequence[str]:
    """The actions of the newest entries, sorted: an audit of years is not read for a hint."""
    newest = select(audit.c.action).order_by(audit.c.id.desc()).limit(_NEWEST).subquery()
    return (await session.scalars(select(newest.c.action).distinct().order_by(newest.c.action))).all()


async def latest(session: AsyncSession, subject: str, actions: Collection[str]) -> AnyRow | None:
    """The newest entry about a subject that is one of those actions."""
    about = select(audit).where(audit.c.subject == subject, audit.c.action.in_(actions))
    return (await session.execute(about.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(1))).first()


async def note_settings(session: AsyncSession, replica: str, values: dict[str, str], now: datetime) -> list[str]:
    """A start of Muster: if its settings are others than at the start before, an entry says which. Returns their names.

    `values` are those of `fleet.settings_change.flat`, without the secrets. Each replica has settings of its own.
    """
    subject = f"settings of {replica}"
    newest = select(audit.c.data).where(audit.c.subject == subject).order_by(audit.c.at.desc()).limit(1)
    last = await session.scalar(newest)
    before = last["values"] if last else {}
    if digest(before) == digest(values):
        return []
    differing = changed(before, values) if last else {}
    data = {"digest": digest(values), "changed": differing, "values": values}
    await add(session, now, MUSTER.id, "settings.changed" if last else "settings.recorded", subject, data)
    return list(differing)
