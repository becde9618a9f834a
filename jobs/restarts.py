"""Restarts: the command, what devices answer to commands, and a campaign's turn of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.operation import OperationKind, OperationState
from jobs.campaign_spec import Asked, Turn
from jobs.spec import Dispatch, Heard, Intake, Run
from link.publish import Outgoing
from link.topics import Order
from link.wire import CommandAck, CommandStatus, Restart
from storage import campaign_outcomes, ids, operations
from storage.db import AnyRow, wake


async def ask(asked: Asked, turns: Sequence[Turn]) -> Mapping[str, str | None]:
    """A restart each. It is only obeyed for a while: a device that comes back later must not restart then."""
    row, now = asked.campaign, asked.now
    made: dict[str, str | None] = {each.device_id: ids.new("op", now) for each in turns}
    await operations.add(
        asked.session,
        [
            {
                "id": made[each.device_id],
                "kind": OperationKind.RESTART,
                "device_id": each.device_id,
                "campaign_id": row.id,
                "params": {"reason": row.title},
                "requested_by": row.created_by,
                "created_at": now,
                "due_at": each.due_at,
                "expires_at": each.due_at + asked.settings.campaigns.restart_expires,
            }
            for each in turns
        ],
    )
    return made


async def _messages(run: Run, _session: AsyncSession, rows: Sequence[AnyRow]) -> dict[str, Outgoing]:
    order = Order.RESTART
    return {
        row.id: Outgoing(
            run.topics.of(row.device_id, order),
            Restart(
                operation_id=row.id,
                attempt=row.attempt,
                expires_at=row.expires_at,
                reason=str(row.params.get("reason", "")),
            ).encode(),
            retain=order.retained,
        )
        for row in rows
    }


async def _sent(_run: Run, session: AsyncSession, _rows: Sequence[AnyRow]) -> None:
    wake(session, "campaigns")  # the next one of the site may be timed now


DISPATCH = Dispatch(messages=_messages, sent=_sent)


async def answered(intake: Intake, said: Sequence[Heard]) -> None:
    """`accepted`, `done` or `rejected` to a command, in order; a late or second one changes nothing."""
    answers: dict[CommandStatus, list[dict[str, str | None]]] = {status: [] for status in CommandStatus}
    for each in said:
        if isinstance(each.said, CommandAck):
            answer = {"id": each.said.operation_id, "device_id": each.device_id, "error": each.said.error}
            answers[each.said.status].append(answer)
    session, now = intake.session, intake.now
    await operations.answer(session, answers[CommandStatus.DONE], OperationState.DONE, now)
    await operations.answer(session, answers[CommandStatus.REJECTED], OperationState.REJECTED, now)
    await campaign_outcomes.accepted(session, answers[CommandStatus.ACCEPTED], now)
