"""The fleet and its work in numbers, for /metrics: a handful of statements at any fleet size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from storage import dead_letters, outbox_sending
from storage.glance import Glance, glance
from storage.tables import alerts, operations

_DEAD_LETTERS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Numbers:
    """`alerts` by (kind, state), unresolved ones; `operations` by (kind, state), those on their way;
    `dead_letters` of the last hour by reason; `outbox_age` of the message that waits longest, in seconds."""

    glance: Glance
    alerts: dict[tuple[str, str], int]
    operations: dict[tuple[str, str], int]
    dead_letters: dict[str, int]
    outbox_waiting: int
    outbox_age: float


async def take(session: AsyncSession, now: datetime, online_within: timedelta) -> Numbers:
    """Count everything once. The devices are all looked at, so at a million of them this is not for every second."""
    waiting, oldest = await outbox_sending.waiting(session)
    unresolved = await session.execute(
        select(alerts.c.kind, alerts.c.state, func.count())
        .where(text("state != 'resolved'"))
        .group_by(alerts.c.kind, alerts.c.state)
    )
    queued = await session.execute(
        select(operations.c.kind, operations.c.state, func.count())
        .where(text("state = 'queued'"))
        .group_by(operations.c.kind, operations.c.state)
    )
    return Numbers(
        glance=await glance(session, now, online_within),
        alerts={(kind.value, state.value): count for kind, state, count in unresolved},
        operations={(kind.value, state.value): count for kind, state, count in queued},
        dead_letters=await dead_letters.counts(session, now - _DEAD_LETTERS),
        outbox_waiting=waiting,
        outbox_age=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
    )
