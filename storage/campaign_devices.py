"""The devices of campaigns: counted, moved, taken back, listed; in set-based statements. Drawn in fleet/campaign.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import UNSETTLED, UNSUCCESSFUL, CampaignStatus, TargetState
from fleet.campaign_step import Counts
from fleet.operation import OperationState
from fleet.settings import CampaignSettings
from storage import batch, campaign_failures, operations
from storage import campaigns as rows_of
from storage.db import AnyRow
from storage.tables import Campaign, campaign_devices, devices
from storage.tables import operations as operation_rows
from storage.tables.campaigns import PARKED, PLANNED, SETTLED, UNDER_WAY

_target = campaign_devices.c
IS_PLANNED = text(f"campaign_devices.{PLANNED}")  # as the partial indexes have them
IS_UNDER_WAY = text(f"campaign_devices.{UNDER_WAY}")
IS_PARKED = text(f"campaign_devices.{PARKED}")
IS_SETTLED = text(f"campaign_devices.{SETTLED}")


def of(row: Campaign, device_id: ColumnElement[str]) -> ColumnElement[bool]:
    """The target of that device in the campaign, found by the device: SQLite would walk the whole campaign for each."""
    return and_(_target.device_id == device_id, batch.and_not_guessed(_target.campaign_id == row.id))


async def counts(session: AsyncSession, row: Campaign) -> Counts:
    """What the rule needs. Costs the present wave and what is under way, not the campaign."""
    mine = _target.campaign_id == row.id

    async def count(*conditions: Any) -> int:
        return await session.scalar(select(func.count()).where(mine, *conditions)) or 0

    present = select(_target.state, func.count()).where(mine, _target.wave == row.wave).group_by(_target.state)
    in_wave: dict[TargetState, int] = dict((await session.execute(present)).all())
    any_before = select(_target.device_id).where(mine, _target.wave < row.wave, _target.state == TargetState.SUCCEEDED)
    return Counts(
        planned=await count(IS_PLANNED, _target.wave <= row.wave),
        under_way=await count(IS_UNDER_WAY),
        parked=await count(IS_PARKED),
        succeeded=in_wave.get(TargetState.SUCCEEDED, 0),
        failed=sum(in_wave.get(state, 0) for state in UNSUCCESSFUL),
        succeeded_before=int((await session.scalars(any_before.limit(1))).first() is not None),
    )


async def dispatched(session: AsyncSession, row: Campaign, asked: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """These were asked (device_id, operation_id, due_at): they belong to the present wave from now on."""
    given = batch.rows(session, {"device_id": batch.TEXT, "operation_id": batch.TEXT, "due_at": batch.MOMENT})
    boot = select(devices.c.boot_id).where(devices.c.device_id == given.c.device_id).scalar_subquery()
    statement = (
        update(campaign_devices)
        .where(of(row, given.c.device_id))
        .values(
            state=TargetState.DISPATCHED,
            wave=row.wave,
            operation_id=given.c.operation_id,
            tries=_target.tries + 1,
            boot_id=func.coalesce(boot, ""),
            dispatched_at=now,
            due_at=given.c.due_at,
            settled_at=None,
            why="",
        )
    )
    await session.execute(statement, {"given": batch.dump(asked)})


async def settle(session: AsyncSession, row: Campaign, settled: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Move these (device_id, state, why) out of `planned` or from under way; what was asked of them is closed."""
    if not settled:
        return
    given = batch.rows(session, {"device_id": batch.TEXT, "state": batch.TEXT, "why": batch.TEXT})
    statement = (
        update(campaign_devices)
        .where(of(row, given.c.device_id), batch.and_not_guessed(_target.state.in_(UNSETTLED)))
        .values(state=given.c.state, why=given.c.why, settled_at=now, due_at=None)
        .returning(_target.operation_id)
    )
    asked = [each for each in await session.scalars(statement, {"given": batch.dump(settled)}) if each]
    await operations.close(session, asked, OperationState.EXPIRED, now)


async def plan_again(session: AsyncSession, row: Campaign, device_ids: Sequence[str], now: datetime) -> None:
    """These are sent to once more, with a new operation."""
    if not device_ids:
        return
    given = batch.texts(session)
    statement = (
        update(campaign_devices)
        .where(of(row, given.c.value))
        .values(state=TargetState.PLANNED, due_at=None, settled_at=now)
        .returning(_target.operation_id)
    )
    asked = [each for each in await session.scalars(statement, {"given": batch.dump(device_ids)}) if each]
    await operations.close(session, asked, OperationState.EXPIRED, now)


async def pause(
    session: AsyncSession, row: Campaign, by: str, why: str, now: datetime, policy: CampaignSettings
) -> None:
    """Nothing more is sent for now, and what has not left yet is taken back. Raises as `campaigns.move` does."""
    ends = now + policy.pause_expires
    await rows_of.move(session, row, CampaignStatus.PAUSED, by, now, due_at=ends, why=why)
    await withdraw(session, row, now)


