"""The whole fleet in numbers, in a few statements at any size."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Integer, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.glance import EXPECTED, Site
from fleet.lifecycle import DeviceStatus
from storage.tables import DRIFTED, OPEN_CASE, alerts, devices, drift_cases

_OF_ALERT = (
    select(func.coalesce(devices.c.site, alerts.c.data["site"].as_string()).label("site"))
    .select_from(alerts.outerjoin(devices, alerts.c.device_id == devices.c.device_id))
    .where(text("alerts.state != 'resolved'"))  # as the partial index has it
    .subquery()
)
_ALERTS_BY_SITE = select(_OF_ALERT.c.site, func.count()).group_by(_OF_ALERT.c.site)
"""A group's alert has no device, but names its site."""


@dataclass(frozen=True, slots=True)
class Glance:
    """Devices by status and by site, open drift cases by state. Alerts without a device belong to no site."""

    by_status: dict[DeviceStatus, int]
    cases: dict[str, int]
    sites: tuple[Site, ...]
    alerts: int

    @property
    def total(self) -> int:
        return sum(self.by_status.values())

    @property
    def online(self) -> int:
        return sum(site.online for site in self.sites)

    @property
    def drifted(self) -> int:
        return sum(site.drifted for site in self.sites)


async def glance(session: AsyncSession, now: datetime, online_within: timedelta) -> Glance:
    """Four statements at any fleet size: one pass over the devices, the others over partial indexes."""
    sites: dict[str, Site] = {}
    by_status: Counter[DeviceStatus] = Counter()
    heard = func.coalesce(func.sum(cast(devices.c.last_seen_at >= now - online_within, Integer)), 0)
    counted = await session.execute(
        select(devices.c.site, devices.c.status, func.count(), heard).group_by(devices.c.site, devices.c.status)
    )
    for name, status, count, online in counted:
        by_status[status] += count
        silent = count - online if status in EXPECTED else 0
        sites[name] = sites.get(name, Site(name)) + Site(name, count, online, silent)
    drifted = select(devices.c.site, func.count()).where(text(DRIFTED)).group_by(devices.c.site)
    for name, count in await session.execute(drifted):
        sites[name] = replace(sites[name], drifted=count)
    open_alerts = 0
    for name, count in await session.execute(_ALERTS_BY_SITE):
        open_alerts += count
        if name in sites:
            sites[name] = replace(sites[name], alerts=count)
    return Glance(dict(by_status), await open_cases(session), tuple(sites.values()), open_alerts)


async def open_cases(session: AsyncSession) -> dict[str, int]:
    """Open drift cases by state."""
    statement = select(drift_cases.c.state, func.count()).where(text(OPEN_CASE)).group_by(drift_cases.c.state)
    return {state.value: count for state, count in await session.execute(statement)}


async def drifted_devices(session: AsyncSession) -> int:
    """How many devices are drifted; the cost follows their number."""
    return await session.scalar(select(func.count()).select_from(devices).where(text(DRIFTED))) or 0
