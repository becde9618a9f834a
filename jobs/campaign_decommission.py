"""A campaign's turn of devices that are decommissioned, each with its checklist.

Export of what is known about it, verified; alert rules that name it dealt with; then the move, which ends billing and
monitoring, revokes its certificate and clears what the broker keeps for it. A device whose export somebody else must
confirm waits for that: `storage.lifecycle` moves it then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.decommission import ExportState
from fleet.lifecycle import DeviceStatus
from jobs.campaign_spec import Asked, Turn
from storage import campaign_outcomes, decommissions, lifecycle, rules_naming


async def ask(asked: Asked, turns: Sequence[Turn]) -> Mapping[str, str | None]:
    session, row, now = asked.session, asked.campaign, asked.now
    chosen = [each.device_id for each in turns]
    match row.params["rules"]:
        case "remove":
            await rules_naming.remove(session, chosen, row.created_by, now)
        case "keep":  # a rule may have been written since the plan
            named = await rules_naming.named(session)
            chosen = [each for each in chosen if each not in named]
    moved = await lifecycle.move(
        session, chosen, DeviceStatus.DECOMMISSIONED, row.created_by, row.title, now, asked.settings
    )
    return dict.fromkeys((*moved.moved, *moved.waiting))


async def ended(asked: Asked) -> None:
    """Nobody looks after those any more that still wait for their export: they stay, whoever confirms it later."""
    session, row = asked.session, asked.campaign
    waiting = await campaign_outcomes.asked_in_vain(session, row)
    await decommissions.settle(session, waiting, ExportState.CANCELLED, row.changed_by, asked.now, why=row.title)
