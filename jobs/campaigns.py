"""Campaigns under way: each open one is looked at again and again, and brought one step further.

A look is one transaction: what came of the devices is read from what was asked of them, the rule says what follows
(`fleet.campaign_step.next_step`), and that is written. So a process that dies costs nothing, and replicas take turns.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.approval import ApprovalState
from fleet.campaign import MOVES, CampaignStatus, TargetState
from fleet.campaign_step import Dispatch, Finish, GiveUpParked, Pause, Soak, StartWave, Step, Stop, Wait, next_step
from fleet.campaign_turn import Again, overdue
from fleet.errors import Refused
from fleet.roles import MUSTER
from fleet.rollout import frozen
from jobs import campaign_turns
from jobs.campaign_kinds import AT_END
from jobs.campaign_spec import Asked
from jobs.spec import Run, job
from storage import (
    audit,
    campaign_devices,
    campaign_holds,
    campaign_news,
    campaign_outcomes,
    campaign_plan,
    campaigns,
    fences,
)
from storage.db import CLOCK
from storage.tables import Approval, Campaign, Fence

log = structlog.get_logger(__name__)

_BATCH = 1000
_SENDING = (CampaignStatus.RUNNING, CampaignStatus.SOAKING)
_AT_WORK = (*_SENDING, CampaignStatus.PAUSED, CampaignStatus.STOPPING)


@job("campaigns", every=timedelta(seconds=15), woken_by=("campaigns", "approvals"))
async def advance(run: Run) -> datetime | None:
    """Bring every open campaign as far as its devices, its gates and the time allow."""
    async with run.db.read() as session:
        waiting = await campaigns.open_ones(session)
    looks: list[datetime | None] = []
    for each in waiting:
        if each.status in (CampaignStatus.PLANNED, CampaignStatus.SCHEDULED) and each.due_at and each.due_at > run.now:
            looks.append(each.due_at)
            continue
        try:
            async with run.db.begin(CLOCK) as session:
                row = await campaigns.take(session, each.id)
                looks.append(await _look(run, session, row) if row and row.ended_at is None else None)
        except (Refused, IntegrityError) as moved:  # by a person or a replica, in this very moment; the others go on
            log.info("a campaign is looked at again later", campaign=each.id, why=str(moved))
    return min((look for look in looks if look), default=None)


async def _look(run: Run, session: AsyncSession, row: Campaign) -> datetime | None:
    """One step of one campaign. Returns when to look again if nothing happens before."""
    if row.status is CampaignStatus.WAITING:
        return await _asked_for(run, session, row)
    fence = await fences.standing(session)
    held = fence is not None and await _held(run, session, row, fence)
    moved = await _outcomes(run, session, row, stopped=fence is not None) if row.status in _AT_WORK else 0
    counts = await campaign_devices.counts(session, row)
    freeze = frozen(run.settings.campaigns.freezes, run.now)
    step = next_step(row, counts, run.now, campaigns.rollout_of(row), freeze.until if freeze else None)
    if isinstance(step, Dispatch):
        turns = await campaign_turns.take(run, session, row, step.devices)
        moved += turns.moved
        look = run.now if turns.moved else turns.again_at
    else:
        look = await _do(run, session, row, step)
    at_once = held or not isinstance(step, Dispatch | Wait)
    at_once |= await _waits(run, session, row)
    told = await campaign_news.tell(session, row, run.now, run.settings, changed=held or bool(moved), at_once=at_once)
    due = await campaign_outcomes.next_due(session, row) if row.status in _AT_WORK and not fence else None
    tail = row.tail_at if counts.parked and row.status in _SENDING else None
    return min((each for each in (look, told, due, tail) if each), default=None)


async def _waits(run: Run, session: AsyncSession, row: Campaign) -> bool:
    """Note until when a freeze or its window holds it. True if that has changed: then its message says so at once."""
    holds = await campaign_holds.of(session, row, run.now, run.settings)
    if holds.until == row.held_until:
        return False
    await campaigns.change(session, row, held_until=holds.until)
    return True


async def _outcomes(run: Run, session: AsyncSession, row: Campaign, stopped: bool) -> int:
    """What came of its devices since the last look. While everything is stopped, nobody's time runs out."""
    moved = await campaign_outcomes.follow(session, row, run.now, campaigns.rollout_of(row).verify_within)
    if not stopped:
        moved += await _overdue(run, session, row)
    if row.status in _SENDING and (row.tail_at or run.now) <= run.now:
        moved += await campaign_outcomes.look_at_parked(session, row, run.now)
        await campaigns.change(session, row, tail_at=run.now + run.settings.campaigns.look_every)
    return moved


