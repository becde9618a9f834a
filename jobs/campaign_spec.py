"""What one kind of campaign asks of its devices: a function, and a line in `jobs/campaign_kinds.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.operation import OperationKind
from fleet.settings import Settings
from storage import ids, operations
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


async def queue(asked: Asked, turns: Sequence[Turn], kind: OperationKind, **columns: Any) -> dict[str, str | None]:
    """An operation of this kind for each device; columns as `storage.operations.add` has them. What was asked of the
    device by an earlier one is cancelled. Returns the operation of each.
    """
    row, now = asked.campaign, asked.now
    await operations.cancel_open(asked.session, [each.device_id for each in turns], kind, now)
    made: dict[str, str | None] = {each.device_id: ids.new("op", now) for each in turns}
    new = [
        {
            "id": made[each.device_id],
            "kind": kind,
            "device_id": each.device_id,
            "campaign_id": row.id,
            "requested_by": row.created_by,
            "created_at": now,
            "due_at": each.due_at,
            **columns,
        }
        for each in turns
    ]
    await operations.add(asked.session, new)
    return made


CampaignWork = Callable[[Asked, Sequence[Turn]], Awaitable[Mapping[str, str | None]]]
"""Ask it of these devices: an operation for each, with the campaign's id (`storage.operations.add`).

Returns the operation's id for each device, or None where there is none to wait for. A device that is absent could not
be asked, and fails.
"""

CampaignEnd = Callable[[Asked], Awaitable[None]]
"""What follows when a campaign of this kind has ended, in the transaction that ends it; its row has the new status."""
