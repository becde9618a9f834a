"""What was asked of devices before, and how others of their model are."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.diagnostics import DiagnosticKind
from storage import batch
from storage.db import AnyRow
from storage.diagnostics import COLUMNS
from storage.tables import diagnostics


async def of_device(session: AsyncSession, device_id: str, limit: int) -> Sequence[AnyRow]:
    """The newest requests of a device first, with the columns of `diagnostics.lock`."""
    statement = select(*COLUMNS).where(diagnostics.c.device_id == device_id)
    return (await session.execute(statement.order_by(diagnostics.c.created_at.desc()).limit(limit))).all()


async def round_trips(session: AsyncSession, device_ids: Sequence[str], limit: int) -> dict[str, list[float]]:
    """The round trips of the last pings of each device, in milliseconds, the newest first."""
    given = batch.texts(session)
    newest_first = func.row_number().over(
        partition_by=diagnostics.c.device_id, order_by=diagnostics.c.created_at.desc()
    )
    ranked = (
        select(diagnostics.c.device_id, diagnostics.c.rtt_ms, newest_first.label("rank"))
        .join(given, given.c.value == diagnostics.c.device_id)
        .where(diagnostics.c.kind == DiagnosticKind.PING, diagnostics.c.rtt_ms.is_not(None))
        .subquery()
    )
    statement = select(ranked.c.device_id, ranked.c.rtt_ms).where(ranked.c.rank <= limit).order_by(ranked.c.rank)
    found: dict[str, list[float]] = {each: [] for each in device_ids}
    for device_id, rtt_ms in await session.execute(statement, {"given": batch.dump(device_ids)}):
        found[device_id].append(rtt_ms)
    return found


async def metrics_of_model(session: AsyncSession, model: str, limit: int) -> dict[str, dict[str, float | None]]:
    """The newest metrics of up to `limit` answers of devices of a model, by device."""
    answered = text("diagnostics.kind = 'metrics' AND diagnostics.state = 'answered'")
    statement = (
        select(diagnostics.c.device_id, diagnostics.c.result)
        .where(answered, diagnostics.c.model == model)
        .order_by(diagnostics.c.answered_at.desc())
        .limit(limit)
    )
    found: dict[str, dict[str, float | None]] = {}
    for device_id, result in await session.execute(statement):
        found.setdefault(device_id, result)
    return found
