"""The course of a campaign: paused, resumed, ended."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call, Rest, command
from fleet.campaign import CampaignStatus
from fleet.campaign_message import buttons, stays
from fleet.campaign_step import tripped
from fleet.errors import Refused
from fleet.message import Message
from fleet.roles import MUSTER, Role, is_person
from storage import audit, campaign_devices, campaign_news, campaign_outcomes, campaigns, fences
from storage.tables import Campaign


@command("bulk pause", role=Role.OPERATOR, example="bulk pause 7QK2ZD")
async def pause(call: Call, campaign: str, why: Rest | None = None) -> Message:
    """Send nothing more for now. What is under way finishes; what has not left yet is taken back."""
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        refuse_unless(row, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.SOAKING, what="paused")
        await campaign_devices.pause(session, row, call.person.id, why or "", call.now, call.settings.campaigns)
        return await changed(session, call, row, "paused")


@command("bulk resume", role=Role.OPERATOR, example="bulk resume 7QK2ZD")
async def resume(call: Call, campaign: str) -> Message:
    """Go on. If its gate had stopped it, what failed so far is accepted, and counted anew from here.

    What failed while somebody had paused it is not: then its gate stops it, and says so.
    """
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        goes_on = await resume_unless_held(session, call, row)
        return await changed(session, call, row, "resumed" if goes_on else "held")


async def resume_unless_held(session: AsyncSession, call: Call, row: Campaign) -> bool:
    """False if its gate holds it: nobody accepts what failed unseen, while the pause was somebody's own."""
    refuse_unless(row, CampaignStatus.PAUSED, what="resumed")
    await fences.refuse(session, "resumed")
    if row.wave == 0:
        begins = max(row.start_at or call.now, call.now)
        await campaigns.move(session, row, CampaignStatus.SCHEDULED, call.person.id, call.now, due_at=begins, why="")
        return True
    counts = await campaign_devices.counts(session, row)
    accepted: dict[str, Any] = {}
    if why := tripped(row, counts, campaigns.rollout_of(row)):
        if is_person(row.changed_by):
            await campaigns.change(session, row, why=why, changed_by=MUSTER.id)
            await audit.add(session, call.now, MUSTER.id, "campaign.paused", row.id, {"why": why})
            await campaign_news.call(session, row, call.now, call.settings)
            return False
        accepted = {"forgiven": counts.tried, "forgiven_failed": counts.failed, "unproven_ok": row.wave}
    await campaigns.move(
        session, row, CampaignStatus.RUNNING, call.person.id, call.now, due_at=None, why="", **accepted
    )
    return True


@command("bulk abort", role=Role.OPERATOR, example="bulk abort 7QK2ZD")
async def abort(call: Call, campaign: str, why: Rest | None = None) -> Message:
    """End it. What is under way finishes, what devices have taken stays, and the others are left as they are.

    A configuration that is the target of a device already stays so: the sweep goes on pushing it, and it is said to how
    many devices.
    """
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        by, now = call.person.id, call.now
        if row.status is CampaignStatus.PLANNED:
            await campaigns.move(session, row, CampaignStatus.EXPIRED, by, now, ended_at=now, why=why or "")
            return await changed(session, call, row, "discarded")
        if row.status is CampaignStatus.WAITING:
            raise Refused(
                f"Campaign {row.id[-6:]} waits for approval. Whoever asked takes it back with "
                f"/fleet approve cancel {(row.approval_id or '')[-6:]}, and approvers may reject it."
            )
        begun = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.SOAKING, CampaignStatus.PAUSED)
        refuse_unless(row, *begun, what="aborted")
        await campaigns.move(session, row, CampaignStatus.STOPPING, by, now, due_at=None, why=why or "")
        await campaign_devices.withdraw(session, row, now)
        await campaign_devices.cancel_rest(session, row, now)
        return await changed(session, call, row, "aborted")


def refuse_unless(row: Campaign, *legal: CampaignStatus, what: str) -> None:
    if row.status not in legal:
        who = f" (last changed by <@{row.changed_by}>)" if is_person(row.changed_by) else ""
        raise Refused(
            f"Campaign {row.id[-6:]} is {row.status}{who}, so it cannot be {what}. See it with "
            f"/fleet bulk show {row.id[-6:]}."
        )


async def changed(session: AsyncSession, call: Call, row: Campaign, what: str, **to: Any) -> Message:
    """What was done, for the person, the audit and everybody who looks at the live message.

    `to`: how many `devices`, `which` somebody had chosen, and how many are `left` to be asked.
    """
    told = {"devices": 0, "which": "", "left": None, "why": row.why, "status": row.status.value, **to}
    await audit.add(session, call.now, call.person.id, f"campaign.{what}", row.id, told)
    await campaign_news.tell(session, row, call.now, call.settings, changed=True, at_once=True)
    if what in ("paused", "resumed", "retried", "excluded"):  # who aborts it, the message itself says for good
        await campaign_news.changed(session, row, call.now, call.settings)
    counts = await campaign_devices.counts(session, row)
    data = {
        "campaign_id": row.id,
        "title": row.title,
        "what": what,
        "status": row.status.value,
        "under_way": counts.under_way,
        "stays": stays(row.kind, bool(row.params.get("downgrade_on_abort"))),
        "left_to_the_sweep": await campaign_outcomes.left_to_the_sweep(session, row) if what == "aborted" else 0,
        "no_way_back": await campaign_news.no_way_back(session, row) if what == "aborted" else None,
        "count": told["devices"],
        "which": told["which"],
        "left": told["left"],
        "why": row.why,
    }
    return Message(template="bulk/changed", data=data, buttons=buttons(row.status, row.id, ())[-1:])
