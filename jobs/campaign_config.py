"""A configuration pushed to many devices: the target is set in the transaction that queues the push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.operation import OperationKind
from fleet.roles import MUSTER
from jobs.campaign_spec import Asked, Turn, queue
from storage import audit, devices


async def ask(asked: Asked, turns: Sequence[Turn]) -> Mapping[str, str | None]:
    """A push of the former target must not overtake this one: the last retained message wins."""
    session, now = asked.session, asked.now
    version, chosen = str(asked.campaign.params["version"]), [each.device_id for each in turns]
    made = await queue(asked, turns, OperationKind.CONFIG, version=version)
    await devices.set_target(session, chosen, version, now)
    assigned = {"devices": chosen, "version": version}
    await audit.add(session, now, MUSTER.id, "config.assigned", asked.campaign.id, assigned)
    return made
