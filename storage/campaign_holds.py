"""What keeps a campaign from sending by the clock alone: a freeze, or the window of its sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import CampaignStatus
from fleet.rollout import Frozen, frozen, window
from fleet.settings import Settings
from storage import campaign_devices, campaign_turns, campaigns
from storage.tables import Campaign


@dataclass(frozen=True, slots=True)
class Opening:
    """All sites that are still to be sent to are shut: `sites` of `of` open first, at `at`, for `window`."""

    at: datetime
    sites: int
    of: int
    window: str


@dataclass(frozen=True, slots=True)
class Holds:
    frozen: Frozen | None = None
    opening: Opening | None = None

    @property
    def until(self) -> datetime | None:
        """When it may go on."""
        if self.frozen:
            return self.frozen.until
        return self.opening.at if self.opening else None


async def of(session: AsyncSession, row: Campaign, now: datetime, settings: Settings) -> Holds:
    """What holds a campaign that has something left to send, or will when it begins."""
    match row.status:
        case CampaignStatus.PLANNED | CampaignStatus.WAITING:
            return Holds(frozen(settings.campaigns.freezes, max(row.start_at or now, now)))
        case CampaignStatus.SCHEDULED | CampaignStatus.SOAKING:
            return Holds(frozen(settings.campaigns.freezes, max(row.due_at or now, now)))
        case CampaignStatus.RUNNING:
            return await _running(session, row, now, settings)
        case _:
            return Holds()


async def _running(session: AsyncSession, row: Campaign, now: datetime, settings: Settings) -> Holds:
    if freeze := frozen(settings.campaigns.freezes, now):
        counts = await campaign_devices.counts(session, row)
        to_send = counts.planned or (row.wave < row.waves and not counts.under_way)
        return Holds(freeze if to_send else None)
    opens = await openings(session, row, now, settings)
    if not opens or min(opens.values()) <= now:
        return Holds()
    first = min(opens.values())
    hours = campaigns.rollout_of(row).window
    return Holds(opening=Opening(first, list(opens.values()).count(first), len(opens), hours))


async def openings(session: AsyncSession, row: Campaign, now: datetime, settings: Settings) -> Mapping[str, datetime]:
    """When each site that is still to be sent to opens, `now` if it is open; empty for a campaign without a window."""
    hours = window(campaigns.rollout_of(row).window)
    if hours is None:
        return {}
    zones = {each.site: each.timezone for each in settings.campaigns.site_timezones}
    return {
        site: hours.open_at(now, ZoneInfo(zones.get(site, settings.campaigns.timezone)))
        for site in await campaign_turns.planned_sites(session, row)
    }
