"""Requests for approval as rows, and what Slack shows of them: both always move together.

    ask ──> decide, cancel, break_glass ──> `storage.approval_clock` lets them expire, and starts them

Whoever decides locks the row first, so of two at once the second sees what the first has done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, TextClause, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import approval as rule
from fleet import approval_message, approval_policy
from fleet.approval import ApprovalState, Decision, Denied, Recorded, Verdict
from fleet.errors import BadInput, NotFound, Refused
from fleet.message import Message
from fleet.plan import Plan
from fleet.roles import Person, is_person
from fleet.rollout import Rollout, rules
from fleet.settings import Settings
from storage import audit, fences, ids, named, outbox
from storage.db import wake
from storage.tables import Approval, ApprovalDecision, approval_decisions, approvals

_SHOWN_DEVICES = 10


def message_key(approval_id: str) -> str:
    """The outbox key of a request's message."""
    return f"approval:{approval_id}"


async def ask(
    session: AsyncSession,
    plan: Plan,
    by: str,
    now: datetime,
    settings: Settings,
    *,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> Approval:
    """Ask for a plan to be done: at once where the policy wants nobody's approval, else in the ops channel.

    `told`: what whoever decides should know beside the plan (`storage.tables.Approval`). Returns it as `pending` or
    `approved`; `jobs.approvals` starts what is approved. Raises Refused while the very same is waiting already.
    """
    await _refuse_twice(session, plan, now)
    policy = approval_policy.policy(plan, settings.approvals)
    waits = policy.approvals > 0
    approval = Approval(
        id=ids.new("ap", now),
        **_columns(plan),
        needed=policy.approvals,
        role=policy.role,
        type_count=policy.type_count,
        state=ApprovalState.PENDING if waits else ApprovalState.APPROVED,
        requested_by=by,
        requested_at=now,
        expires_at=now + policy.valid_for,
        due_at=approval_policy.first_look(policy, settings.approvals.remind_before, now) if waits else now,
        told=dict(told),
    )
    session.add(approval)
    await session.flush()
    if waits:
        said = {message_key(approval.id): _message(approval, [], settings)}
        await outbox.put(session, said, settings.slack.ops_channel, now, outbox.ESCALATION)
    asked = {"operation": plan.operation, "title": plan.title, "params": dict(plan.params), "count": plan.count}
    asked |= {"devices": list(plan.device_ids), "needed": policy.approvals, "plan_sha256": plan.sha256}
    await audit.add(session, now, by, "approval.asked", approval.id, asked, approval.device_ids)
    wake(session, "approvals")
    return approval


async def _refuse_twice(session: AsyncSession, plan: Plan, now: datetime) -> None:
    same = select(approvals.c.id).where(*undecided(now), approvals.c.plan_sha256 == plan.sha256).limit(1)
    if (found := await session.scalar(same)) is not None:
        raise Refused(f"The same was asked for already, and waits: /fleet approve show {found[-6:]}.")


def undecided(now: datetime) -> tuple[ColumnElement[bool] | TextClause, ...]:
    """The conditions of a request that can still be decided about, as the partial index has them."""
    return text("approvals.state = 'pending'"), approvals.c.due_at.is_not(None), approvals.c.expires_at > now


def _columns(plan: Plan) -> dict[str, Any]:
    return {
        "operation": plan.operation,
        "title": plan.title,
        "params": dict(plan.params),
        "device_ids": list(plan.device_ids),
        "count": plan.count,
        "sites": list(plan.sites),
        "targets_sha256": plan.targets_sha256,
        "plan_sha256": plan.sha256,
    }


async def get(session: AsyncSession, name: str, *, lock: bool = False) -> Approval:
    """One request by its id or its ending (4 characters or more). Raises NotFound, or BadInput if several end so.

    With `lock` nobody else moves it, or decides about it, until the transaction ends.
    """
    if found := await named.find(session, Approval, name, "requests", "/fleet approve list", lock=lock):
        return found
    raise NotFound(f"There is no request called {name}. Those that wait are in /fleet approve list.")


async def pending(session: AsyncSession, now: datetime, limit: int) -> tuple[Sequence[Approval], int]:
    """What waits for approvals, the most urgent first, and how much there is of it."""
    waits = undecided(now)
    found = await session.scalars(select(Approval).where(*waits).order_by(approvals.c.expires_at).limit(limit))
    return found.all(), await session.scalar(select(func.count()).select_from(approvals).where(*waits)) or 0


async def decisions(session: AsyncSession, approval_id: str) -> Sequence[ApprovalDecision]:
    """What people said about one request, in order."""
    return (await decisions_of(session, [approval_id]))[approval_id]


async def decisions_of(session: AsyncSession, approval_ids: Sequence[str]) -> Mapping[str, Sequence[ApprovalDecision]]:
    """What people said about each of these requests, in order."""
    statement = (
        select(ApprovalDecision)
        .where(approval_decisions.c.approval_id.in_(approval_ids))
        .order_by(approval_decisions.c.at, approval_decisions.c.person)
    )
    by_request: dict[str, list[ApprovalDecision]] = {each: [] for each in approval_ids}
    for decision in await session.scalars(statement):
        by_request[decision.approval_id].append(decision)
    return by_request


async def decide(
    session: AsyncSession, name: str, decision: Decision, person: Person, now: datetime, settings: Settings
) -> Approval:
    """Record what somebody says. Raises NotFound, Refused or BadInput if it does not count, with the reason."""
    approval = await get(session, name, lock=True)
    said = await decisions(session, approval.id)
    decided = {each.person: each.verdict for each in said}
    recorded = _counts(rule.decide(approval.request, decided, decision, person, now))
    row = {"approval_id": approval.id, "person": person.id, "verdict": decision.verdict, "at": now}
    await session.execute(insert(approval_decisions), [{**row, "reason": decision.reason}])
    if recorded.state is not ApprovalState.PENDING:
        _end(approval, recorded.state, person.id, decision.reason, now)
    action = "approval.approved" if decision.verdict is Verdict.APPROVE else "approval.rejected"
    told = {"title": approval.title, "reason": decision.reason}
    await audit.add(session, now, person.id, action, approval.id, told, approval.device_ids)
    await moved(session, approval, now, settings)
    return approval


async def cancel(session: AsyncSession, name: str, person: Person, now: datetime, settings: Settings) -> Approval:
    """The requester takes it back. Raises NotFound, or Refused with the reason."""
    approval = await get(session, name, lock=True)
    recorded = _counts(rule.cancel(approval.request, person, now))
    _end(approval, recorded.state, person.id, "", now)
    told = {"title": approval.title}
    await audit.add(session, now, person.id, "approval.cancelled", approval.id, told, approval.device_ids)
    await moved(session, approval, now, settings)
    return approval


async def break_glass(
    session: AsyncSession, name: str, reason: str, person: Person, now: datetime, settings: Settings
) -> Approval:
    """An admin approves alone, for everybody to see. Raises NotFound, Refused or BadInput."""
    approval = await get(session, name, lock=True)
    recorded = _counts(rule.break_glass(approval.request, reason, person, now))
    _end(approval, recorded.state, person.id, reason, now)
    approval.glass_broken = True
    told = {"title": approval.title, "reason": reason}
    await audit.add(session, now, person.id, "approval.glass_broken", approval.id, told, approval.device_ids)
    loud = Message(
        template="approve/glass",
        data={"title": approval.title, "by": person.id, "reason": reason, "approval_id": approval.id},
    )
    said = {f"{message_key(approval.id)}:glass": loud}
    await outbox.put(session, said, settings.slack.ops_channel, now, outbox.ESCALATION)
    await moved(session, approval, now, settings)
    return approval


def _counts(outcome: Recorded | Denied) -> Recorded:
    if isinstance(outcome, Recorded):
        return outcome
    raise BadInput(outcome.why, field=outcome.field) if outcome.field else Refused(outcome.why)


def _end(approval: Approval, state: ApprovalState, by: str, reason: str, now: datetime) -> None:
    """Move a locked row. What is approved is due to be started; nothing follows the other ends."""
    approval.state = state
    approval.ended_by, approval.ended_at, approval.reason = by, now, reason
    approval.due_at = now if state is ApprovalState.APPROVED else None


async def moved(session: AsyncSession, approval: Approval, now: datetime, settings: Settings) -> None:
    """Let Slack follow: the message is edited, the requester is told how it ended, and the next job is woken."""
    await session.flush()
    said = _message(approval, await decisions(session, approval.id), settings)
    await outbox.revise(session, {message_key(approval.id): said}, now)
    if _is_told(approval):
        ended = Message(template="approve/outcome", data=said.data).knowing(await fences.told(session, now))
        outcome = {f"{message_key(approval.id)}:outcome": ended}
        await outbox.put(session, outcome, approval.requested_by, now, outbox.ESCALATION)
    wake(session, "approvals")


async def remind(session: AsyncSession, approval: Approval, now: datetime, settings: Settings) -> None:
    """Call the approvers once more, in the thread of the request."""
    said = _message(approval, await decisions(session, approval.id), settings)
    key = message_key(approval.id)
    note = {f"{key}:reminder": Message(template="approve/reminder", data=said.data)}
    await outbox.put(session, note, settings.slack.ops_channel, now, outbox.ESCALATION, thread_key=key)


def _is_told(approval: Approval) -> bool:
    """True if the requester, a person, learns of this state; what nobody had to approve is told when it fails."""
    if not is_person(approval.requested_by):
        return False
    if approval.state is ApprovalState.FAILED:
        return True
    ended = approval.state in (ApprovalState.REJECTED, ApprovalState.EXPIRED, ApprovalState.STARTED)
    return ended and approval.needed > 0


def shown(approval: Approval, said: Sequence[ApprovalDecision], settings: Settings) -> dict[str, Any]:
    """A request as templates know it. A campaign's has `rules`, its gates among them, and `campaign_id`."""
    rollout, since = approval.params.get("rollout"), approval.ended_at or approval.requested_at
    return {
        **approval_message.schedule(approval.params, since, settings.campaigns.freezes),
        "selector": str(approval.params.get("selector") or ""),
        "online": approval.told.get("online"),
        "takes_s": approval.told.get("takes_s"),
        "campaign_id": str(approval.params.get("campaign") or ""),
        "rules": rules(Rollout.model_validate(rollout)) if rollout else [],
        "approval_id": approval.id,
        "state": approval.state.value,
        "operation": approval.operation,
        "title": approval.title,
        "why": str(approval.params.get("why") or ""),
        "count": approval.count,
        "sites": approval.sites,
        "devices": approval.device_ids[:_SHOWN_DEVICES],
        "needed": approval.needed,
        "role": approval.role.value,
        "type_count": approval.type_count,
        "requested_by": approval.requested_by,
        "requested_at": approval.requested_at,
        "expires_at": approval.expires_at,
        "approved_by": [each.person for each in said if each.verdict is Verdict.APPROVE],
        "glass_broken": approval.glass_broken,
        "ended_by": approval.ended_by,
        "ended_at": approval.ended_at,
        "reason": approval.reason,
        "error": approval.error,
    }


def _message(approval: Approval, said: Sequence[ApprovalDecision], settings: Settings) -> Message:
    groups, users = approval_policy.may_decide(settings.roles, approval.role)
    data = {**shown(approval, said, settings), "may_approve": [*groups, *users]}
    return approval_message.message(approval.state, data)
