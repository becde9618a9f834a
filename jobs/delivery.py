"""The one path to a device: whatever is asked of one is an operation, and only this sends operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from jobs.spec import Run, job
from link.publish import Outgoing
from link.topics import Order
from link.wire import ConfigDesired
from storage import audit, configs, drift, operations
from storage.db import CLOCK, AnyRow
from storage.tables import ConfigVersion

log = structlog.get_logger(__name__)

_BATCH = 500
_BROKER_AWAY = timedelta(seconds=2)


@job("delivery", every=timedelta(seconds=30), woken_by=("operations",))
async def send(run: Run) -> datetime | None:
    """Send what is queued for devices."""
    if not run.publish.connected:
        return run.now + _BROKER_AWAY
    until = run.now + run.settings.database.claim_for
    async with run.db.begin(CLOCK) as session:
        claimed = await operations.claim(session, run.now, run.replica, until, _BATCH)
        bodies = await configs.bodies(session, {row.version for row in claimed}) if claimed else {}
    if claimed:
        await _send(run, claimed, bodies)
    async with run.db.read() as session:
        return await operations.next_due(session)


async def _send(run: Run, claimed: Sequence[AnyRow], bodies: Mapping[str, ConfigVersion]) -> None:
    outcomes = await run.publish.publish_many([_message(run, row, bodies[row.version]) for row in claimed])
    sent = [row for row, outcome in zip(claimed, outcomes, strict=True) if outcome.sent]
    unsent = [row.id for row, outcome in zip(claimed, outcomes, strict=True) if not outcome.sent]
    async with run.db.begin(CLOCK) as session:
        if sent:
            await operations.sent(session, [{"id": row.id, "attempt": row.attempt} for row in sent], run.now)
            await drift.pushed(session, [row.id for row in sent], run.now + run.settings.drift.ack_timeout)
            pushed = {"devices": [row.device_id for row in sent], "versions": sorted({row.version for row in sent})}
            await audit.add(session, run.now, "muster", "config.pushed", f"{len(sent)} devices", pushed)
        if unsent:
            await operations.release(session, unsent, run.replica, run.now + _BROKER_AWAY)
    if unsent:
        why = next(outcome.reason for outcome in outcomes if not outcome.sent)
        log.warning("not everything could be sent, tried again soon", unsent=len(unsent), sent=len(sent), why=why)


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
