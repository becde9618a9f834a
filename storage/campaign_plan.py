"""The plan of a campaign: its targets frozen in one statement, and what is shown of them before anybody agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, false, func, insert, literal, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import BEGUN, LEGAL, UNSETTLED, CampaignKind, TargetState
from fleet.plan import targets_sha256
from fleet.rollout import Rollout, Waves, share, waves
from fleet.selector import Selector, parse
from storage import batch, campaign_canaries, selection
from storage import campaigns as rows_of
from storage.campaign_conditions import BY_KIND, HAS_IT
from storage.db import AnyRow
from storage.tables import Campaign, campaign_devices, campaigns, devices, operations

_CAMPAIGNS, _MEASURED = 3, 500
"""In how many campaigns, and of how many devices at most, it is looked up how long one takes."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, and within which time a device was heard to be online."""

    now: datetime
    online_within: timedelta


async def freeze(
    session: AsyncSession, row: Campaign, which: Selector, at: Moment, leave_out: str = "", or_canary: str = ""
) -> int:
    """Write every device that `which` means into the campaign, planned with its wave or skipped with the reason.

    One INSERT … SELECT, whatever their number. `leave_out`: devices of that campaign are not meant. `or_canary`: the
    share that goes first where the canary is a selector that means none of those that take part; empty for nobody. The
    row's `rollout` (that canary), `targets`, `targets_sha256` and `waves` are set. Returns how many canaries there are.
    """
    rollout = rows_of.rollout_of(row)
    chosen = await _chosen(session, row, which, at, leave_out)
    taken = chosen.c.why == ""
    counted = select(
        func.count().filter(taken, chosen.c.part == 0),
        func.count().filter(taken, chosen.c.part == 1),
        func.count().filter(taken, chosen.c.part == 0, chosen.c.canary == 1),
        func.count().filter(taken, chosen.c.part == 1, chosen.c.canary == 1),
    )
    ordinary, behind, canaries, canaries_behind = (await session.execute(counted)).one()
    if not ordinary:
        canaries = canaries_behind  # with nothing to put them behind, the last ones are as all others
    if _canary_is_selector(rollout) and not canaries:
        rollout = rollout.model_copy(update={"canary": or_canary if share(or_canary) else ""})
    cut = waves(rollout, ordinary, behind, canaries if _canary_is_selector(rollout) else None)
    columns = _places(row, chosen, cut, ordinary)
    given = select(*(value.label(name) for name, value in columns.items()))
    await session.execute(insert(campaign_devices).from_select(list(columns), given, include_defaults=False))
    if share(rollout.canary) and cut.first_last > cut.first > 1:
        online = devices.c.last_seen_at >= at.now - at.online_within
        await campaign_canaries.exchange_sick_ones(session, row, cut.canary, online)
    sha256 = await digest(session, row.id)
    made = {"rollout": rollout.model_dump(mode="json"), "targets": ordinary + behind, "waves": cut.total}
    await rows_of.change(session, row, **made, targets_sha256=sha256)
    return cut.canary


def _canary_is_selector(rollout: Rollout) -> bool:
    return bool(rollout.canary) and share(rollout.canary) is None


async def _chosen(session: AsyncSession, row: Campaign, which: Selector, at: Moment, leave_out: str) -> Any:
    """The devices that are meant, with `why` they are left out, and what they are sorted by.

    Columns: device_id, site, model, firmware_version, why, last, canary, ordering, offline, rank and part: 0 goes
    first, 1 behind all others, 2 not at all.
    """
    rollout = rows_of.rollout_of(row)
    first, behind_them = parse(rollout.canary if _canary_is_selector(rollout) else "all"), parse(rollout.last or "all")
    meant = await selection.compiler(session, (which, first, behind_them), at.now, at.online_within)
    condition = meant.where(which)
    if leave_out:
        there = campaign_devices.alias("there")
        same = and_(there.c.campaign_id == leave_out, there.c.device_id == devices.c.device_id)
        condition = and_(condition, batch.not_found(select(there.c.device_id).where(same)))
    last = meant.where(behind_them) if rollout.last else false()
    canary = meant.where(first) if _canary_is_selector(rollout) else false()
    found = _sorted(row, func.coalesce(last, false()), func.coalesce(canary, false()), at).where(condition)
    inner = found.subquery("found")
    part = case((inner.c.why != "", 2), (inner.c.last == 1, 1), else_=0)
    return select(inner, part.label("part")).subquery("chosen")


