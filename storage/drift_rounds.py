"""Rounds of a drift case: the target is pushed, pushed again while nobody answers, and given up.

The moves are drawn in fleet/drift.py. Each round has an operation of its own, which carries its attempts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.drift import CaseState, first_state
from fleet.operation import OperationKind, OperationState
from fleet.settings import DriftSettings
from storage import batch, ids, operations
from storage.db import earliest, wake
from storage.drift import OPEN
from storage.tables import DriftCase, devices, drift_cases


async def begin(session: AsyncSession, rounds: Sequence[Mapping[str, Any]], now: datetime, by: str) -> int:
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
        .where(drift_cases.c.id == given.c.id, batch.and_not_guessed(OPEN))
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
    await queue_pushes(session, [each for each in renewed if each["id"] in moved], now, by)
    return len(moved)


async def queue_pushes(session: AsyncSession, rounds: Sequence[Mapping[str, Any]], now: datetime, by: str) -> None:
    """Insert the operation of each round (operation_id, device_id, target_version), due at once."""
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


async def for_cases(
    session: AsyncSession, cases: Sequence[DriftCase], now: datetime, policy: DriftSettings
) -> list[dict[str, Any]]:
    """What `begin` needs to push these again, by whether each device is online now."""
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
            "state": first_state(seen[each.device_id].last_seen_at, now, policy),
        }
        for each in cases
    ]


async def pushed(session: AsyncSession, operation_ids: Sequence[str], deadline: datetime) -> None:
    """The pushes have left: where the device is online, its ack is due by `deadline`."""
    given = batch.texts(session)
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.operation_id == given.c.value,
            batch.and_not_guessed(drift_cases.c.state == CaseState.PUSHING, OPEN),
        )
        .values(due_at=deadline)
    )
    await session.execute(statement, {"given": batch.dump(operation_ids)})
    wake(session, "cases")


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[DriftCase]:
    """Open cases whose deadline has passed, the oldest first."""
    statement = select(DriftCase).where(OPEN, drift_cases.c.due_at <= now).order_by(drift_cases.c.due_at).limit(limit)
    return (await session.scalars(statement)).all()


async def next_due(session: AsyncSession) -> datetime | None:
    """The next deadline of an open case."""
    return await earliest(session, select(func.min(drift_cases.c.due_at)).where(OPEN))


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
            batch.and_not_guessed(drift_cases.c.state == CaseState.PUSHING, OPEN),
        )
        .values(attempt=given.c.attempt, operation_id=given.c.operation_id, due_at=None)
        .returning(drift_cases.c.id)
    )
    moved = set(await session.scalars(statement, {"given": batch.dump(pushes)}))
    await queue_pushes(session, [each for each in pushes if each["id"] in moved and each["id"] in renewed], now, by)
    wake(session, "operations")


async def give_up(session: AsyncSession, silent: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Nobody answered the last attempt: rows of case (id), operation_id and fresh_at."""
    given = batch.rows(session, {"id": batch.TEXT, "fresh_at": batch.MOMENT})
    statement = (
        update(drift_cases)
        .where(
            drift_cases.c.id == given.c.id,
            batch.and_not_guessed(drift_cases.c.state == CaseState.PUSHING, OPEN),
        )
        .values(state=CaseState.UNRESPONSIVE, due_at=None, fresh_at=given.c.fresh_at)
    )
    await operations.close(session, [each["operation_id"] for each in silent], OperationState.EXPIRED, now)
    await session.execute(statement, {"given": batch.dump(silent)})
