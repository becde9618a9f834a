"""What could not be read, kept for inspection: counted by device, topic, reason and hour, bounded in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage import batch
from storage.tables import dead_letters

_PAYLOAD_KEPT = 2048  # bytes of the payload; enough to see what it was


@dataclass(frozen=True, slots=True)
class Letter:
    """One unreadable message. `device_id` is empty when not even the topic could be read."""

    device_id: str
    topic: str
    reason: str
    detail: str
    payload: bytes
    at: datetime
    count: int = 1


async def add(session: AsyncSession, letters: Sequence[Letter]) -> list[Letter]:
    """Count these in, the newest payload kept. Returns those that are the first of their kind in their hour."""
    merged: dict[tuple[str, str, str, datetime], Letter] = {}
    for letter in letters:
        hour = letter.at.replace(minute=0, second=0, microsecond=0)
        key = (letter.device_id[:128], letter.topic[:256], letter.reason[:64], hour)
        merged[key] = replace(letter, count=merged[key].count + letter.count) if key in merged else letter
    if not merged:
        return []
    rows = [
        {
            "device_id": device_id,
            "topic": topic,
            "reason": reason,
            "hour": hour,
            "count": letter.count,
            "last_at": letter.at,
            "detail": letter.detail.replace("\x00", "")[:500],
            "size": len(letter.payload),
            "payload": letter.payload[:_PAYLOAD_KEPT],
        }
        for (device_id, topic, reason, hour), letter in sorted(merged.items(), key=lambda item: item[0])
    ]
    statement = batch.insert(session, dead_letters)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["device_id", "topic", "reason", "hour"],
        set_={
            "count": dead_letters.c.count + new["count"],
            **{name: new[name] for name in ("last_at", "detail", "size", "payload")},
        },
    ).returning(
        dead_letters.c.device_id, dead_letters.c.topic, dead_letters.c.reason, dead_letters.c.hour, dead_letters.c.count
    )
    counted = (await session.execute(statement, rows)).all()
    return [letter for *key, count in counted if (letter := merged[tuple(key)]).count == count]


async def prune(session: AsyncSession, keep: int) -> int:
    """Forget all but the `keep` newest. Returns how many went."""
    edge = await session.scalar(
        select(dead_letters.c.last_at).order_by(dead_letters.c.last_at.desc()).offset(keep).limit(1)
    )
    if edge is None:
        return 0
    gone = await session.execute(delete(dead_letters).where(dead_letters.c.last_at <= edge))
    return int(gone.rowcount)  # type: ignore[attr-defined]


async def counts(session: AsyncSession, since: datetime) -> dict[str, int]:
    """How many there were since then, by reason."""
    statement = (
        select(dead_letters.c.reason, func.sum(dead_letters.c["count"]))
        .where(dead_letters.c.last_at >= since)
        .group_by(dead_letters.c.reason)
    )
    return {reason: int(count) for reason, count in (await session.execute(statement))}
