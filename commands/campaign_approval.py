"""Asking for approval of a planned campaign."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.approve import asked
from commands.campaign_draft import takes
from commands.spec import Call, command
from fleet.campaign import CampaignStatus
from fleet.errors import Refused
from fleet.message import Message
from fleet.plan import IDS_KEPT, Plan
from fleet.roles import Role
from storage import approvals, campaign_plan, campaign_waiting, campaigns, fences
from storage.campaign_plan import Moment
from storage.tables import Campaign

_STARTER_GRACE = timedelta(hours=1)


@command("bulk ask", role=Role.OPERATOR, example="bulk ask 7QK2ZD")
async def ask(call: Call, campaign: str) -> Message:
    """Ask for approval of a planned campaign, exactly as it was shown. What needs nobody's approval begins."""
    told = await _told(call, campaign)
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        if row.status is not CampaignStatus.PLANNED:
            raise Refused(f"Campaign {row.id[-6:]} is {row.status}: there is nothing to ask for. See /fleet bulk list.")
        if row.due_at and row.due_at <= call.now:
            raise Refused("This plan is too old: devices may have changed since. Plan it anew.")
        if not row.targets:
            raise Refused(f"Nobody is left in the plan of campaign {row.id[-6:]}. Discard it, or plan it anew.")
        await _refuse_twice(session, row)
        plan = await _plan(session, row)
        approval = await approvals.ask(session, plan, call.person.id, call.now, call.settings, told=told)
        ends = approval.expires_at + _STARTER_GRACE
        await campaigns.move(
            session, row, CampaignStatus.WAITING, call.person.id, call.now, approval_id=approval.id, due_at=ends
        )
        stopped = await fences.told(session, call.now)
    return asked(approval, call.settings).knowing(stopped)


async def _told(call: Call, campaign: str) -> dict[str, Any]:
    """How many of its devices are online, and how long it takes, as its preview says it now."""
    async with call.db.read() as session:
        row = await campaigns.get(session, campaign)
        seen = await campaign_plan.outlook(session, row, Moment(call.now, call.settings.drift.online_within))
    return {"online": seen.online, "takes_s": takes(row, seen).total_seconds()}


async def _refuse_twice(session: AsyncSession, row: Campaign) -> None:
    """Raises Refused while the very same waits: each campaign has an id of its own, so their digests differ."""
    if found := await campaign_waiting.same(session, row):
        raise Refused(
            f"The same was asked for already, and waits: /fleet approve show {(found.approval_id or '')[-6:]}. "
            "This plan can be discarded."
        )


async def _plan(session: AsyncSession, row: Campaign) -> Plan:
    few = row.targets <= IDS_KEPT
    return Plan(
        operation=row.kind.operation,
        title=row.title,
        params={
            **row.params,
            "campaign": row.id,
            "selector": row.selector,
            "rollout": row.rollout,
            "at": row.start_at.isoformat() if row.start_at else None,
        },
        device_ids=tuple(await campaign_plan.device_ids(session, row.id)) if few else (),
        count=row.targets,
        sites=tuple(await campaign_plan.sites(session, row.id)),
        targets_sha256=row.targets_sha256,
    )
