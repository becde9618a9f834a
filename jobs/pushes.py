"""Configurations on their way to devices."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.roles import MUSTER
from jobs.spec import Dispatch, Run
from link.publish import Outgoing
from link.topics import Order
from link.wire import ConfigDesired
from storage import audit, configs, drift_rounds
from storage.db import AnyRow
from storage.tables import ConfigVersion


async def _messages(run: Run, session: AsyncSession, rows: Sequence[AnyRow]) -> dict[str, Outgoing]:
    bodies = await configs.bodies(session, {row.version for row in rows})
    return {row.id: _message(run, row, bodies[row.version]) for row in rows}


def _message(run: Run, row: AnyRow, config: ConfigVersion) -> Outgoing:
    payload = ConfigDesired(
        version=row.version,
        sha256=config.sha256,
        config=config.body,
        operation_id=row.id,
        attempt=row.attempt,
        issued_at=run.now,
    )
    order = Order.CONFIG_DESIRED
    return Outgoing(run.topics.of(row.device_id, order), payload.encode(), retain=order.retained)


async def _sent(run: Run, session: AsyncSession, rows: Sequence[AnyRow]) -> None:
    await drift_rounds.pushed(session, [row.id for row in rows], run.now + run.settings.drift.ack_timeout)
    pushed = {"devices": [row.device_id for row in rows], "versions": sorted({row.version for row in rows})}
    await audit.add(session, run.now, MUSTER.id, "config.pushed", f"{len(rows)} devices", pushed)


DISPATCH = Dispatch(messages=_messages, sent=_sent)
