"""Events from Slack that were taken already: they come again until they are acknowledged, to any replica."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from storage import batch
from storage.tables import seen_events


async def take(session: AsyncSession, event_id: str, now: datetime) -> bool:
    """True for whoever takes an event first; False for everybody after, in every replica."""
    insert = batch.insert(session, seen_events).on_conflict_do_nothing().returning(seen_events.c.event_id)
    return (await session.execute(insert, {"event_id": event_id[:128], "at": now})).first() is not None


async def prune(session: AsyncSession, before: datetime) -> int:
    """Forget those taken before. Returns how many went."""
    gone = await session.execute(delete(seen_events).where(seen_events.c.at < before))
    return int(gone.rowcount)  # type: ignore[attr-defined]