def _places(row: Campaign, chosen: Any, cut: Waves, ordinary: int) -> dict[str, ColumnElement[Any]]:
    """The columns of `campaign_devices`: each device with its wave, and its place among all."""
    place = func.row_number().over(
        partition_by=chosen.c.part,
        order_by=(chosen.c.canary.desc(), chosen.c.ordering, chosen.c.offline, chosen.c.rank, chosen.c.device_id),
    )
    placed = select(chosen, place.label("place")).subquery("placed")
    wave = case(
        (placed.c.why != "", 0),
        (and_(placed.c.part == 1, literal(ordinary) > 0), cut.first_last + (placed.c.place - 1) // cut.last_size),
        (placed.c.place <= cut.canary, 1),
        else_=cut.first + (placed.c.place - cut.canary - 1) // cut.size,
    )
    return {
        "campaign_id": literal(row.id),
        "device_id": placed.c.device_id,
        "state": case((placed.c.why == "", TargetState.PLANNED.value), else_=TargetState.SKIPPED.value),
        "wave": wave,
        "position": placed.c.place + case((placed.c.part == 1, ordinary), else_=0),
        "site": placed.c.site,
        "model": placed.c.model,
        "firmware": placed.c.firmware_version,
        "why": placed.c.why,
    }


def _sorted(row: Campaign, last: ColumnElement[bool], canary: ColumnElement[bool], at: Moment) -> Select[Any]:
    """Every device with `why` it is left out, and what it is sorted by."""
    conditions = BY_KIND[row.kind]
    other, theirs = campaign_devices.alias("other"), campaigns.alias("theirs")
    elsewhere = (
        select(func.min(other.c.campaign_id))
        .join(theirs, theirs.c.id == other.c.campaign_id)
        .where(other.c.device_id == devices.c.device_id, other.c.state.in_(UNSETTLED), theirs.c.status.in_(BEGUN))
        .scalar_subquery()
    )
    why = case(
        (devices.c.status.not_in(LEGAL[row.kind]), literal("its state is ") + cast(devices.c.status, String)),
        (
            elsewhere.is_not(None),
            literal("in another campaign (") + func.substr(elsewhere, func.length(elsewhere) - 5) + literal(")"),
        ),
        (conditions.already(row.params), HAS_IT),
        *conditions.unfit(row.params),
        else_="",
    )
    offline = case((devices.c.last_seen_at >= at.now - at.online_within, 0), else_=1)
    rank = func.row_number().over(
        partition_by=(devices.c.site, devices.c.model), order_by=(offline, devices.c.device_id)
    )
    spread = conditions.order is None
    return select(
        devices.c.device_id,
        devices.c.site,
        devices.c.model,
        devices.c.firmware_version,
        why.label("why"),
        case((last, 1), else_=0).label("last"),
        case((canary, 1), else_=0).label("canary"),
        (literal(0) if conditions.order is None else conditions.order).label("ordering"),
        (offline if spread else literal(0)).label("offline"),
        (rank if spread else literal(0)).label("rank"),
    )


async def digest(session: AsyncSession, campaign_id: str) -> str:
    """The digest of all that are not left out: the approval is for these."""
    return targets_sha256(await device_ids(session, campaign_id))


async def device_ids(session: AsyncSession, campaign_id: str) -> Sequence[str]:
    """The ids of all that are not left out, sorted."""
    return sorted(await session.scalars(select(campaign_devices.c.device_id).where(*_taken(campaign_id))))


async def sites(session: AsyncSession, campaign_id: str) -> Sequence[str]:
    """The sites of all that are not left out, sorted."""
    return sorted(await session.scalars(select(campaign_devices.c.site).where(*_taken(campaign_id)).distinct()))


async def models(session: AsyncSession, campaign_id: str) -> Sequence[str]:
    """The models of all that are not left out, sorted."""
    return sorted(await session.scalars(select(campaign_devices.c.model).where(*_taken(campaign_id)).distinct()))


def _taken(campaign_id: str) -> tuple[ColumnElement[bool], ...]:
    return (campaign_devices.c.campaign_id == campaign_id, campaign_devices.c.state != TargetState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Outlook:
    """How many devices can be asked now, and what is known of how long they take."""

    online: int
    waves: Sequence[tuple[int, int]]
    """Of each wave its number and its devices."""
    sizes: Sequence[tuple[int, int]]
    """Of each wave the devices that can be asked now, and those of the site that has most of them."""
    took: timedelta | None
    """How long a device took in campaigns of this kind, if there were any."""


@dataclass(frozen=True, slots=True)
class Preview(Outlook):
    """The blast radius. Pairs of a name and a number of devices, the greatest first; `skipped` by its reason."""

    sites: Sequence[tuple[str, int]]
    models: Sequence[tuple[str, int]]
    firmwares: Sequence[tuple[str, int]]
    statuses: Sequence[tuple[str, int]]
    skipped: Sequence[tuple[str, int]]
    sample: Sequence[AnyRow]
    """device_id, site, model, firmware: the first to go."""


async def preview(session: AsyncSession, row: Campaign, at: Moment, listed: int = 10) -> Preview:
    """What the campaign would touch. At most `listed` of each kind."""
    target = campaign_devices.c
    taken, skipped = and_(*_taken(row.id)), and_(target.campaign_id == row.id, target.state == TargetState.SKIPPED)
    with_device = campaign_devices.join(devices, devices.c.device_id == target.device_id)

    async def by(column: ColumnElement[Any], condition: ColumnElement[bool], joined: bool = False) -> list[Any]:
        source = with_device if joined else campaign_devices
        statement = select(column, func.count()).select_from(source).where(condition).group_by(column)
        rows = await session.execute(statement.order_by(func.count().desc(), column).limit(listed))
        return [(str(name), count) for name, count in rows.all()]

    ahead = await outlook(session, row, at)
    first = select(target.device_id, target.site, target.model, target.firmware).where(taken)
    return Preview(
        online=ahead.online,
        waves=ahead.waves,
        sizes=ahead.sizes,
        took=ahead.took,
        sites=await by(target.site, taken),
        models=await by(target.model, taken),
        firmwares=await by(target.firmware, taken),
        statuses=await by(devices.c.status, taken, joined=True),
        skipped=await by(target.why, skipped),
        sample=(await session.execute(first.order_by(target.wave, target.position).limit(5))).all(),
    )


async def outlook(session: AsyncSession, row: Campaign, at: Moment) -> Outlook:
    """How many of its devices are online, and what its duration is reckoned from."""
    target = campaign_devices.c
    taken = and_(*_taken(row.id))
    with_device = campaign_devices.join(devices, devices.c.device_id == target.device_id)
    heard = devices.c.last_seen_at >= at.now - at.online_within
    online = select(func.count()).select_from(with_device).where(taken, heard)
    can_be_asked = case((heard if BY_KIND[row.kind].needs_device else true(), 1), else_=0)
    per_site = (
        select(target.wave, target.site, func.count().label("devices"), func.sum(can_be_asked).label("now"))
        .select_from(with_device)
        .where(taken)
        .group_by(target.wave, target.site)
        .subquery()
    ).c
    per_wave = select(per_site.wave, func.sum(per_site.devices), func.sum(per_site.now), func.max(per_site.now))
    waves = (await session.execute(per_wave.group_by(per_site.wave).order_by(per_site.wave))).all()
    return Outlook(
        online=await session.scalar(online) or 0,
        waves=[(wave, int(count)) for wave, count, _, _ in waves],
        sizes=[(int(now), int(at_one_site)) for _, _, now, at_one_site in waves],
        took=await _took_lately(session, row.kind),
    )


async def _took_lately(session: AsyncSession, kind: CampaignKind) -> timedelta | None:
    """How long 19 of 20 devices of the newest campaigns of a kind took from sending to success; None if none did."""
    newest = select(campaigns.c.id).where(campaigns.c.kind == kind, campaigns.c.started_at.is_not(None))
    target, operation = campaign_devices.c, operations.c
    statement = (
        select(func.coalesce(operation.sent_at, target.dispatched_at), target.settled_at)
        .outerjoin(operations, operation.id == target.operation_id)
        .where(target.campaign_id.in_(newest.order_by(campaigns.c.created_at.desc()).limit(_CAMPAIGNS)))
        .where(target.state == TargetState.SUCCEEDED, target.settled_at >= target.dispatched_at)
        .limit(_MEASURED)
    )
    times = sorted(max(settled - sent, timedelta(0)) for sent, settled in await session.execute(statement))
    return times[(len(times) - 1) * 19 // 20] if times else None
