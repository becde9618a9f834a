"""The devices of campaigns: whose turn it is, what came of it, in set-based statements. Drawn in fleet/campaign.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import BEGUN, LEGAL, UNSETTLED, UNSUCCESSFUL, CampaignKind, CampaignStatus, Counts, TargetState
from fleet.operation import OperationState
from storage import batch, operations
from storage.campaign_conditions import BY_KIND, HAS_IT
from storage.db import AnyRow, earliest, wake
from storage.tables import Campaign, campaign_devices, campaigns, devices
from storage.tables import operations as operation_rows
from storage.tables.campaigns import PARKED, PLANNED, SETTLED, UNDER_WAY

_target = campaign_devices.c
_IS_PLANNED = text(f"campaign_devices.{PLANNED}")  # as the partial indexes have them
_IS_UNDER_WAY = text(f"campaign_devices.{UNDER_WAY}")
_IS_PARKED = text(f"campaign_devices.{PARKED}")
_IS_SETTLED = text(f"campaign_devices.{SETTLED}")


def _of(row: Campaign, device_id: ColumnElement[str]) -> ColumnElement[bool]:
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
        planned=await count(_IS_PLANNED, _target.wave <= row.wave),
        under_way=await count(_IS_UNDER_WAY),
        parked=await count(_IS_PARKED),
        succeeded=in_wave.get(TargetState.SUCCEEDED, 0),
        failed=sum(in_wave.get(state, 0) for state in UNSUCCESSFUL),
        succeeded_before=int((await session.scalars(any_before.limit(1))).first() is not None),
    )


# ---- whose turn it is ------------------------------------------------------------------------------------------------


async def next_ones(session: AsyncSession, row: Campaign, shut: Collection[str], limit: int) -> Sequence[AnyRow]:
    """The next planned devices of the waves begun, in their order, without those of the sites that are `shut`.

    Columns: device_id, site (as frozen), tries; and of the registry now, None where it is gone: status, site_now,
    last_seen_at, unfit (why it is left out, or empty), elsewhere (another campaign that is ahead with it).
    """
    conditions = BY_KIND[row.kind]
    other, theirs = campaign_devices.alias("other"), campaigns.alias("theirs")
    ahead = or_(text(f"other.{UNDER_WAY}"), other.c.campaign_id < row.id)
    elsewhere = (
        select(func.min(other.c.campaign_id))
        .join(theirs, theirs.c.id == other.c.campaign_id)
        .where(other.c.device_id == _target.device_id, other.c.campaign_id != row.id, ahead)
        .where(other.c.state.in_(UNSETTLED), theirs.c.status.in_(BEGUN))
        .scalar_subquery()
    )
    statement = (
        select(
            _target.device_id,
            _target.site,
            _target.tries,
            devices.c.status,
            devices.c.site.label("site_now"),
            devices.c.last_seen_at,
            case((conditions.already(row.params), HAS_IT), *conditions.unfit(row.params), else_="").label("unfit"),
            elsewhere.label("elsewhere"),
        )
        .outerjoin(devices, devices.c.device_id == _target.device_id)
        .where(_IS_PLANNED, _target.campaign_id == row.id, _target.wave <= row.wave)
        .order_by(_target.wave, _target.position)
        .limit(limit)
    )
    if shut:
        given = batch.texts(session)
        statement = statement.where(_target.site.not_in(select(given.c.value)))
    return (await session.execute(statement, {"given": batch.dump(sorted(shut))} if shut else {})).all()


async def planned_sites(session: AsyncSession, row: Campaign) -> Sequence[str]:
    """The sites that still have devices to be sent to in the waves begun."""
    statement = select(_target.site).distinct()
    return (
        await session.scalars(statement.where(_IS_PLANNED, _target.campaign_id == row.id, _target.wave <= row.wave))
    ).all()


async def under_way_by_site(session: AsyncSession, row: Campaign) -> dict[str, int]:
    statement = select(_target.site, func.count()).where(_IS_UNDER_WAY, _target.campaign_id == row.id)
    return dict((await session.execute(statement.group_by(_target.site))).all())


@dataclass(frozen=True, slots=True)
class Lane:
    """When the `last` device of a site was sent to; `waits`: another one is about to be."""

    last: datetime
    waits: bool


async def lanes(session: AsyncSession, kind: CampaignKind, since: datetime) -> dict[str, Lane]:
    """The lane of each site, over all campaigns of a kind. `since`: what was settled before that was sent before it.

    An answer may overtake our record of having sent, and an operation may expire without one, though it has perhaps
    arrived: then the moment at which it was settled is late enough.
    """
    operation = operation_rows.c
    left = func.coalesce(operation.sent_at, operation.settled_at, _target.settled_at, _target.dispatched_at)
    waits = func.max(case((operation.state == OperationState.QUEUED, 1), else_=0))
    sites: dict[str, Lane] = {}
    for recent in (_IS_UNDER_WAY, and_(_IS_SETTLED, _target.settled_at > since)):
        statement = (
            select(_target.site, func.max(left), waits)
            .join(campaigns, campaigns.c.id == _target.campaign_id)
            .join(operation_rows, operation.id == _target.operation_id)
            .where(campaigns.c.kind == kind, recent)
            .group_by(_target.site)
        )
        for site, last, waiting in (await session.execute(statement)).all():
            before = sites.get(site, Lane(last, False))
            sites[site] = Lane(max(before.last, last), before.waits or bool(waiting))
    return sites


async def dispatched(session: AsyncSession, row: Campaign, asked: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """These were asked (device_id, operation_id, due_at): they belong to the present wave from now on."""
    given = batch.rows(session, {"device_id": batch.TEXT, "operation_id": batch.TEXT, "due_at": batch.MOMENT})
    boot = select(devices.c.boot_id).where(devices.c.device_id == given.c.device_id).scalar_subquery()
    statement = (
        update(campaign_devices)
        .where(_of(row, given.c.device_id))
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
        .where(_of(row, given.c.device_id), batch.and_not_guessed(_target.state.in_(UNSETTLED)))
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
        .where(_of(row, given.c.value))
        .values(state=TargetState.PLANNED, due_at=None, settled_at=now)
        .returning(_target.operation_id)
    )
    asked = [each for each in await session.scalars(statement, {"given": batch.dump(device_ids)}) if each]
    await operations.close(session, asked, OperationState.EXPIRED, now)


async def unwanted(session: AsyncSession, claimed: Sequence[AnyRow]) -> set[str]:
    """Those of the claimed operations (id, campaign_id) that must not leave: their campaign was paused or ended, or
    their device is gone, moved to another site, or in a state that takes no part. Looked at right before they are sent.
    """
    ids = [row.id for row in claimed if row.campaign_id]
    if not ids:
        return set()
    illegal = [and_(campaigns.c.kind == kind, devices.c.status.not_in(legal)) for kind, legal in LEGAL.items()]
    given = batch.texts(session)
    statement = (
        select(operation_rows.c.id)
        .join(given, given.c.value == operation_rows.c.id)
        .join(campaigns, campaigns.c.id == operation_rows.c.campaign_id)
        .join(devices, devices.c.device_id == operation_rows.c.device_id)
        .outerjoin(
            campaign_devices,
            and_(_target.campaign_id == campaigns.c.id, _target.device_id == operation_rows.c.device_id),
        )
        .where(
            or_(
                campaigns.c.status.not_in((CampaignStatus.RUNNING, CampaignStatus.SOAKING)),
                devices.c.site != _target.site,
                *illegal,
            )
        )
    )
    return set(await session.scalars(statement, {"given": batch.dump(ids)}))


# ---- what came of it -------------------------------------------------------------------------------------------------


async def follow(session: AsyncSession, row: Campaign, now: datetime, verify_within: timedelta) -> int:
    """Move the devices under way by what is known of them now. Returns how many moved."""
    moved = await _succeed(session, row, _IS_UNDER_WAY, now)
    moved += await _move(session, row, _IS_UNDER_WAY, operation_rows.c.state == OperationState.REJECTED, _refused(now))
    moved += await _gone(session, row, _IS_UNDER_WAY, now)
    # It may have left without our knowing: `settled_at` keeps the lane of its site until the stagger is over.
    again = {"state": TargetState.PLANNED, "due_at": None, "settled_at": now}
    called_off = operation_rows.c.state == OperationState.CANCELLED
    moved += await _move(session, row, _IS_UNDER_WAY, called_off, again)
    never_sent = and_(operation_rows.c.state == OperationState.EXPIRED, operation_rows.c.sent_at.is_(None))
    moved += await _move(session, row, _IS_UNDER_WAY, never_sent, {**again, "tries": _target.tries - 1})
    answered = and_(operation_rows.c.state == OperationState.DONE, _target.state != TargetState.VERIFYING)
    proves = {"state": TargetState.VERIFYING, "due_at": now + verify_within}
    return moved + await _move(session, row, _IS_UNDER_WAY, answered, proves)


async def look_at_parked(session: AsyncSession, row: Campaign, now: datetime) -> int:
    """The offline ones: some have it by now, some are gone, some were heard and wait for their turn again."""
    moved = await _succeed(session, row, _IS_PARKED, now)
    moved += await _gone(session, row, _IS_PARKED, now)
    back = devices.c.last_seen_at > _target.settled_at
    again = {"state": TargetState.PLANNED, "settled_at": None, "why": ""}
    return moved + await _move(session, row, _IS_PARKED, back, again)


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
        .where(_IS_UNDER_WAY, _target.campaign_id == row.id, _target.due_at <= now)
        .order_by(_target.due_at)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def put_off(session: AsyncSession, row: Campaign, device_ids: Sequence[str], until: datetime) -> None:
    """What was asked of these has not left yet: their time to answer begins later."""
    given = batch.texts(session)
    under_way = batch.and_not_guessed(_IS_UNDER_WAY)
    statement = update(campaign_devices).where(_of(row, given.c.value), under_way).values(due_at=until)
    await session.execute(statement, {"given": batch.dump(device_ids)})


async def next_due(session: AsyncSession, row: Campaign) -> datetime | None:
    """The next deadline of a device under way."""
    statement = select(func.min(_target.due_at)).where(_IS_UNDER_WAY, _target.campaign_id == row.id)
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


async def asked_in_vain(session: AsyncSession, row: Campaign) -> Sequence[str]:
    """The devices that were asked and have not done it, in order of id."""
    statement = select(_target.device_id).where(
        _target.campaign_id == row.id, _target.state != TargetState.SUCCEEDED, _target.dispatched_at.is_not(None)
    )
    return (await session.scalars(statement.order_by(_target.device_id))).all()


# ---- what people want ------------------------------------------------------------------------------------------------


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
        .where(_of(row, given.c.value), batch.and_not_guessed(_IS_UNDER_WAY))
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
    statement = (
        update(campaign_devices)
        .where(_target.campaign_id == row.id, _target.state.in_(states))
        .values(state=to, settled_at=now, why=why)
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
        .values(state=TargetState.PLANNED, wave=max(row.wave, 1), tries=0, settled_at=None, why="")
    )
    return int((await session.execute(statement)).rowcount), of_wave  # type: ignore[attr-defined]


async def exclude(session: AsyncSession, row: Campaign, which: ColumnElement[bool], why: str, now: datetime) -> int:
    """Those that have not begun, or wait offline, are left out. Returns how many."""
    statement = (
        update(campaign_devices)
        .where(_target.campaign_id == row.id, _target.state.in_((TargetState.PLANNED, TargetState.PARKED)))
        .where(_meant(which))
        .values(state=TargetState.SKIPPED, why=why, settled_at=now)
    )
    return int((await session.execute(statement)).rowcount)  # type: ignore[attr-defined]


def _meant(which: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition on the device of a target, looked up for each target."""
    return batch.found(select(devices.c.device_id).where(devices.c.device_id == _target.device_id, which))


# ---- what is shown ---------------------------------------------------------------------------------------------------


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
