"""Whose turn it is in a campaign, and what must not leave after all. Drawn in fleet/campaign.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import BEGUN, LEGAL, UNSETTLED, CampaignKind, CampaignStatus
from fleet.operation import OperationState
from storage import batch
from storage.campaign_conditions import BY_KIND, HAS_IT
from storage.campaign_devices import IS_PLANNED, IS_SETTLED, IS_UNDER_WAY
from storage.db import AnyRow
from storage.tables import Campaign, campaign_devices, campaigns, devices
from storage.tables import operations as operation_rows
from storage.tables.campaigns import UNDER_WAY

_target = campaign_devices.c


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
        .where(IS_PLANNED, _target.campaign_id == row.id, _target.wave <= row.wave)
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
        await session.scalars(statement.where(IS_PLANNED, _target.campaign_id == row.id, _target.wave <= row.wave))
    ).all()


async def under_way_by_site(session: AsyncSession, row: Campaign) -> dict[str, int]:
    statement = select(_target.site, func.count()).where(IS_UNDER_WAY, _target.campaign_id == row.id)
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
    for recent in (IS_UNDER_WAY, and_(IS_SETTLED, _target.settled_at > since)):
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
