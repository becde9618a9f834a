"""What waits for approval beside a plan: the very same, and other campaigns for the same devices."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import CampaignStatus, TargetState
from storage import batch
from storage.db import AnyRow
from storage.tables import Campaign, campaign_devices, campaigns


async def same(session: AsyncSession, row: Campaign) -> Campaign | None:
    """A campaign that waits and would do exactly this, to the same devices, at the same time and pace."""
    columns = campaigns.c
    statement = select(Campaign).where(
        columns.status == CampaignStatus.WAITING,
        columns.id != row.id,
        columns.kind == row.kind,
        columns.targets_sha256 == row.targets_sha256,
    )
    for each in await session.scalars(statement.order_by(columns.id)):
        if (each.params, each.rollout, each.start_at) == (row.params, row.rollout, row.start_at):
            return each
    return None


async def overlaps(session: AsyncSession, row: Campaign) -> Sequence[AnyRow]:
    """The campaigns that wait and have devices of this plan, the most first. Columns: id, title, devices."""
    mine, theirs = campaign_devices.alias("mine"), campaign_devices.alias("theirs")
    planned_here = select(mine.c.device_id).where(
        mine.c.campaign_id == row.id, mine.c.device_id == theirs.c.device_id, mine.c.state == TargetState.PLANNED
    )
    devices = func.count().label("devices")
    statement = (
        select(campaigns.c.id, campaigns.c.title, devices)
        .join(theirs, theirs.c.campaign_id == campaigns.c.id)
        .where(campaigns.c.status == CampaignStatus.WAITING, campaigns.c.id != row.id)
        .where(theirs.c.state == TargetState.PLANNED, batch.found(planned_here.correlate(theirs)))
        .group_by(campaigns.c.id, campaigns.c.title)
        .order_by(devices.desc(), campaigns.c.id)
    )
    return (await session.execute(statement)).all()
