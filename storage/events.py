"""What other systems are told: written in the transaction of what happened, sent by `jobs/events.py` afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from storage import ids
from storage.db import wake
from storage.tables import events


async def emit(session: AsyncSession, kind: str, subject: str, data: Mapping[str, Any], now: datetime) -> None:
    """Tell of one thing: an EventType or another dotted word, a device id or the like, and JSON values."""
    await emit_many(session, kind, {subject: data}, now)


async def emit_many(session: AsyncSession, kind: str, told: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
    """Tell the same kind of thing of many subjects: data by subject. Events of a subject leave in the order written."""
    if told:
        row = {"type": str(kind), "at": now, "routed_at": None}
        rows = [{**row, "id": ids.new("ev", now), "subject": one, "data": dict(data)} for one, data in told.items()]
        await session.execute(insert(events), rows)
        wake(session, "events")
