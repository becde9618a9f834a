"""Drift cases: found by one query, moved in batches. The moves are drawn in fleet/drift.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind
from fleet.drift import CaseState, Resolution, first_state
from fleet.lifecycle import DeviceStatus
from fleet.operation import OperationKind, OperationState
from fleet.settings import DriftSettings
from storage import batch, ids, operations
from storage.columns import hours_since
from storage.db import AnyRow, earliest, wake
from storage.tables import DRIFTED, DriftCase, alert_devices, campaign_devices, devices, drift_cases
from storage.tables.campaigns import UNDER_WAY

_OPEN = text("resolved_at IS NULL")  # as the partial indexes have it
_STILL = text(DRIFTED)
_FEW = text("CASE WHEN target_config_version != reported_config_version THEN 1 ELSE 0 END = 1")
"""Part of DRIFTED once more, in a form that PostgreSQL guesses to be rare. Of `!=` between two columns it thinks that
nearly every row has it, and would read the whole fleet instead of the partial index."""


def drifted(now: datetime, limit: int) -> Select[Any]:
    """The query of the sweep: drifted devices without an open case for their present target, last heard first.

    Columns: device_id, target_config_version, reported_config_version, last_seen_at, site, hours_since_seen (None if
    never heard), and case_id of an open case for a former target. The predicate stands as literal text, so that the
    partial index serves it whatever the plan cache does; sorting comes after filtering. A device that a campaign asks
    just now is left to it.
    """
    return (
        select(
            devices.c.device_id,
            devices.c.target_config_version,
            devices.c.reported_config_version,
            devices.c.last_seen_at,
            devices.c.site,
            hours_since(batch.moment(now), devices.c.last_seen_at).label("hours_since_seen"),
            drift_cases.c.id.label("case_id"),
        )
        .outerjoin(drift_cases, and_(drift_cases.c.device_id == devices.c.device_id, _OPEN))
        .where(
            _STILL,
            _FEW,
            ~_asked_by_a_campaign(),
            or_(drift_cases.c.id.is_(None), drift_cases.c.target_version != devices.c.target_config_version),
        )
        .order_by(devices.c.last_seen_at.desc().nulls_last())
        .limit(limit)
    )


def _asked_by_a_campaign() -> ColumnElement[bool]:
    under_way = text(f"campaign_devices.{UNDER_WAY}")
    asked = select(campaign_devices.c.device_id).where(campaign_devices.c.device_id == devices.c.device_id, under_way)
    return asked.exists()


async def take_up(session: AsyncSession, found: Sequence[AnyRow], now: datetime, policy: DriftSettings, by: str) -> int:
    """Open a case for each row of `drifted`, or begin a round for the new target of an open one; queue the pushes.

    Returns how many were taken up: a device that another replica took up in the same moment is left to it.
    """
    rounds = [
        {
            "id": row.case_id or ids.new("dc", now),
            "device_id": row.device_id,
            "target_version": row.target_config_version,
            "state": first_state(row.last_seen_at, now, policy),
            "reported_version": row.reported_config_version,
            "operation_id": ids.new("op", now),
        }
        for row in found
    ]
    known = {row.case_id for row in found if row.case_id}
    fresh = [
        {**each, "detected_at": now, "escalate_at": now + policy.escalate_after}
        for each in rounds
        if each["id"] not in known
    ]
    opened: set[str] = set()
    if fresh:
        insert = batch.insert(session, drift_cases).on_conflict_do_nothing().returning(drift_cases.c.id)
        opened = set(await session.scalars(insert, fresh))
    await _queue(session, [each for each in rounds if each["id"] in opened], now, by)
    moved = await begin_rounds(session, [each for each in rounds if each["id"] in known], now, by)
    return len(opened) + moved


async def begin_rounds(session: AsyncSession, rounds: Sequence[Mapping[str, Any]], now: datetime, by: str) -> int:
    """Begin another round of these open cases (id, device_id, target_version, state), with a new operation each.

    The operation of the round before is cancelled. Returns how many were still open.
    """
    if not rounds:
        return 0
    renewed = [{**each, "operation_id": ids.new("op", now)} for each in rounds]
    before = batch.texts(session)
    former = await session.scalars(
        select(drift_cases.c.operation_id).join(before, before.c.value == drift_cases.c.id),
        {"given": batch.dump(each["id"] for each in renewed)},
    )
    await operations.close(session, list(former), OperationState.CANCELLED, now)
    columns = dict.fromkeys(("id", "target_version", "state", "operation_id"), batch.TEXT)
    given = batch.rows(session, columns)
    statement = (
        update(drift_cases)
        .where(drift_cases.c.id == given.c.id, batch.and_not_guessed(_OPEN))
        .values(
            state=given.c.state,
            target_version=given.c.target_version,
            operation_id=given.c.operation_id,
            attempt=1,
            rounds=drift_cases.c.rounds + 1,
            due_at=None,
            fresh_at=None,
            error="",
        )
        .returning(drift_cases.c.id)
    )
    moved = set(await session.scalars(statement, {"given": batch.dump(renewed)}))
    await _queue(session, [each for each in renewed if each["id"] in moved], now, by)
    return len(moved)


async def _queue(session: AsyncSession, rounds: Sequence[Mapping[str, Any]], now: datetime, by: str) -> None:
    pushes = [
        {
            "id": each["operation_id"],
            "kind": OperationKind.CONFIG,
            "device_id": each["device_id"],
            "version": each["target_version"],
            "requested_by": by,
            "created_at": now,
            "due_at": now,
        }
        for each in rounds
    ]
    await operations.add(session, pushes)


async def pushed(session: AsyncSession, operation_ids: Sequence[str], deadline: datetime) -> None:
    """The pushes have left: where the device is online, its ack is due by `deadline`."""
    given = batch.texts(session)
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.operation_id == given.c.value,
            batch.and_not_guessed(drift_cases.c.state == CaseState.PUSHING, _OPEN),
        )
        .values(due_at=deadline)
    )
    await session.execute(statement, {"given": batch.dump(operation_ids)})
    wake(session, "cases")


async def open_among(session: AsyncSession, device_ids: Iterable[str]) -> set[str]:
    """Those of the devices that have an open case: of most batches of statuses none, and nothing else is to be done."""
    given = batch.texts(session)
    statement = select(drift_cases.c.device_id).join(given, given.c.value == drift_cases.c.device_id).where(_OPEN)
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
                _OPEN,
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


async def reject(session: AsyncSession, acks: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Devices said no to their present target (device_id, version, error): escalated at once, not retried."""
    given = batch.rows(session, {"device_id": batch.TEXT, "version": batch.TEXT, "error": batch.TEXT})
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.device_id == given.c.device_id,
            batch.and_not_guessed(
                drift_cases.c.target_version == given.c.version,
                _OPEN,
                select(devices.c.device_id).where(devices.c.device_id == drift_cases.c.device_id, _STILL).exists(),
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
    mended = batch.and_not_guessed(_OPEN, _mended())
    statement = _resolved(given.c.resolution, now).where(drift_cases.c.device_id == given.c.device_id, mended)
    rows = ({"device_id": each, "resolution": why} for each, why in device_ids.items())
    return (await session.execute(statement, {"given": batch.dump(rows)})).all()


async def resolve_mended(session: AsyncSession, now: datetime) -> Sequence[AnyRow]:
    """Close every open case whose device has mended, whatever mended it. Costs what is open, not the fleet."""
    statement = _resolved(literal(Resolution.NOT_DRIFTED.value), now).where(_OPEN, _mended())
    return (await session.execute(statement)).all()


def _mended() -> ColumnElement[bool]:
    mended = or_(
        devices.c.target_config_version.is_(None),
        devices.c.target_config_version == devices.c.reported_config_version,
        devices.c.status == DeviceStatus.DECOMMISSIONED,
    )
    return select(devices.c.device_id).where(devices.c.device_id == drift_cases.c.device_id, mended).exists()


def _resolved(why: ColumnElement[str], now: datetime) -> Any:
    return (
        update(drift_cases)
        .values(state=CaseState.RESOLVED, resolved_at=now, resolution=why, due_at=None)
        .returning(drift_cases.c.id, drift_cases.c.device_id, drift_cases.c.operation_id, drift_cases.c.escalated_at)
    )


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[DriftCase]:
    """Open cases whose deadline has passed, the oldest first."""
    statement = select(DriftCase).where(_OPEN, drift_cases.c.due_at <= now).order_by(drift_cases.c.due_at).limit(limit)
    return (await session.scalars(statement)).all()


async def retry(session: AsyncSession, again: Sequence[Mapping[str, Any]], now: datetime, by: str) -> None:
    """Push once more: rows of case (id), device_id, target_version, operation_id and the new attempt.

    An operation that was settled although its case is due (the device acked, and then reported another version after
    all) is followed by a new one; that counts as an attempt like any other.
    """
    # Operations before cases, as whoever takes in acks locks them: the other way round PostgreSQL finds deadlocks.
    settled = await operations.settled_among(session, [each["operation_id"] for each in again])
    same = [{"id": each["operation_id"], "attempt": each["attempt"]} for each in again]
    await operations.send_again(session, [each for each in same if each["id"] not in settled], now)
    renewed = {each["id"]: ids.new("op", now) for each in again if each["operation_id"] in settled}
    pushes = [{**each, "operation_id": renewed.get(each["id"], each["operation_id"])} for each in again]
    given = batch.rows(session, {"id": batch.TEXT, "operation_id": batch.TEXT, "attempt": batch.INTEGER})
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.id == given.c.id,
            batch.and_not_guessed(drift_cases.c.state == CaseState.PUSHING, _OPEN),
        )
        .values(attempt=given.c.attempt, operation_id=given.c.operation_id, due_at=None)
        .returning(drift_cases.c.id)
    )
    moved = set(await session.scalars(statement, {"given": batch.dump(pushes)}))
    await _queue(session, [each for each in pushes if each["id"] in moved and each["id"] in renewed], now, by)
    wake(session, "operations")


