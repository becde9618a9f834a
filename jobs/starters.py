"""What starts when a plan is approved: one line for each operation. `jobs.approvals` is the only one who asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import CampaignKind
from jobs import campaigns, moves, retags, states
from jobs.spec import Run
from storage.tables import Approval

Starter = Callable[[Run, AsyncSession, Approval], Awaitable[None]]
"""Does what `approval.plan` says, or puts it under way, in the given transaction: all of it or nothing.

It looks at each device again. Raises a FleetError if the plan cannot be done; its text goes to the requester.
"""

BY_OPERATION: Mapping[str, Starter] = MappingProxyType(
    {
        "device.move": moves.start,
        "device.maintain": states.start,
        "device.resume": states.start,
        "device.suspend": states.start,
        "device.decommission": states.start,
        "bulk.maintain": states.start,
        "bulk.resume": states.start,
        "bulk.retag": retags.start,
        "bulk.retag-undo": retags.undo,
        **{kind.operation: campaigns.start for kind in CampaignKind},
    }
)
