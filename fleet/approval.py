"""Four eyes: what is asked for is a frozen plan, and it starts when as many people as the policy wants have approved.

    asked ──> pending ── quorum, break-glass ──> approved ── taken up ──> started
      │          ├── the first rejection ──> rejected  └── refused by a rule ──> failed
      │          ├── its time ran out ─────> expired
      │          └── the requester ────────> cancelled
      └── the policy wants nobody ──> approved

Nobody decides about their own request, nobody twice, and nothing that has ended begins again.
What a plan is: fleet/plan.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fleet.plan import Plan
from fleet.roles import Person, Role, is_person

START_WITHIN = timedelta(hours=1)
"""What is approved starts at once, or so long after its expiry at most: nobody expects it days later."""


class ApprovalState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    STARTED = "started"
    FAILED = "failed"


MOVES: dict[ApprovalState, frozenset[ApprovalState]] = {
    ApprovalState.PENDING: frozenset(
        {ApprovalState.APPROVED, ApprovalState.REJECTED, ApprovalState.EXPIRED, ApprovalState.CANCELLED}
    ),
    ApprovalState.APPROVED: frozenset({ApprovalState.STARTED, ApprovalState.FAILED}),
    ApprovalState.REJECTED: frozenset(),
    ApprovalState.EXPIRED: frozenset(),
    ApprovalState.CANCELLED: frozenset(),
    ApprovalState.STARTED: frozenset(),
    ApprovalState.FAILED: frozenset(),
}


def sources(of: ApprovalState) -> tuple[ApprovalState, ...]:
    """The states from which `of` can be reached: the condition of every compare-and-set."""
    return tuple(state for state, reached in MOVES.items() if of in reached)


class Verdict(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


# ---- decisions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, as far as a decision about it needs to know. `ended_by` and `reason` tell how it ended.

    `campaign`: its id, if it is about one.
    """

    state: ApprovalState
    requested_by: str
    needed: int
    role: Role
    expires_at: datetime
    count: int
    type_count: bool
    ended_by: str = ""
    reason: str = ""
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody wants to say. `typed` is the device count as the approver typed it."""

    verdict: Verdict
    reason: str = ""
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """It counts, and this is the state of the request from now on."""

    state: ApprovalState


@dataclass(frozen=True, slots=True)
class Denied:
    """It does not count; `why` is a whole sentence for the person. `field`: the field of a form that it is about."""

    why: str
    field: str | None = None


def decide(
    request: Request, decided: Mapping[str, Verdict], decision: Decision, person: Person, now: datetime
) -> Recorded | Denied:
    """Whether somebody's decision counts; `decided` are those that do already, by person."""
    if why := _not_theirs(request, decided, person):
        return Denied(why)
    against = decision.verdict is Verdict.REJECT
    if why := over(request, now, against=against):
        return Denied(why)
    if against:
        if not decision.reason.strip():
            return Denied("A rejection needs a reason, so that the requester can do better.", "reason")
        return Recorded(ApprovalState.REJECTED)
    if request.type_count and decision.typed.strip().replace(",", "") != str(request.count):
        return Denied("That is not the number of devices in the plan, so nothing was recorded. Look again.", "count")
    approvals = 1 + sum(verdict is Verdict.APPROVE for verdict in decided.values())
    return Recorded(ApprovalState.APPROVED if approvals >= request.needed else ApprovalState.PENDING)


def _not_theirs(request: Request, decided: Mapping[str, Verdict], person: Person) -> str:
    if person.id == request.requested_by:
        return "You asked for this yourself, so others must decide. You can take it back with /fleet approve cancel."
    if not person.role.reaches(request.role):
        why = f" ({person.why})" if person.why else ""
        return f"Deciding about this needs the role {request.role}; yours is {person.role}{why}. Nothing was recorded."
    if person.id in decided:
        verdict = "approved" if decided[person.id] is Verdict.APPROVE else "rejected"
        return f"You have {verdict} this already; each person counts once."
    return ""


_TOO_LATE = "It has expired: nobody decided in time. Nothing was done; ask for it anew."


def over(request: Request, now: datetime, *, against: bool = False) -> str:
    """Why nothing can be decided any more, as a sentence; empty while it can. `against`: somebody wants it not done."""
    who = f"<@{request.ended_by}>" if is_person(request.ended_by) else "Muster"
    match request.state:
        case ApprovalState.PENDING:
            return _TOO_LATE if request.expires_at <= now else ""
        case ApprovalState.REJECTED:
            return f"{who} has rejected it already: {request.reason}"
        case ApprovalState.CANCELLED:
            return f"{who}, who asked for it, has taken it back."
        case ApprovalState.EXPIRED:
            return _TOO_LATE
        case ApprovalState.APPROVED | ApprovalState.STARTED if against:
            stop = f"; stop it with /fleet bulk abort {request.campaign[-6:]}" if request.campaign else ""
            return f"Too late: it was approved and has begun{stop}."
        case _:
            return "It has been approved already, so your decision was not needed."


def cancel(request: Request, person: Person, now: datetime) -> Recorded | Denied:
    """Taking a request back: whoever asked, while nobody has ended it."""
    if person.id != request.requested_by:
        return Denied(f"Only <@{request.requested_by}>, who asked for this, can take it back. You can reject it.")
    if why := over(request, now, against=True):
        return Denied(why)
    return Recorded(ApprovalState.CANCELLED)


def break_glass(request: Request, reason: str, person: Person, now: datetime) -> Recorded | Denied:
    """An emergency: one admin, who may be the requester, in the place of everybody else. A rejection still holds."""
    if not person.role.reaches(Role.ADMIN):
        why = f" ({person.why})" if person.why else ""
        return Denied(f"Breaking the glass needs the role admin; yours is {person.role}{why}. Nothing was recorded.")
    if why := over(request, now):
        return Denied(why)
    if not reason.strip():
        return Denied("Say why this cannot wait: it is posted for everybody and kept.", "reason")
    return Recorded(ApprovalState.APPROVED)


def cannot_start(plan: Plan, approved_sha256: str, expires_at: datetime, now: datetime) -> str:
    """Why an approved plan must not be started any more, as a sentence; empty if it may."""
    if plan.sha256 != approved_sha256:
        return "The plan is not the one that was asked for any more, so it was not started. Ask anew."
    if now > expires_at + START_WITHIN:
        return "It was approved, but could not be started before its time was over. Ask anew."
    return ""


# ---- the clock -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Remind:
    """Tell the approvers that it ends soon; look again at `next_at`."""

    next_at: datetime


@dataclass(frozen=True, slots=True)
class Expire:
    """Its time is over."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `next_at`."""

    next_at: datetime


def next_step(expires_at: datetime, reminded: bool, now: datetime) -> Remind | Expire | Wait:
    """What the clock does with a pending request that it looks at."""
    if expires_at <= now:
        return Expire()
    return Wait(expires_at) if reminded else Remind(expires_at)
