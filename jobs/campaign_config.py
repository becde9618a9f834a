"""A configuration pushed to many devices: the target is set in the transaction that queues the push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.operation import OperationKind
from fleet.roles import MUSTER
from jobs.campaign_spec import Asked, Turn
from storage import audit, devices, ids, operations


async def ask(asked: Asked, turns: Sequence[Turn]) -> Mapping[str, str | None]:
    session, row, now = asked.session, asked.campaign, asked.now
    version, chosen = str(row.params["version"]), [each.device_id for each in turns]
    # A push of the former target must not overtake this one: the last retained message wins.
    await operations.cancel_open(session, chosen, OperationKind.CONFIG, now)
    await devices.set_target(session, chosen, version, now)
    made: dict[str, str | None] = {each.device_id: ids.new("op", now) for each in turns}
    await operations.add(
        session,
        [
            {
                "id": made[each.device_id],
                "kind": OperationKind.CONFIG,
                "device_id": each.device_id,
                "version": version,
                "campaign_id": row.id,
                "requested_by": row.created_by,
                "created_at": now,
                "due_at": each.due_at,
            }
            for each in turns
        ],
    )
    assigned = {"devices": chosen, "version": version}
    await audit.add(session, now, MUSTER.id, "config.assigned", row.id, assigned)
    return made
