"""Which devices are not heard any more: found without a look at the others, and without a write more for each status.

A status writes `last_seen_at`, which has no index: an index there would cost every status a third more. Each device has
instead a moment at which to look at it again (`look_at`). Whoever was heard meanwhile is looked at again so long after
its last word; who was not is silent from then on (`silent_since`, its last word), until it is heard.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Float, case, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import batch
from storage.columns import seconds_after
from storage.tables import SILENT, devices, schedule

_EAR = "listening"


async def listening_since(session: AsyncSession, now: datetime, gap: timedelta) -> datetime:
    """Muster hears devices now: since when without a gap as long as that? Silence while it was away is not theirs."""
    row = (await session.execute(select(schedule).where(schedule.c.name == _EAR))).first()
    since: datetime = row.due_at if row and row.ran_at and row.ran_at >= now - gap else now
    statement = batch.insert(session, schedule).values(name=_EAR, due_at=since, ran_at=now)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_={"due_at": since, "ran_at": now})
    )
    return since


async def look(session: AsyncSession, now: datetime, after: timedelta, limit: int) -> int:
    """Look at up to `limit` devices whose moment has come. Returns how many there were.

    A device that was never heard is not silent: it has not begun.
    """
    due = select(devices.c.device_id).where(devices.c.look_at <= now).order_by(devices.c.look_at).limit(limit)
    picked = due.with_for_update(skip_locked=True).cte("picked")
    heard = devices.c.last_seen_at > now - after
    statement = (
        update(devices)
        .where(devices.c.device_id == picked.c.device_id)
        .values(
            look_at=case((heard, _later(after)), else_=batch.moment(now + after)),
            silent_since=case((heard, None), else_=devices.c.last_seen_at),
        )
        .returning(devices.c.device_id)
    )
    return len((await session.execute(statement)).all())


async def heard_again(session: AsyncSession, after: timedelta) -> int:
    """Silent devices that were heard are not silent any more. Returns how many."""
    statement = (
        update(devices)
        .where(text(SILENT), devices.c.last_seen_at > devices.c.silent_since)
        .values(silent_since=None, look_at=_later(after))
        .returning(devices.c.device_id)
    )
    return len((await session.execute(statement)).all())


async def anything(session: AsyncSession, now: datetime) -> bool:
    """Is there a device to look at, or one that was heard again? A look that takes no lock."""
    due = select(devices.c.device_id).where(devices.c.look_at <= now).limit(1)
    again = select(devices.c.device_id).where(text(SILENT), devices.c.last_seen_at > devices.c.silent_since).limit(1)
    return any([(await session.execute(each)).first() for each in (due, again)])


def _later(after: timedelta) -> seconds_after:
    return seconds_after(devices.c.last_seen_at, literal(after.total_seconds(), Float()))
