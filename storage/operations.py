"""Operations: claimed in batches, sent, settled. Every move is a compare-and-set from the states that allow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.operation import OperationKind, OperationState, sources
from storage import batch, fences
from storage.db import AnyRow, earliest, wake
from storage.tables import operations

_QUEUED = text("state = 'queued'")  # as the partial index has it

_TO_SEND = (
    *(operations.c.id, operations.c.kind, operations.c.device_id, operations.c.version, operations.c.params),
    *(operations.c.campaign_id, operations.c.attempt, operations.c.requested_by, operations.c.expires_at),
)


async def add(session: AsyncSession, new: Sequence[Mapping[str, Any]]) -> None:
    """Insert queued operations, and wake whoever sends them.

    Each has id, kind, device_id, requested_by, created_at, due_at; and may have version, params, campaign_id and
    expires_at.
    """
    if new:
        optional: dict[str, Any] = {"version": "", "params": {}, "campaign_id": None, "expires_at": None}
        rows = [{"state": OperationState.QUEUED, **optional, **each} for each in new]
        await batch.add(session, operations, rows)
        wake(session, "operations")


async def claim(session: AsyncSession, now: datetime, by: str, until: datetime, limit: int) -> Sequence[AnyRow]:
    """Take up to `limit` due operations to send, unless everything is stopped; others leave them.

    Columns: id, kind, device_id, version, params, campaign_id, attempt, requested_by, expires_at.
    """
    unclaimed = or_(operations.c.claimed_until.is_(None), operations.c.claimed_until <= now)
    free = fences.none()  # in the claim itself: a fence that stands is never overtaken
    alive = or_(operations.c.expires_at.is_(None), operations.c.expires_at > now)
    due = select(operations.c.id).where(_QUEUED, operations.c.due_at <= now, unclaimed, alive, free)
    picked = due.order_by(operations.c.due_at).limit(limit).with_for_update(skip_locked=True).cte("picked")
    statement = (
        update(operations)
        .where(operations.c.id == picked.c.id)
        .values(claimed_by=by, claimed_until=until)
        .returning(*_TO_SEND)
    )
    return (await session.execute(statement)).all()


async def expire(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Close up to `limit` queued operations whose time is over before they were sent. The same columns as `claim`."""
    over = select(operations.c.id).where(_QUEUED, operations.c.expires_at <= now).order_by(operations.c.expires_at)
    picked = over.limit(limit).with_for_update(skip_locked=True).cte("picked")
    statement = (
        update(operations)
        .where(operations.c.id == picked.c.id)
        .values(state=OperationState.EXPIRED, settled_at=now, claimed_by=None, claimed_until=None)
        .returning(*_TO_SEND)
    )
    return (await session.execute(statement)).all()


async def release_all(session: AsyncSession, by: str) -> None:
    """Give back everything this replica had claimed: it begins anew, and what it was sending goes out again."""
    await session.execute(
        update(operations).where(_QUEUED, operations.c.claimed_by == by).values(claimed_by=None, claimed_until=None)
    )


async def release(session: AsyncSession, ids: Sequence[str], by: str, due_at: datetime) -> None:
    """Give back what could not be sent, to be tried again at `due_at` as the same attempt."""
    statement = (
        update(operations)
        .where(operations.c.id.in_(ids), _QUEUED, operations.c.claimed_by == by)
        .values(claimed_by=None, claimed_until=None, due_at=due_at)
    )
    await session.execute(statement)


