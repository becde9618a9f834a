"""What Slack shows of a stop-all: one message, which counts as long as it stands."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import CampaignStatus
from fleet.message import Button, Message
from storage import fences
from storage.fences import OutThere
from storage.tables import Fence, campaigns


async def message(session: AsyncSession, fence: Fence, numbers: OutThere) -> Message:
    """Its message as it should read now, with these numbers in it."""
    paused = select(campaigns.c.id, campaigns.c.title).where(
        campaigns.c.status == CampaignStatus.PAUSED, campaigns.c.why == fences.why(fence)
    )
    found = (await session.execute(paused.order_by(campaigns.c.id))).all()
    return Message(
        template="bulk/stop_all",
        data={
            "put_by": fence.put_by,
            "put_at": fence.put_at,
            "why": fence.why,
            **asdict(numbers),
            "paused": [[each.id[-6:], each.title] for each in found],
        },
        buttons=(
            Button(text="Let it go on", run="bulk go-on", confirm="Everything that waits is sent then."),
            Button(text="Campaigns", run="bulk list"),
        ),
    )