async def _do(run: Run, session: AsyncSession, row: Campaign, step: Step) -> datetime | None:
    """Write a step, but for sending. Returns when to look again: at once after a change."""
    by, now = MUSTER.id, run.now
    match step:
        case Wait(until=until):
            return until
        case StartWave(number=number):
            began: dict[str, object] = {"wave": number, "wave_at": now, "due_at": None, "forgiven": 0}
            began |= {"forgiven_failed": 0, "why": ""}
            if number == 1:
                began |= {"started_at": now, "tail_until": now + campaigns.rollout_of(row).tail}
            await campaigns.move(session, row, CampaignStatus.RUNNING, by, now, **began)
            await audit.add(session, now, by, "campaign.wave", row.id, {"wave": number})
        case Soak(until=until):
            await campaigns.move(session, row, CampaignStatus.SOAKING, by, now, due_at=until)
        case Pause(why=why):
            await campaign_devices.pause(session, row, by, why, now, run.settings.campaigns)
            await audit.add(session, now, by, "campaign.paused", row.id, {"why": why})
            await campaign_news.call(session, row, now, run.settings)
            log.warning("a campaign was paused by its gate", campaign=row.id, why=why)
        case Stop(why=why):
            await campaigns.move(session, row, CampaignStatus.STOPPING, by, now, due_at=None, why=why)
            await campaign_devices.withdraw(session, row, now)
            await audit.add(session, now, by, "campaign.aborted", row.id, {"why": why})
        case GiveUpParked():
            await campaign_devices.give_up_parked(session, row, now)
        case Finish(status=status):
            if status is CampaignStatus.ABORTED:
                await campaign_devices.cancel_rest(session, row, now)
            who = row.changed_by if status is CampaignStatus.ABORTED else by  # whoever aborted it stays named
            await campaigns.move(session, row, status, who, now, ended_at=now, due_at=None)
            if ended := AT_END.get(row.kind):
                await ended(Asked(session, row, now, run.settings))
            await audit.add(session, now, by, "campaign.ended", row.id, {"status": status.value})
            log.info("a campaign ended", campaign=row.id, status=status.value)
    return now


async def _asked_for(run: Run, session: AsyncSession, row: Campaign) -> datetime | None:
    """It waits for approval; what became of that?"""
    approval = await session.get(Approval, row.approval_id)
    over = {
        ApprovalState.REJECTED: CampaignStatus.REJECTED,
        ApprovalState.EXPIRED: CampaignStatus.EXPIRED,
        ApprovalState.CANCELLED: CampaignStatus.EXPIRED,
        ApprovalState.FAILED: CampaignStatus.FAILED,
    }
    if approval is None or approval.state not in over:
        return row.due_at
    why = approval.reason or approval.error
    to = over[approval.state]
    await campaigns.move(session, row, to, approval.ended_by or MUSTER.id, run.now, ended_at=run.now, why=why)
    return None


async def _overdue(run: Run, session: AsyncSession, row: Campaign) -> int:
    """Devices whose time to answer, or to prove it, is over."""
    rollout, settled, again, later = campaigns.rollout_of(row), [], [], []
    found = await campaign_outcomes.overdue(session, row, run.now, _BATCH)
    for each in found:
        if each.unsent:
            later.append(each.device_id)
            continue
        if each.proven:
            settled.append({"device_id": each.device_id, "state": TargetState.SUCCEEDED.value, "why": ""})
            continue
        outcome = overdue(row.kind, each.state, each.tries, bool(each.heard_since), rollout)
        if isinstance(outcome, Again):
            again.append(each.device_id)
        else:
            settled.append({"device_id": each.device_id, "state": outcome.state.value, "why": outcome.why})
    await campaign_devices.settle(session, row, settled, run.now)
    await campaign_devices.plan_again(session, row, again, run.now)
    if later:
        await campaign_outcomes.put_off(session, row, later, run.now + rollout.answer_within)
    return len(settled) + len(again)


async def start(run: Run, session: AsyncSession, approval: Approval) -> None:
    """The approval of a campaign is complete: it begins, if its targets are those that were approved."""
    row = await campaigns.get(session, str(approval.params["campaign"]), lock=True)
    if await campaign_plan.digest(session, row.id) != approval.targets_sha256:
        raise Refused(f"The devices of campaign {row.id[-6:]} are not those that were approved. Plan it anew.")
    begins = max(row.start_at or run.now, run.now)
    by = approval.ended_by or approval.requested_by
    await campaigns.move(session, row, CampaignStatus.SCHEDULED, by, run.now, due_at=begins)
    await audit.add(session, run.now, by, "campaign.scheduled", row.id, {"at": begins.isoformat()})
    if fence := await fences.standing(session):
        await _held(run, session, row, fence)
    await campaign_news.open_message(session, row, run.now, run.settings)


async def _held(run: Run, session: AsyncSession, row: Campaign, fence: Fence) -> bool:
    """Pause what begins after a stop-all, or in its very moment, as that pauses what it finds: a person resumes it."""
    if CampaignStatus.PAUSED not in MOVES[row.status]:
        return False
    why = fences.why(fence)
    await campaign_devices.pause(session, row, fence.put_by, why, run.now, run.settings.campaigns)
    await audit.add(session, run.now, MUSTER.id, "campaign.paused", row.id, {"why": why})
    return True
