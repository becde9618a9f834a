"""Moves of devices between their states, each with all that belongs to it, in the transaction of whoever asks.

`lifecycle_actions.ACTIONS` is the list of what a move brings with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.decommission import ExportState
from fleet.event import EventType
from fleet.lifecycle import DeviceStatus, refusal, sources
from fleet.settings import Settings
from storage import audit, batch, decommissions, ids
from storage.db import AnyRow
from storage.lifecycle_actions import ACTIONS, Change, tell
from storage.tables import devices, transitions


@dataclass(frozen=True, slots=True)
class Moved:
    """`refused` says why, by device. `waiting` will be decommissioned when the export of their data is certain."""

    moved: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)


async def move(
    session: AsyncSession,
    device_ids: Sequence[str],
    to: DeviceStatus,
    by: str,
    why: str,
    now: datetime,
    settings: Settings,
    **details: Any,
) -> Moved:
    """Move these devices, each with everything that its move brings; those that may not go stay, and are told why.

    Details: `until` (the end of a maintenance that was not planned before); `without_export` (True: decommission
    although nobody has confirmed the export of the data; `why` must say who answers for it).
    """
    asked = Change(await _locked(session, device_ids), to, by, why, now, settings, MappingProxyType(details))
    known = {row.device_id for row in asked.rows}
    refused = {each: f"There is no device called {each}." for each in device_ids if each not in known}
    refused |= {row.device_id: why_not for row in asked.rows if (why_not := refusal(row.status, to))}
    legal = [row for row in asked.rows if row.device_id not in refused]
    going = await _exported(session, replace(asked, rows=legal)) if to is DeviceStatus.DECOMMISSIONED else legal
    by_former: dict[DeviceStatus, list[AnyRow]] = defaultdict(list)
    for row in going:
        by_former[row.status].append(row)
    for former, rows in by_former.items():
        change = replace(asked, rows=rows)
        await _record(session, change)
        for action in ACTIONS[former, to]:
            await action(session, change)
    moved = [row.device_id for row in going]
    waiting = sorted({row.device_id for row in legal} - set(moved))
    return Moved(moved=moved, refused=refused, waiting=waiting)


async def _locked(session: AsyncSession, device_ids: Sequence[str]) -> Sequence[AnyRow]:
    """The devices as they are, in order of id, and nobody else moves them until the commit."""
    given = batch.texts(session)
    statement = (
        select(devices.c.device_id, devices.c.status, devices.c.site, devices.c.model)
        .join(given, given.c.value == devices.c.device_id)
        .order_by(devices.c.device_id)
        .with_for_update(of=devices)
    )
    return (await session.execute(statement, {"given": batch.dump(dict.fromkeys(device_ids))})).all()


async def _record(session: AsyncSession, change: Change) -> None:
    """The state itself, the history, the audit, and the event that tells of it."""
    given = batch.texts(session)
    statement = (
        update(devices)
        .where(devices.c.device_id == given.c.value, batch.and_not_guessed(devices.c.status.in_(sources(change.to))))
        .values(status=change.to, status_since=change.now)
    )
    await session.execute(statement, {"given": batch.dump(change.device_ids)})
    row = {"at": change.now, "after": change.to, "by": change.by, "why": change.why}
    history = [
        {**row, "id": ids.new("mv", change.now), "device_id": each.device_id, "before": each.status}
        for each in change.rows
    ]
    await session.execute(insert(transitions), history)
    told = {"from": change.rows[0].status.value, "to": change.to.value, "why": change.why}
    await tell(session, change, EventType.STATUS_CHANGED, {**told, "by": change.by})
    subject, told_of = audit.subject_of(change.device_ids), {**told, "devices": change.device_ids}
    await audit.add(session, change.now, change.by, f"device.{change.to.value}", subject, told_of)


async def _exported(session: AsyncSession, change: Change) -> list[AnyRow]:
    """Those that may go: the export of their data is certain, or somebody answers for going without."""
    store = change.settings.lifecycle.telemetry_store_secret is not None
    await decommissions.begin(session, change.device_ids, change.by, change.why, change.now, store=store)
    if change.details.get("without_export"):
        await decommissions.settle(
            session, change.device_ids, ExportState.OVERRIDDEN, change.by, change.now, why=change.why
        )
    certain = await decommissions.certain(session, change.device_ids)
    return [row for row in change.rows if row.device_id in certain]


async def history(session: AsyncSession, device_id: str, limit: int) -> Sequence[AnyRow]:
    """The moves of a device, the newest first: at, before, after, by, why."""
    statement = (
        select(transitions)
        .where(transitions.c.device_id == device_id)
        .order_by(transitions.c.at.desc(), transitions.c.id.desc())
        .limit(limit)
    )
    return (await session.execute(statement)).all()
