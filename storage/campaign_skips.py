"""The devices that a campaign did not touch: those that its plan left out, and those skipped when their turn came."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import TargetState
from storage.db import AnyRow
from storage.tables import campaign_devices

_target = campaign_devices.c


def _skipped(campaign_id: str) -> ColumnElement[bool]:
    return and_(_target.campaign_id == campaign_id, _target.state == TargetState.SKIPPED)


async def left_out(session: AsyncSession, campaign_id: str) -> int:
    """How many the plan left out: they are of no wave, and nobody approved them."""
    statement = select(func.count()).where(_skipped(campaign_id), _target.wave == 0)
    return await session.scalar(statement) or 0


async def groups(session: AsyncSession, campaign_id: str, limit: int) -> Sequence[AnyRow]:
    """Of the approved ones that were skipped, the largest groups first. Columns: why, devices."""
    devices = func.count().label("devices")
    statement = (
        select(_target.why, devices)
        .where(_skipped(campaign_id), _target.wave > 0)
        .group_by(_target.why)
        .order_by(devices.desc(), _target.why)
        .limit(limit)
    )
    return (await session.execute(statement)).all()
