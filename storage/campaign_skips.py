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


async def left_out(session: AsyncSession, campaign_id: str) -> Sequence[AnyRow]:
    """Those that the plan left out, of no wave, whom nobody approved: the largest groups first. Columns as `groups`."""
    return await _by_reason(session, campaign_id, _target.wave == 0)


async def groups(session: AsyncSession, campaign_id: str, limit: int) -> Sequence[AnyRow]:
    """Of the approved ones that were skipped, the largest groups first. Columns: why, devices."""
    return await _by_reason(session, campaign_id, _target.wave > 0, limit)


async def _by_reason(
    session: AsyncSession, campaign_id: str, of: ColumnElement[bool], limit: int | None = None
) -> Sequence[AnyRow]:
    devices = func.count().label("devices")
    statement = (
        select(_target.why, devices)
        .where(_skipped(campaign_id), of)
        .group_by(_target.why)
        .order_by(devices.desc(), _target.why)
        .limit(limit)
    )
    return (await session.execute(statement)).all()
