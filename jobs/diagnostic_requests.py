"""Questions to devices on their way: what is asked, when its time begins, and when it was never sent."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import diagnostic_message
from fleet.operation import OperationKind
from jobs.spec import Dispatch, Run
from link.publish import Outgoing
from link.topics import Order
from link.wire import DiagnosticsRequest
from storage import diagnostics, fences, outbox
from storage.db import AnyRow

log = structlog.get_logger(__name__)

_ORDERS = {
    OperationKind.PING: Order.PING_REQUEST,
    OperationKind.METRICS: Order.METRICS_REQUEST,
    OperationKind.LOGS: Order.LOG_REQUEST,
}


async def _messages(run: Run, _session: AsyncSession, rows: Sequence[AnyRow]) -> dict[str, Outgoing]:
    return {row.id: _message(run, row) for row in rows}


def _message(run: Run, row: AnyRow) -> Outgoing:
    order = _ORDERS[row.kind]
    params = {"sent_at": run.now.isoformat()} if row.kind is OperationKind.PING else row.params
    payload = DiagnosticsRequest(
        request_id=row.id,
        operation=order.value.rpartition("/")[2],
        params=params,
        requested_by=row.requested_by,
        expires_at=row.expires_at,
    )
    return Outgoing(run.topics.of(row.device_id, order), payload.encode(), timed=row.id)


async def _sent(run: Run, session: AsyncSession, rows: Sequence[AnyRow]) -> None:
    due_at = run.now + run.settings.diagnostics.chunk_timeout
    await diagnostics.sent(session, [row.id for row in rows], run.now, due_at)


async def _expired(run: Run, session: AsyncSession, rows: Sequence[AnyRow]) -> None:
    unsent = await diagnostics.expired(session, [row.id for row in rows])
    told = [row for row in unsent if row.fan_out_id is None]
    stopped = await fences.told(session, run.now)
    messages = {
        diagnostics.message_key(row.id): diagnostic_message.of(row._asdict(), run.now).knowing(stopped) for row in told
    }
    await outbox.revise(session, messages, run.now)
    log.warning("questions could not be sent in time", requests=len(unsent))


DISPATCH = Dispatch(messages=_messages, sent=_sent, expired=_expired)
