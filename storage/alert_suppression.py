"""What would have been told of devices in maintenance or suspended: it is kept, and told when that has ended.

It is a place that is in no alert (`alert_devices.alert_id` is NULL).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind
from fleet.grouping import Found
from fleet.lifecycle import ALERTS_PAUSED
from storage import batch
from storage.alert_devices import place
from storage.db import AnyRow
from storage.tables import SUPPRESSED, alert_devices, devices


async def suppress(session: AsyncSession, kind: AlertKind, found: Sequence[Found], now: datetime) -> None:
    """These devices are in maintenance or suspended: keep what would have been told of them, for when that ends."""
    await place(session, kind, [(None, each) for each in found], now)


async def over(session: AsyncSession, limit: int) -> Sequence[AnyRow]:
    """What was suppressed of devices that are not in maintenance or suspended any more, the earliest of each first.

    Columns: id, device_id, kind, severity, line, joined_at, left_at (None: the cause lasts).
    """
    kept = alert_devices.c
    statement = (
        select(kept.id, kept.device_id, kept.kind, kept.severity, kept.line, kept.joined_at, kept.left_at)
        .join(devices, devices.c.device_id == kept.device_id)
        .where(text(SUPPRESSED), devices.c.status.not_in(ALERTS_PAUSED))
        .order_by(kept.device_id, kept.joined_at)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def told(session: AsyncSession, places: Sequence[str], now: datetime) -> set[str]:
    """People are told of these: a cause that lasts is found anew. Returns those that nobody else has told."""
    given = batch.texts(session)
    left_at = func.coalesce(alert_devices.c.left_at, batch.moment(now))
    statement = (
        update(alert_devices)
        .where(alert_devices.c.id == given.c.value, batch.and_not_guessed(text(SUPPRESSED)))
        .values(summarised_at=now, left_at=left_at)
        .returning(alert_devices.c.id)
    )
    return set(await session.scalars(statement, {"given": batch.dump(places)}))