async def sent(session: AsyncSession, sent_ones: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """The broker has these attempts (id, attempt). An ack that was faster, or a newer attempt, is left alone."""
    given = batch.rows(session, {"id": batch.TEXT, "attempt": batch.INTEGER})
    statement = (
        update(operations)
        .where(operations.c.id == given.c.id, batch.and_not_guessed(operations.c.attempt == given.c.attempt, _QUEUED))
        .values(state=OperationState.SENT, sent_at=now, claimed_by=None, claimed_until=None)
    )
    await session.execute(statement, {"given": batch.dump(sent_ones)})


async def send_again(session: AsyncSession, again: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Queue these (id, attempt) once more, under a new attempt number."""
    given = batch.rows(session, {"id": batch.TEXT, "attempt": batch.INTEGER})
    statement = (
        update(operations)
        .where(operations.c.id == given.c.id, batch.and_not_guessed(operations.c.state == OperationState.SENT))
        .values(state=OperationState.QUEUED, attempt=given.c.attempt, due_at=now)
    )
    await session.execute(statement, {"given": batch.dump(again)})


async def settled_among(session: AsyncSession, operation_ids: Sequence[str]) -> set[str]:
    """Those of the operations that nobody can send again."""
    given = batch.texts(session)
    over = operations.c.state.not_in((OperationState.QUEUED, OperationState.SENT))
    statement = select(operations.c.id).join(given, given.c.value == operations.c.id).where(over)
    return set(await session.scalars(statement, {"given": batch.dump(operation_ids)}))


async def settle(
    session: AsyncSession, acks: Sequence[Mapping[str, Any]], state: OperationState, now: datetime
) -> None:
    """What devices answered to configurations: device_id, version, operation_id or None, error.

    Without an operation_id it settles every open operation of that device and version.
    """
    kinds = {"device_id": batch.TEXT, "version": batch.TEXT, "operation_id": batch.TEXT, "error": batch.TEXT}
    given = batch.rows(session, kinds)
    statement = (
        update(operations)
        .where(
            operations.c.device_id == given.c.device_id,
            batch.and_not_guessed(
                operations.c.kind == OperationKind.CONFIG,
                operations.c.version == given.c.version,
                operations.c.state.in_(sources(state)),
                or_(given.c.operation_id.is_(None), operations.c.id == given.c.operation_id),
            ),
        )
        .values(
            state=state,
            settled_at=now,
            error=func.coalesce(given.c.error, ""),
            claimed_by=None,  # an ack may overtake our own record of having sent
            claimed_until=None,
        )
        .returning(operations.c.campaign_id)
    )
    _wake_campaigns(session, await session.scalars(statement, {"given": batch.dump(acks)}))


async def answer(
    session: AsyncSession, answers: Sequence[Mapping[str, Any]], state: OperationState, now: datetime
) -> None:
    """What devices answered to commands: id, device_id, error. An answer from another device than asked is nothing."""
    if not answers:
        return
    given = batch.rows(session, {"id": batch.TEXT, "device_id": batch.TEXT, "error": batch.TEXT})
    statement = (
        update(operations)
        .where(
            operations.c.id == given.c.id,
            batch.and_not_guessed(operations.c.device_id == given.c.device_id, operations.c.state.in_(sources(state))),
        )
        .values(
            state=state,
            settled_at=now,
            error=func.coalesce(given.c.error, ""),
            claimed_by=None,
            claimed_until=None,
        )
        .returning(operations.c.campaign_id)
    )
    _wake_campaigns(session, await session.scalars(statement, {"given": batch.dump(answers)}))


def _wake_campaigns(session: AsyncSession, campaign_ids: Iterable[str | None]) -> None:
    if any(campaign_ids):
        wake(session, "campaigns")


async def cancel_open(session: AsyncSession, device_ids: Sequence[str], kind: OperationKind, now: datetime) -> None:
    """Nothing of this kind is asked of these devices any more."""
    given = batch.texts(session)
    statement = (
        update(operations)
        .where(
            operations.c.device_id == given.c.value,
            batch.and_not_guessed(
                operations.c.kind == kind, operations.c.state.in_((OperationState.QUEUED, OperationState.SENT))
            ),
        )
        .values(state=OperationState.CANCELLED, settled_at=now, claimed_by=None, claimed_until=None)
    )
    await session.execute(statement, {"given": batch.dump(device_ids)})


async def close(session: AsyncSession, ids: Sequence[str], state: OperationState, now: datetime) -> None:
    """Move these to EXPIRED, CANCELLED or (if no device answers) DONE; the settled ones among them stay as they are."""
    given = batch.texts(session)
    statement = (
        update(operations)
        .where(operations.c.id == given.c.value, batch.and_not_guessed(operations.c.state.in_(sources(state))))
        .values(state=state, settled_at=now, claimed_by=None, claimed_until=None)
    )
    await session.execute(statement, {"given": batch.dump(ids)})


async def cancel_for(session: AsyncSession, device_ids: Sequence[str], now: datetime) -> datetime | None:
    """Nothing more is wanted of these devices. Returns until when one of these operations is claimed to be sent."""
    given = batch.texts(session)
    statement = (
        update(operations)
        .where(
            operations.c.device_id == given.c.value,
            batch.and_not_guessed(operations.c.state.in_(sources(OperationState.CANCELLED))),
        )
        .values(state=OperationState.CANCELLED, settled_at=now)
        .returning(operations.c.claimed_until)
    )
    claimed = await session.scalars(statement, {"given": batch.dump(device_ids)})
    return max((each for each in claimed if each is not None), default=None)


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next one is to be sent, or its claim or its time runs out."""
    free = select(func.min(operations.c.due_at)).where(_QUEUED, operations.c.claimed_until.is_(None))
    claimed = select(func.min(operations.c.claimed_until)).where(_QUEUED, operations.c.claimed_until.is_not(None))
    over = select(func.min(operations.c.expires_at)).where(_QUEUED, operations.c.expires_at.is_not(None))
    return await earliest(session, free, claimed, over)


async def of_device(
    session: AsyncSession, device_id: str, limit: int, kind: OperationKind | None = None
) -> Sequence[AnyRow]:
    """The newest operations of a device first, of all kinds or of one."""
    statement = (
        select(
            operations.c.id,
            operations.c.kind,
            operations.c.state,
            operations.c.version,
            operations.c.attempt,
            operations.c.created_at,
            operations.c.sent_at,
            operations.c.settled_at,
            operations.c.error,
        )
        .where(operations.c.device_id == device_id)
        .order_by(operations.c.created_at.desc())
        .limit(limit)
    )
    if kind is not None:
        statement = statement.where(operations.c.kind == kind)
    return (await session.execute(statement)).all()
