"""What waits for people, for Slack and for other systems, counted in one statement over partial indexes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import BEGUN
from fleet.lifecycle import DeviceStatus
from storage.approvals import undecided
from storage.event_deliveries import DEAD, PENDING
from storage.fences import STANDING
from storage.outbox_sending import DUE
from storage.tables import (
    OPEN_DECOMMISSION,
    approvals,
    campaigns,
    decommissions,
    devices,
    event_deliveries,
    fences,
    outbox,
)
from storage.tables.campaigns import OPEN_CAMPAIGN


@dataclass(frozen=True, slots=True)
class Backlog:
    """Numbers, and since when the oldest waits. `stopped_since`: nothing is sent to any device (stop-all).

    `messages` are for Slack, `events` for other systems and `dead_events` the ones that are not tried again;
    `approvals` wait for people, `campaigns` are approved and not over, `leaving` devices wait to be decommissioned,
    and so many `certificates` end soon.
    """

    messages: int
    messages_since: datetime | None
    events: int
    events_since: datetime | None
    dead_events: int
    approvals: int
    campaigns: int
    stopped_since: datetime | None
    leaving: int
    certificates: int


async def count(session: AsyncSession, now: datetime, ending_before: datetime) -> Backlog:
    """All of it; certificates that end before `ending_before` and have not ended yet count as ending soon."""
    begun = (text(OPEN_CAMPAIGN), campaigns.c.status.in_(BEGUN))
    ending = (
        devices.c.certificate_not_after.between(now, ending_before),
        devices.c.status != DeviceStatus.DECOMMISSIONED,
    )
    number = func.count()
    asking = (
        select(number).select_from(outbox).where(DUE),
        select(func.min(outbox.c.wanted_at)).where(DUE),
        select(number).select_from(event_deliveries).where(PENDING),
        select(func.min(event_deliveries.c.since)).where(PENDING),
        select(number).select_from(event_deliveries).where(DEAD),
        select(number).select_from(approvals).where(*undecided(now)),
        select(number).select_from(campaigns).where(*begun),
        select(func.min(fences.c.put_at)).where(STANDING),
        select(number).select_from(decommissions).where(text(OPEN_DECOMMISSION)),
        select(number).select_from(devices).where(*ending),
    )
    return Backlog(*(await session.execute(select(*(each.scalar_subquery() for each in asking)))).one())
