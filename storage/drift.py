"""Drift cases: what devices say about theirs, and what is read of them. The moves are drawn in fleet/drift.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.drift import CaseState, Resolution
from fleet.lifecycle import UNWATCHED
from fleet.settings import DriftSettings
from storage import batch
from storage.db import AnyRow, wake
from storage.pages import Listing
from storage.tables import DRIFTED, OPEN_CASE, DriftCase, devices, drift_cases

OPEN = text(OPEN_CASE)  # literal text, so that the partial indexes serve it whatever the plan cache does
STILL_DRIFTED = text(DRIFTED)


async def open_among(session: AsyncSession, device_ids: Iterable[str]) -> set[str]:
    """Those of the devices that have an open case: of most batches of statuses none, and nothing else is to be done."""
    given = batch.texts(session)
    statement = select(drift_cases.c.device_id).join(given, given.c.value == drift_cases.c.device_id).where(OPEN)
    return set(await session.scalars(statement, {"given": batch.dump(device_ids)}))


async def heard(session: AsyncSession, device_ids: Iterable[str], now: datetime, policy: DriftSettings) -> None:
    """These devices spoke: the clock of the waiting ones starts, the unresponsive ones are due for a fresh round."""
    given = batch.texts(session)
    waiting = drift_cases.c.state == CaseState.WAITING
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.device_id == given.c.value,
            batch.and_not_guessed(
                OPEN,
                or_(waiting, and_(drift_cases.c.state == CaseState.UNRESPONSIVE, drift_cases.c.due_at.is_(None))),
            ),
        )
        .values(
            state=case((waiting, CaseState.PUSHING.value), else_=CaseState.UNRESPONSIVE.value),
            due_at=case(
                (waiting, batch.moment(now + policy.ack_timeout)),
                (drift_cases.c.fresh_at > now, drift_cases.c.fresh_at),
                else_=batch.moment(now),
            ),
        )
        .returning(drift_cases.c.id)
    )
    moved = await session.scalars(statement, {"given": batch.dump(device_ids)})
    if moved.first():
        wake(session, "cases")


async def acked_in_vain(session: AsyncSession, device_ids: Iterable[str], deadline: datetime) -> None:
    """These devices acked and run something else still: where no clock runs yet, it does now.

    It starts when a push has left. If Muster was killed before it wrote that down, the ack is all that says so.
    """
    given = batch.texts(session)
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.device_id == given.c.value,
            batch.and_not_guessed(OPEN, drift_cases.c.state == CaseState.PUSHING, drift_cases.c.due_at.is_(None)),
        )
        .values(due_at=deadline)
    )
    await session.execute(statement, {"given": batch.dump(device_ids)})
    wake(session, "cases")


async def reject(session: AsyncSession, acks: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Devices said no to their present target (device_id, version, error): escalated at once, not retried."""
    given = batch.rows(session, {"device_id": batch.TEXT, "version": batch.TEXT, "error": batch.TEXT})
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.device_id == given.c.device_id,
            batch.and_not_guessed(
                drift_cases.c.target_version == given.c.version,
                OPEN,
                select(devices.c.device_id)
                .where(devices.c.device_id == drift_cases.c.device_id, STILL_DRIFTED)
                .exists(),
            ),
        )
        .values(
            state=CaseState.REJECTED,
            error=func.coalesce(given.c.error, ""),
            due_at=None,
            escalate_at=case((drift_cases.c.escalate_at > now, batch.moment(now)), else_=drift_cases.c.escalate_at),
        )
    )
    await session.execute(statement, {"given": batch.dump(acks)})
    wake(session, "cases")


async def resolve(session: AsyncSession, device_ids: Mapping[str, Resolution], now: datetime) -> Sequence[AnyRow]:
    """Close the cases of those of these devices that have mended: id, device_id, operation_id, escalated_at."""
    given = batch.rows(session, {"device_id": batch.TEXT, "resolution": batch.TEXT})
    mended = batch.and_not_guessed(OPEN, _mended())
    statement = _resolved(given.c.resolution, now).where(drift_cases.c.device_id == given.c.device_id, mended)
    rows = ({"device_id": each, "resolution": why} for each, why in device_ids.items())
    return (await session.execute(statement, {"given": batch.dump(rows)})).all()


async def resolve_mended(session: AsyncSession, now: datetime) -> Sequence[AnyRow]:
    """Close every open case whose device has mended, whatever mended it. Costs what is open, not the fleet."""
    statement = _resolved(literal(Resolution.NOT_DRIFTED.value), now).where(OPEN, _mended())
    return (await session.execute(statement)).all()


def _mended() -> ColumnElement[bool]:
    mended = or_(
        devices.c.target_config_version.is_(None),
        devices.c.target_config_version == devices.c.reported_config_version,
        devices.c.status.in_(UNWATCHED),
    )
    return batch.found(select(devices.c.device_id).where(devices.c.device_id == drift_cases.c.device_id, mended))


def _resolved(why: ColumnElement[str], now: datetime) -> Any:
    return (
        update(drift_cases)
        .values(state=CaseState.RESOLVED, resolved_at=now, resolution=why, due_at=None)
        .returning(drift_cases.c.id, drift_cases.c.device_id, drift_cases.c.operation_id, drift_cases.c.escalated_at)
    )


async def open_case(session: AsyncSession, device_id: str) -> DriftCase | None:
    """The open case of a device, if it has one."""
    statement = select(DriftCase).where(OPEN, drift_cases.c.device_id == device_id)
    return (await session.scalars(statement)).first()


def open_cases(meant: ColumnElement[bool] | None = None) -> Listing:
    """Open cases, the oldest first, with what the device is now; only those of such devices, if given."""
    own = (devices.c.site, devices.c.last_seen_at, devices.c.reported_config_version)
    source = drift_cases.join(devices, devices.c.device_id == drift_cases.c.device_id)
    where = and_(OPEN) if meant is None else and_(OPEN, meant)
    return Listing((*drift_cases.c, *own), source, where, drift_cases.c.id)


async def history(session: AsyncSession, device_id: str, limit: int) -> Sequence[DriftCase]:
    """The cases of a device, the newest first."""
    statement = (
        select(DriftCase)
        .where(drift_cases.c.device_id == device_id)
        .order_by(drift_cases.c.detected_at.desc())
        .limit(limit)
    )
    return (await session.scalars(statement)).all()