async def give_up(session: AsyncSession, silent: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Nobody answered the last attempt: rows of case (id), operation_id and fresh_at."""
    given = batch.rows(session, {"id": batch.TEXT, "fresh_at": batch.MOMENT})
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.id == given.c.id,
            batch.and_not_guessed(drift_cases.c.state == CaseState.PUSHING, _OPEN),
        )
        .values(state=CaseState.UNRESPONSIVE, due_at=None, fresh_at=given.c.fresh_at)
    )
    await operations.close(session, [each["operation_id"] for each in silent], OperationState.EXPIRED, now)
    await session.execute(statement, {"given": batch.dump(silent)})


async def escalating(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Open cases to be escalated now: the case's columns, with status, site, model, firmware_version, last_seen_at.

    A device in maintenance or suspended is found once, for what is suppressed, and again when that has ended. A case
    that is snoozed waits, and so does that of a device that flaps, which has an alert of its own.
    """
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
        .where(text("resolved_at IS NULL AND escalated_at IS NULL"), drift_cases.c.escalate_at <= now)
        .where(~_stands(AlertKind.DRIFT, alert_devices.c.alert_id.is_(None)), ~_stands(AlertKind.FLAPPING))
        .where(or_(drift_cases.c.snoozed_until.is_(None), drift_cases.c.snoozed_until <= now))
        .order_by(drift_cases.c.escalate_at)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def _stands(kind: AlertKind, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    """The device has its place in an alert of that kind."""
    place = alert_devices.c
    here = (place.device_id == drift_cases.c.device_id, place.kind == kind, place.left_at.is_(None))
    return select(place.id).where(*here, *more).exists()


async def escalated(session: AsyncSession, case_ids: Sequence[str], now: datetime) -> set[str]:
    """Mark these as escalated. Returns those that were not yet."""
    statement = (
        update(drift_cases)
        .where(drift_cases.c.id.in_(case_ids), _OPEN, drift_cases.c.escalated_at.is_(None))
        .values(escalated_at=now)
        .returning(drift_cases.c.id)
    )
    return set(await session.scalars(statement))


async def next_due(session: AsyncSession) -> datetime | None:
    """The next deadline of an open case."""
    return await earliest(session, select(func.min(drift_cases.c.due_at)).where(_OPEN))


async def next_escalation(session: AsyncSession, now: datetime) -> datetime | None:
    """The next escalation after `now`; those that are due and paused are looked at by the interval."""
    statement = select(func.min(drift_cases.c.escalate_at)).where(
        text("resolved_at IS NULL AND escalated_at IS NULL"), drift_cases.c.escalate_at > now
    )
    snoozed = select(func.min(drift_cases.c.snoozed_until)).where(
        text("resolved_at IS NULL AND snoozed_until IS NOT NULL"), drift_cases.c.snoozed_until > now
    )
    return await earliest(session, statement, snoozed)


async def snooze(session: AsyncSession, case_id: str, until: datetime | None, by: str, why: str) -> None:
    """The escalation of this case waits until then; None ends it."""
    values = {"snoozed_until": until, "snoozed_by": by if until else None, "snooze_why": why if until else ""}
    await session.execute(update(drift_cases).where(drift_cases.c.id == case_id, _OPEN).values(**values))
    wake(session, "cases")


async def open_case(session: AsyncSession, device_id: str) -> DriftCase | None:
    """The open case of a device, if it has one."""
    statement = select(DriftCase).where(_OPEN, drift_cases.c.device_id == device_id)
    return (await session.scalars(statement)).first()


async def open_cases(session: AsyncSession, limit: int) -> tuple[Sequence[AnyRow], int]:
    """Open cases, the oldest first, with the site of the device; and how many there are."""
    statement = (
        select(drift_cases, devices.c.site, devices.c.last_seen_at, devices.c.reported_config_version)
        .join(devices, devices.c.device_id == drift_cases.c.device_id)
        .where(_OPEN)
        .order_by(drift_cases.c.detected_at, drift_cases.c.device_id)
        .limit(limit)
    )
    count = select(func.count()).select_from(drift_cases).where(_OPEN)
    return (await session.execute(statement)).all(), await session.scalar(count) or 0


async def history(session: AsyncSession, device_id: str, limit: int) -> Sequence[DriftCase]:
    """The cases of a device, the newest first."""
    statement = (
        select(DriftCase)
        .where(drift_cases.c.device_id == device_id)
        .order_by(drift_cases.c.detected_at.desc())
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def rounds_for(
    session: AsyncSession, cases: Sequence[DriftCase], now: datetime, within: timedelta
) -> list[dict[str, Any]]:
    """What `begin_rounds` needs to push these again, by whether each device is online now."""
    given = batch.texts(session)
    statement = select(devices.c.device_id, devices.c.last_seen_at, devices.c.target_config_version).join(
        given, given.c.value == devices.c.device_id
    )
    rows = await session.execute(statement, {"given": batch.dump(each.device_id for each in cases)})
    seen = {row.device_id: row for row in rows}
    return [
        {
            "id": each.id,
            "device_id": each.device_id,
            "target_version": seen[each.device_id].target_config_version,
            "state": _state(seen[each.device_id].last_seen_at, now, within),
        }
        for each in cases
    ]


def _state(last_seen_at: datetime | None, now: datetime, within: timedelta) -> CaseState:
    online = last_seen_at is not None and now - last_seen_at <= within
    return CaseState.PUSHING if online else CaseState.WAITING
