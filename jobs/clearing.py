"""What the broker keeps for a device that is gone is cleared: an empty retained message on each of its topics."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.operation import OperationState
from jobs.spec import Dispatch, Run
from link.publish import Outgoing
from link.topics import Order
from storage import operations
from storage.db import AnyRow


async def _messages(run: Run, _session: AsyncSession, rows: Sequence[AnyRow]) -> dict[str, Outgoing]:
    return {
        row.id: Outgoing(run.topics.of(row.device_id, Order(row.params["topic"])), b"", retain=True) for row in rows
    }


async def _sent(run: Run, session: AsyncSession, rows: Sequence[AnyRow]) -> None:
    """The broker confirmed, and nobody else is to answer."""
    await operations.close(session, [row.id for row in rows], OperationState.DONE, run.now)


DISPATCH = Dispatch(messages=_messages, sent=_sent)
