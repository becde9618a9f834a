"""Deliveries of events: one for each endpoint that wants an event, claimed, settled, and again if need be.

Of one subject an endpoint gets the events in the order they were written, one at a time: a later one waits until the
one before it was taken or is dead. The drawing is in fleet/event.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, TextClause, and_, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from fleet.event import DeliveryState, wanted
from storage import batch
from storage.db import AnyRow, earliest, wake
from storage.tables import event_deliveries, events

PENDING = text("event_deliveries.state = 'pending'")  # as the partial indexes have them
DEAD = text("event_deliveries.state = 'dead'")
_UNROUTED = text("routed_at IS NULL")


async def route(session: AsyncSession, endpoints: Mapping[str, tuple[str, ...]], now: datetime, limit: int) -> int:
    """Make the deliveries of up to `limit` new events; `endpoints`: the types that each of them wants, by name.

    Returns how many events there were.
    """
    fresh = select(events.c.seq, events.c.type, events.c.subject).where(_UNROUTED).order_by(events.c.seq)
    rows = (await session.execute(fresh.limit(limit).with_for_update(skip_locked=True))).all()
    own = {"state": DeliveryState.PENDING, "since": now, "due_at": now}
    new = [
        {**own, "seq": row.seq, "subject": row.subject, "endpoint": name}
        for row in rows
        for name, patterns in endpoints.items()
        if wanted(row.type, patterns)
    ]
    if new:
        await session.execute(batch.insert(session, event_deliveries).on_conflict_do_nothing(), new)
    if rows:
        given = batch.rows(session, {"seq": batch.INTEGER})
        routed = update(events).where(events.c.seq == given.c.seq).values(routed_at=now)
        await session.execute(routed, {"given": batch.dump({"seq": row.seq} for row in rows)})
    return len(rows)


async def any_unrouted(session: AsyncSession) -> bool:
    """True if `route` would find something: a look that takes no lock."""
    return (await session.execute(select(events.c.seq).where(_UNROUTED).limit(1))).first() is not None


async def claim(
    session: AsyncSession, endpoint: str, now: datetime, by: str, until: datetime, limit: int
) -> Sequence[AnyRow]:
    """Take up to `limit` due deliveries to one endpoint; others leave them.

    Columns: seq, attempts (this one counted), since, and of the event id, type, subject, at, data.
    """
    due = select(event_deliveries.c.seq).where(
        PENDING, event_deliveries.c.endpoint == endpoint, event_deliveries.c.due_at <= now, _unclaimed(now), _is_next()
    )
    picked = due.order_by(event_deliveries.c.due_at).limit(limit).with_for_update(skip_locked=True).cte("picked")
    statement = (
        update(event_deliveries)
        .where(event_deliveries.c.seq == picked.c.seq, event_deliveries.c.endpoint == endpoint)
        .values(claimed_by=by, claimed_until=until, attempts=event_deliveries.c.attempts + 1)
        .returning(event_deliveries.c.seq)
    )
    ours = list(await session.scalars(statement))
    columns = (event_deliveries.c.attempts, event_deliveries.c.since)
    with_event = (
        select(events.c.seq, events.c.id, events.c.type, events.c.subject, events.c.at, events.c.data, *columns)
        .join(event_deliveries, event_deliveries.c.seq == events.c.seq)
        .where(event_deliveries.c.endpoint == endpoint, events.c.seq.in_(ours))
        .order_by(events.c.seq)
    )
    return (await session.execute(with_event)).all()


def _unclaimed(now: datetime) -> ColumnElement[bool]:
    return or_(event_deliveries.c.claimed_until.is_(None), event_deliveries.c.claimed_until <= now)


def _is_next() -> ColumnElement[bool]:
    """No earlier event of the same subject waits for the same endpoint."""
    earlier = event_deliveries.alias("earlier")
    waits = select(earlier.c.seq).where(
        text("earlier.state = 'pending'"),
        earlier.c.endpoint == event_deliveries.c.endpoint,
        earlier.c.subject == event_deliveries.c.subject,
        earlier.c.seq < event_deliveries.c.seq,
    )
    return batch.not_found(waits)


async def settle(session: AsyncSession, endpoint: str, settled: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """What came of those that were claimed: seq, state, due_at (when to try again, if PENDING), error."""
    kinds: dict[str, TypeEngine[Any]] = {
        "seq": batch.INTEGER,
        "state": batch.TEXT,
        "due_at": batch.MOMENT,
        "error": batch.TEXT,
    }
    given = batch.rows(session, kinds)
    statement = (
        update(event_deliveries)
        .where(event_deliveries.c.seq == given.c.seq, event_deliveries.c.endpoint == endpoint)
        .where(batch.and_not_guessed(PENDING))
        .values(
            state=given.c.state,
            due_at=given.c.due_at,
            error=given.c.error,
            settled_at=now,
            claimed_by=None,
            claimed_until=None,
        )
    )
    await session.execute(statement, {"given": batch.dump(settled)})


async def release_all(session: AsyncSession, by: str) -> None:
    """Give back everything this replica had claimed before it began anew."""
    statement = update(event_deliveries).where(PENDING, event_deliveries.c.claimed_by == by)
    await session.execute(statement.values(claimed_by=None, claimed_until=None))


async def give_up_others(session: AsyncSession, endpoints: Sequence[str], now: datetime) -> None:
    """What waits for endpoints that the settings do not name any more is dead."""
    statement = update(event_deliveries).where(PENDING, event_deliveries.c.endpoint.not_in(endpoints))
    gone = "The settings name no such endpoint any more."
    await session.execute(statement.values(state=DeliveryState.DEAD, settled_at=now, error=gone))


async def next_due(session: AsyncSession, endpoint: str) -> datetime | None:
    """When something is to be sent to that endpoint next, or a claim runs out."""
    mine = (PENDING, event_deliveries.c.endpoint == endpoint, _is_next())
    free = select(func.min(event_deliveries.c.due_at)).where(*mine, event_deliveries.c.claimed_until.is_(None))
    claimed = select(func.min(event_deliveries.c.claimed_until)).where(*mine)
    return await earliest(session, free, claimed)


async def replay(session: AsyncSession, now: datetime, event_id: str | None = None) -> int:
    """Send an event again to whoever wanted it, taken or dead; without an id all that are dead. Returns how many."""
    if event_id is None:
        which: ColumnElement[bool] | TextClause = DEAD
    else:
        its = select(events.c.seq).where(events.c.id == event_id).scalar_subquery()
        which = and_(event_deliveries.c.seq == its, event_deliveries.c.state != DeliveryState.PENDING)
    again = {"state": DeliveryState.PENDING, "attempts": 0, "since": now, "due_at": now, "settled_at": None}
    statement = update(event_deliveries).where(which).values(**again).returning(event_deliveries.c.seq)
    replayed = len((await session.execute(statement)).all())
    wake(session, "events")
    return replayed


async def unsettled(session: AsyncSession, limit: int, *, dead_only: bool = False) -> Sequence[AnyRow]:
    """Deliveries that wait or are dead, the newest first.

    Columns: of the event id, type, subject, at; endpoint, state, attempts, due_at, error.
    """
    states = (DeliveryState.DEAD,) if dead_only else (DeliveryState.DEAD, DeliveryState.PENDING)
    delivery = event_deliveries.c
    statement = (
        select(events.c.id, events.c.type, events.c.subject, events.c.at)
        .add_columns(delivery.endpoint, delivery.state, delivery.attempts, delivery.due_at, delivery.error)
        .join(event_deliveries, delivery.seq == events.c.seq)
        .where(event_deliveries.c.state.in_(states))
        .order_by(events.c.seq.desc(), delivery.endpoint)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def prune(session: AsyncSession, before: datetime, limit: int) -> int:
    """Forget up to `limit` events told before then that nobody waits for and that are not dead. Returns how many."""
    left = event_deliveries.c.state != DeliveryState.DELIVERED
    still = select(event_deliveries.c.seq).where(event_deliveries.c.seq == events.c.seq, left)
    old = select(events.c.seq).where(events.c.at < before, events.c.routed_at.is_not(None), batch.not_found(still))
    gone = list(await session.scalars(old.order_by(events.c.at).limit(limit)))
    for table in (event_deliveries, events):
        given = batch.rows(session, {"seq": batch.INTEGER})
        statement = delete(table).where(table.c.seq.in_(select(given.c.seq)))
        await session.execute(statement, {"given": batch.dump({"seq": seq} for seq in gone)})
    return len(gone)
