"""Campaigns: one row each, moved by compare-and-set. The moves are drawn in fleet/campaign.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import BEGUN, MOVES, OVER, CampaignStatus, TargetState
from fleet.errors import NotFound, Refused
from fleet.rollout import Rollout
from storage import named
from storage.db import AnyRow, wake
from storage.tables import Campaign, campaign_devices, campaigns
from storage.tables.campaigns import OPEN_CAMPAIGN

_OPEN = text(OPEN_CAMPAIGN)  # as the partial index has it


def message_key(campaign_id: str) -> str:
    """The key of its live message in the outbox."""
    return f"campaign:{campaign_id}"


def rollout_of(row: Campaign) -> Rollout:
    """How it goes over its devices, as it was frozen when it was planned."""
    return Rollout.model_validate(row.rollout)


async def add(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a campaign (columns of `campaigns`); its targets follow by `storage.campaign_plan`."""
    await session.execute(insert(campaigns), [dict(row)])
    wake(session, "campaigns")


async def get(session: AsyncSession, name: str, *, lock: bool = False) -> Campaign:
    """One campaign by its id or its ending (4 characters or more). Raises NotFound, or BadInput if several end so.

    With `lock` nobody else moves it until the transaction ends.
    """
    if found := await named.find(session, Campaign, name, "campaigns", "/fleet bulk list", lock=lock):
        return found
    raise NotFound(f"There is no campaign called {name}. They are all in /fleet bulk list.")


async def recent(session: AsyncSession, limit: int) -> Sequence[Campaign]:
    """Those that have begun, those that wait for approval, plans, and those that are over; of each the newest first."""
    status = campaigns.c.status
    turn = case((status.in_(BEGUN), 0), (status == CampaignStatus.WAITING, 1), (status.in_(OVER), 3), else_=2)
    return (await session.scalars(select(Campaign).order_by(turn, campaigns.c.created_at.desc()).limit(limit))).all()


async def open_ones(session: AsyncSession) -> Sequence[AnyRow]:
    """The campaigns that the engine looks at, the oldest first. Columns: id, status, due_at."""
    statement = select(campaigns.c.id, campaigns.c.status, campaigns.c.due_at).where(_OPEN).order_by(campaigns.c.id)
    return (await session.execute(statement)).all()


async def to_report(session: AsyncSession, limit: int) -> Sequence[Campaign]:
    """Campaigns that have begun and ended, and were not reported."""
    ended = (campaigns.c.ended_at.is_not(None), campaigns.c.started_at.is_not(None), campaigns.c.reported_at.is_(None))
    return (await session.scalars(select(Campaign).where(*ended).order_by(campaigns.c.ended_at).limit(limit))).all()


async def reported(session: AsyncSession, campaign_id: str, now: datetime) -> bool:
    """Mark it as reported. False if another replica was faster."""
    statement = (
        update(campaigns)
        .where(campaigns.c.id == campaign_id, campaigns.c.reported_at.is_(None))
        .values(reported_at=now)
    )
    return bool((await session.execute(statement)).rowcount)  # type: ignore[attr-defined]


async def take(session: AsyncSession, campaign_id: str) -> Campaign | None:
    """One campaign to move, locked until the transaction ends; None if another replica has it just now."""
    statement = select(Campaign).where(campaigns.c.id == campaign_id).with_for_update(skip_locked=True)
    return (await session.scalars(statement)).first()


async def move(
    session: AsyncSession, row: Campaign, to: CampaignStatus, by: str, now: datetime, **columns: Any
) -> None:
    """Bring it into another state. Raises Refused if somebody was faster, or if that is no legal move.

    The row in hand is changed with it.
    """
    if to not in MOVES[row.status]:
        raise Refused(f"Campaign {row.id[-6:]} is {row.status}; it cannot become {to}.")
    values = {"status": to, "changed_by": by, **columns}
    statement = update(campaigns).where(campaigns.c.id == row.id, campaigns.c.status == row.status).values(**values)
    moved = await session.execute(statement)
    if not moved.rowcount:  # type: ignore[attr-defined]
        raise Refused(f"Campaign {row.id[-6:]} was changed by somebody else in this moment. Look at it again.")
    await session.refresh(row)
    wake(session, "campaigns")


async def change(session: AsyncSession, row: Campaign, **columns: Any) -> None:
    """Write columns of a campaign that this transaction has taken, but for its status."""
    await session.execute(update(campaigns).where(campaigns.c.id == row.id).values(**columns))
    await session.refresh(row)


async def tally(session: AsyncSession, campaign_id: str) -> dict[TargetState, int]:
    """How many of its devices are in which state. Reads an index over all of them: for messages, not for every look."""
    statement = (
        select(campaign_devices.c.state, func.count())
        .where(campaign_devices.c.campaign_id == campaign_id)
        .group_by(campaign_devices.c.state)
    )
    return dict((await session.execute(statement)).all())


async def waves_of(session: AsyncSession, campaign_id: str) -> Sequence[AnyRow]:
    """Columns: wave, state, devices."""
    statement = (
        select(campaign_devices.c.wave, campaign_devices.c.state, func.count().label("devices"))
        .where(campaign_devices.c.campaign_id == campaign_id)
        .group_by(campaign_devices.c.wave, campaign_devices.c.state)
        .order_by(campaign_devices.c.wave)
    )
    return (await session.execute(statement)).all()
