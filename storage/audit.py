"""Who did what: entries in the transaction that did it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from storage import ids
from storage.tables import audit


async def add(
    session: AsyncSession, now: datetime, actor: str, action: str, subject: str, data: dict[str, Any] | None = None
) -> None:
    """One entry. `subject` is a device id, an alert id or the like; a batch is one entry with its ids in `data`."""
    entry = {"id": ids.new("au", now), "at": now, "actor": actor, "action": action, "subject": subject[:256]}
    await session.execute(insert(audit), [{**entry, "data": data or {}}])
