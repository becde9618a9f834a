"""What came of the devices of a campaign, read from what was asked of them and what they reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import BEGUN, LEGAL, CampaignKind, TargetState
from fleet.lifecycle import DeviceStatus
from fleet.operation import OperationState
from storage import batch, operations
from storage.campaign_conditions import BY_KIND
from storage.campaign_devices import IS_PARKED, IS_UNDER_WAY, of, settle
from storage.db import AnyRow, earliest, wake
from storage.tables import Campaign, campaign_devices, campaigns, devices
from storage.tables import operations as operation_rows

_target = campaign_devices.c


async def follow(session: AsyncSession, row: Campaign, now: datetime, verify_within: timedelta) -> int:
    """Move the devices under way by what is known of them now. Returns how many moved."""
    moved = await _succeed(session, row, IS_UNDER_WAY, now)
    moved += await _move(session, row, IS_UNDER_WAY, operation_rows.c.state == OperationState.REJECTED, _refused(now))
    moved += await _gone(session, row, IS_UNDER_WAY, now)
    # It may have left without our knowing: `settled_at` keeps the lane of its site until the stagger is over.
    again = {"state": TargetState.PLANNED, "due_at": None, "settled_at": now}
    called_off = operation_rows.c.state == OperationState.CANCELLED
    moved += await _move(session, row, IS_UNDER_WAY, called_off, again)
    never_sent = and_(operation_rows.c.state == OperationState.EXPIRED, operation_rows.c.sent_at.is_(None))
    moved += await _move(session, row, IS_UNDER_WAY, never_sent, {**again, "tries": _target.tries - 1})
    answered = and_(operation_rows.c.state == OperationState.DONE, _target.state != TargetState.VERIFYING)
    proves = {"state": TargetState.VERIFYING, "due_at": now + verify_within}
    return moved + await _move(session, row, IS_UNDER_WAY, answered, proves)


async def look_at_parked(session: AsyncSession, row: Campaign, now: datetime) -> int:
    """The offline ones: some have it by now, some are gone, some were heard and wait for their turn again."""
    moved = await _succeed(session, row, IS_PARKED, now)
    moved += await _gone(session, row, IS_PARKED, now)
    back = devices.c.last_seen_at > _target.settled_at
    again = {"state": TargetState.PLANNED, "settled_at": None, "why": ""}
    return moved + await _move(session, row, IS_PARKED, back, again)


async def _succeed(session: AsyncSession, row: Campaign, which: Any, now: datetime) -> int:
    condition = BY_KIND[row.kind].succeeded(row.params)
    statement = (
        update(campaign_devices)
        .where(_target.campaign_id == row.id, which, _known(condition))
        .values(state=TargetState.SUCCEEDED, settled_at=now, due_at=None, why="")
        .returning(_target.operation_id)
    )
    done = (await session.scalars(statement)).all()
    if asked := [each for each in done if each]:
        await operations.close(session, asked, OperationState.DONE, now)
    return len(done)


def _refused(now: datetime) -> Mapping[str, Any]:
    said = select(operation_rows.c.error).where(operation_rows.c.id == _target.operation_id).scalar_subquery()
    return {"state": TargetState.REJECTED, "settled_at": now, "due_at": None, "why": func.coalesce(said, "")}


async def _move(session: AsyncSession, row: Campaign, which: Any, condition: Any, to: Mapping[str, Any]) -> int:
    statement = update(campaign_devices).where(_target.campaign_id == row.id, which, _known(condition)).values(**to)
    return int((await session.execute(statement)).rowcount)  # type: ignore[attr-defined]


def _known(condition: Any) -> ColumnElement[bool]:
    """A condition on a target, its device and what was asked of it, looked up for each target.

    As a join PostgreSQL would walk all that is under way anew for each of it: in the statistics it was one row.
    """
    asked = devices.outerjoin(operation_rows, operation_rows.c.id == _target.operation_id)
    found = select(devices.c.device_id).select_from(asked).where(devices.c.device_id == _target.device_id, condition)
    return batch.found(found.correlate(campaign_devices))


async def _gone(session: AsyncSession, row: Campaign, which: Any, now: datetime) -> int:
    """Deleted, decommissioned, or in a state that takes no part any more: what was asked of them is closed."""
    illegal = or_(devices.c.device_id.is_(None), devices.c.status.not_in(LEGAL[row.kind]))
    statement = (
        select(_target.device_id, devices.c.status)
        .outerjoin(devices, devices.c.device_id == _target.device_id)
        .where(_target.campaign_id == row.id, which, illegal)
    )
    gone = [
        {
            "device_id": each.device_id,
            "state": TargetState.REMOVED.value,
            "why": f"Its state is {each.status} now." if each.status else "It is not in the registry any more.",
        }
        for each in (await session.execute(statement)).all()
    ]
    await settle(session, row, gone, now)
    return len(gone)


async def overdue(session: AsyncSession, row: Campaign, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Devices under way whose deadline has passed, the oldest first.

    Columns: device_id, state, tries, due_at, heard_since, proven, and unsent (what is asked of it has not left
    yet), 1 or 0 each.
    """
    operation = operation_rows.c
    heard = devices.c.last_seen_at > func.coalesce(operation.sent_at, _target.dispatched_at)
    statement = (
        select(
            _target.device_id,
            _target.state,
            _target.tries,
            _target.due_at,
            case((heard, 1), else_=0).label("heard_since"),
            case((BY_KIND[row.kind].proven(row.params), 1), else_=0).label("proven"),
            case((operation.state == OperationState.QUEUED, 1), else_=0).label("unsent"),
        )
        .outerjoin(devices, devices.c.device_id == _target.device_id)
        .outerjoin(operation_rows, operation.id == _target.operation_id)
        .where(IS_UNDER_WAY, _target.campaign_id == row.id, _target.due_at <= now)
        .order_by(_target.due_at)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def put_off(session: AsyncSession, row: Campaign, device_ids: Sequence[str], until: datetime) -> None:
    """What was asked of these has not left yet: their time to answer begins later."""
    given = batch.texts(session)
    under_way = batch.and_not_guessed(IS_UNDER_WAY)
    statement = update(campaign_devices).where(of(row, given.c.value), under_way).values(due_at=until)
    await session.execute(statement, {"given": batch.dump(device_ids)})


async def next_due(session: AsyncSession, row: Campaign) -> datetime | None:
    """The next deadline of a device under way."""
    statement = select(func.min(_target.due_at)).where(IS_UNDER_WAY, _target.campaign_id == row.id)
    return await earliest(session, statement)


async def accepted(session: AsyncSession, answers: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Devices said that they will (id of the operation, device_id)."""
    if not answers:
        return
    given = batch.rows(session, {"id": batch.TEXT, "device_id": batch.TEXT})
    statement = (
        update(campaign_devices)
        .where(_target.device_id == given.c.device_id, _target.operation_id == given.c.id)
        .where(batch.and_not_guessed(_target.state == TargetState.DISPATCHED))
        .values(state=TargetState.ACKED)
    )
    await session.execute(statement, {"given": batch.dump(answers)})


async def taken_back(session: AsyncSession, answers: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Devices had not succeeded after all (id of the operation, device_id, error), and their campaign goes on."""
    if not answers:
        return
    given = batch.rows(session, {"id": batch.TEXT, "device_id": batch.TEXT, "error": batch.TEXT})
    going_on = select(campaigns.c.id).where(campaigns.c.status.in_(BEGUN))
    statement = (
        update(campaign_devices)
        .where(_target.device_id == given.c.device_id, _target.operation_id == given.c.id)
        .where(batch.and_not_guessed(_target.state == TargetState.SUCCEEDED, _target.campaign_id.in_(going_on)))
        .values(state=TargetState.REJECTED, settled_at=now, why=given.c.error)
    )
    await session.execute(statement, {"given": batch.dump(answers)})
    wake(session, "campaigns")


async def left_to_the_sweep(session: AsyncSession, row: Campaign) -> int:
    """How many devices have the configuration of a campaign as their target and do not report it.

    An abort does not change that: whatever becomes of the campaign, the drift sweep goes on pushing it to them.
    """
    if row.kind is not CampaignKind.CONFIG:
        return 0
    version = row.params["version"]
    device = select(devices.c.device_id).where(
        devices.c.device_id == _target.device_id,
        devices.c.target_config_version == version,
        devices.c.reported_config_version != version,
        devices.c.status != DeviceStatus.DECOMMISSIONED,
    )
    statement = select(func.count()).where(
        _target.campaign_id == row.id,
        _target.state != TargetState.SKIPPED,
        batch.found(device.correlate(campaign_devices)),
    )
    return await session.scalar(statement) or 0


async def asked_in_vain(session: AsyncSession, row: Campaign) -> Sequence[str]:
    """The devices that were asked and have not done it, in order of id."""
    statement = select(_target.device_id).where(
        _target.campaign_id == row.id, _target.state != TargetState.SUCCEEDED, _target.dispatched_at.is_not(None)
    )
    return (await session.scalars(statement.order_by(_target.device_id))).all()
