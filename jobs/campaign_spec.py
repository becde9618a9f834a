"""What one kind of campaign asks of its devices: a function, and a line in `jobs/campaign_kinds.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.settings import Settings
from storage.tables import Campaign


@dataclass(frozen=True, slots=True)
class Turn:
    """A device whose turn it is: checked in this transaction to be legal and online. Sent not before `due_at`."""

    device_id: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """For which campaign, and when. Everything happens in the transaction of `session`."""

    session: AsyncSession
    campaign: Campaign
    now: datetime
    settings: Settings


CampaignWork = Callable[[Asked, Sequence[Turn]], Awaitable[Mapping[str, str | None]]]
"""Ask it of these devices: an operation for each, with the campaign's id (`storage.operations.add`).

Returns the operation's id for each device, or None where there is none to wait for. A device that is absent could not
be asked, and fails.
"""
