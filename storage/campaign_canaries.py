"""Canaries that were picked by their number: sick ones make room, for one of them may stop a campaign by itself."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import batch
from storage.alert_devices import has_open_alert
from storage.campaign_devices import IS_PLANNED, of
from storage.selection import Condition
from storage.tables import Campaign, campaign_devices, devices

_target = campaign_devices.c
_NEAR = 1000
"""So many more than are needed are looked at: a plan of a million devices is not read for a few canaries."""


async def exchange_sick_ones(session: AsyncSession, row: Campaign, canaries: int, online: Condition) -> None:
    """Devices of the first wave that have an open alert change places with the next ones of the second that have none.

    `online`: a condition on `devices`; who is offline proves nothing either. Those for whom there is nobody stay.
    """
    places = select(_target.device_id, _target.wave, _target.position).where(_target.campaign_id == row.id, IS_PLANNED)
    in_order = places.order_by(_target.position)
    sick = (await session.execute(in_order.where(_target.wave == 1, has_open_alert(_target.device_id)))).all()
    if not sick:
        return
    reachable = batch.found(select(devices.c.device_id).where(devices.c.device_id == _target.device_id, online))
    near = (_target.wave == 2, _target.position <= canaries + len(sick) + _NEAR)
    well = in_order.where(*near, reachable, ~has_open_alert(_target.device_id)).limit(len(sick))
    moved = []
    for one, other in zip(sick, await session.execute(well), strict=False):
        moved.append({"device_id": one.device_id, "wave": other.wave, "position": other.position})
        moved.append({"device_id": other.device_id, "wave": one.wave, "position": one.position})
    given = batch.rows(session, {"device_id": batch.TEXT, "wave": batch.INTEGER, "position": batch.INTEGER})
    statement = update(campaign_devices).where(of(row, given.c.device_id))
    changed = statement.values(wave=given.c.wave, position=given.c.position)
    await session.execute(changed, {"given": batch.dump(moved)})