async def withdraw(session: AsyncSession, row: Campaign, now: datetime) -> int:
    """Take back what has not left yet: these are planned again. Returns how many."""
    taken_back = (
        update(operation_rows)
        .where(operation_rows.c.campaign_id == row.id, operation_rows.c.state == OperationState.QUEUED)
        .where(or_(operation_rows.c.claimed_until.is_(None), operation_rows.c.claimed_until <= now))
        .where(operation_rows.c.sent_at.is_(None))
        .values(state=OperationState.CANCELLED, settled_at=now)
        .returning(operation_rows.c.device_id)
    )
    device_ids = (await session.scalars(taken_back)).all()
    given = batch.texts(session)
    statement = (
        update(campaign_devices)
        .where(of(row, given.c.value), batch.and_not_guessed(IS_UNDER_WAY))
        .values(state=TargetState.PLANNED, due_at=None, settled_at=now, tries=_target.tries - 1)
    )
    await session.execute(statement, {"given": batch.dump(device_ids)})
    return len(device_ids)


async def cancel_rest(session: AsyncSession, row: Campaign, now: datetime) -> int:
    """Those that have not begun, or wait offline, will not: the campaign was aborted. Returns how many."""
    return await _end(session, row, (TargetState.PLANNED, TargetState.PARKED), TargetState.CANCELLED, "", now)


async def give_up_parked(session: AsyncSession, row: Campaign, now: datetime) -> int:
    why = "It was offline until the campaign's time was over."
    return await _end(session, row, (TargetState.PARKED,), TargetState.SKIPPED, why, now)


async def _end(
    session: AsyncSession, row: Campaign, states: Sequence[TargetState], to: TargetState, why: str, now: datetime
) -> int:
    """What had failed and was not tried again stands as failed again, or a report would not know of it any more."""
    before = _target.failed_before
    statement = (
        update(campaign_devices)
        .where(_target.campaign_id == row.id, _target.state.in_(states))
        .values(
            state=case((before == "", literal(to, _target.state.type)), else_=TargetState.FAILED),
            why=case((before == "", why), else_=before),
            settled_at=now,
        )
    )
    return int((await session.execute(statement)).rowcount)  # type: ignore[attr-defined]


async def retry(session: AsyncSession, row: Campaign, which: ColumnElement[bool]) -> tuple[int, int]:
    """The unsuccessful ones are planned again, in the present wave. `which`: a condition on devices and their targets.

    Returns how many, and how many of them had failed in the present wave: only those were in its gate.
    """
    failed = (_target.campaign_id == row.id, _target.state.in_(UNSUCCESSFUL), _meant(which))
    of_wave = await session.scalar(select(func.count()).where(*failed, _target.wave == row.wave)) or 0
    statement = (
        update(campaign_devices)
        .where(*failed)
        .values(
            state=TargetState.PLANNED,
            wave=max(row.wave, 1),
            tries=0,
            settled_at=None,
            why="",
            failed_before=campaign_failures.CAUSE,
        )
    )
    return int((await session.execute(statement)).rowcount), of_wave  # type: ignore[attr-defined]


async def exclude(session: AsyncSession, row: Campaign, which: ColumnElement[bool], why: str, now: datetime) -> int:
    """Those that have not begun, or wait offline, are left out. Returns how many.

    Before anybody was asked to approve it, that is part of the plan: they are of no wave, as all that it leaves out.
    """
    wave = 0 if row.status is CampaignStatus.PLANNED else _target.wave
    statement = (
        update(campaign_devices)
        .where(_target.campaign_id == row.id, _target.state.in_((TargetState.PLANNED, TargetState.PARKED)))
        .where(_meant(which))
        .values(state=TargetState.SKIPPED, why=why, wave=wave, settled_at=now)
    )
    return int((await session.execute(statement)).rowcount)  # type: ignore[attr-defined]


async def last_wave(session: AsyncSession, row: Campaign) -> int:
    """The last wave that has anybody left: those behind it, which somebody has emptied, are not soaked for."""
    planned = select(func.max(_target.wave)).where(_target.campaign_id == row.id, IS_PLANNED)
    return max(await session.scalar(planned) or 1, row.wave)


def _meant(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition on the device of a target, looked up for each target."""
    return batch.found(select(devices.c.device_id).where(devices.c.device_id == _target.device_id, which))


async def page(session: AsyncSession, campaign_id: str, after: str, limit: int) -> Sequence[AnyRow]:
    """Its devices in order of id, for files."""
    statement = (
        select(campaign_devices)
        .where(_target.campaign_id == campaign_id, _target.device_id > after)
        .order_by(_target.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def course(session: AsyncSession, campaign_id: str) -> Sequence[tuple[datetime, bool]]:
    """When each tried device was settled, and whether it succeeded, in order of time."""
    states = (TargetState.SUCCEEDED, *UNSUCCESSFUL)
    statement = (
        select(_target.settled_at, _target.state == TargetState.SUCCEEDED)
        .where(_target.campaign_id == campaign_id, _target.state.in_(states))
        .order_by(_target.settled_at)
    )
    return [(at, bool(good)) for at, good in (await session.execute(statement)).all() if at]
