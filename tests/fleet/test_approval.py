"""The rules of four eyes, as tables, and that any order of decisions has one outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import approval
from fleet.approval import (
    MOVES,
    ApprovalState,
    Decision,
    Denied,
    Expire,
    Recorded,
    Remind,
    Request,
    Verdict,
    Wait,
    break_glass,
    cancel,
    decide,
    next_step,
)
from fleet.approval_policy import Policy, first_look, policy
from fleet.plan import IDS_KEPT, plan_for, targets_sha256
from fleet.roles import Person, Role
from fleet.settings import ApprovalRule, ApprovalSettings
from tests.conftest import NOW

ASKER = Person("U0ASKER", Role.ADMIN)
ANN, BOB = Person("U0ANN", Role.APPROVER), Person("U0BOB", Role.APPROVER)
OPERATOR = Person("U0OPS", Role.OPERATOR, "named in roles.operator.users")
YES, NO = Decision(Verdict.APPROVE), Decision(Verdict.REJECT, "not today")
ASKED = Request(ApprovalState.PENDING, ASKER.id, 2, Role.APPROVER, NOW + timedelta(hours=4), 1200, False)
BY_ANN = {ANN.id: Verdict.APPROVE}


def why(outcome: Recorded | Denied) -> str:
    assert isinstance(outcome, Denied), outcome
    return outcome.why


# ---- the plan


def test_a_plan_is_the_same_whatever_order_its_devices_came_in() -> None:
    one = plan_for("bulk.config", "Push", {"version": "2"}, ["b", "a", "b"], ["oslo", "oslo"])
    other = plan_for("bulk.config", "Push", {"version": "2"}, ["a", "b"], ["oslo"])
    assert (one.device_ids, one.count, one.sites) == (("a", "b"), 2, ("oslo",))
    assert one.sha256 == other.sha256


@pytest.mark.parametrize(
    "changed",
    [
        {"operation": "bulk.retag"},
        {"title": "Pull"},
        {"params": {"version": "3"}},
        {"device_ids": ("a",)},
        {"count": 3},
    ],
)
def test_whatever_is_changed_in_a_plan_changes_its_digest(changed: dict[str, object]) -> None:
    plan = plan_for("bulk.config", "Push", {"version": "2"}, ["a", "b"], ["oslo"])
    assert replace(plan, **changed).sha256 != plan.sha256  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "title"), [("device.move", "Move dev-1 to os*lo"), ("bulk.retag", "Rename the tag a*b to c")]
)
def test_no_asterisk_in_a_name_ends_the_bold_of_a_title(operation: str, title: str) -> None:
    assert plan_for(operation, title, {}, ["dev-1"], []).title == title.replace("*", "∗")


def test_a_plan_for_many_devices_keeps_their_digest_alone() -> None:
    ids = [f"dev-{number}" for number in range(IDS_KEPT + 1)]
    plan = plan_for("bulk.restart", "Restart", {}, ids, [])
    assert (plan.device_ids, plan.count) == ((), len(ids))
    assert plan.targets_sha256 == targets_sha256(ids[::-1])


# ---- the policy


def needs(operation: str, count: int, sites: tuple[str, ...] = ("oslo",), *rules: ApprovalRule) -> Policy:
    settings = ApprovalSettings(policies=rules) if rules else ApprovalSettings()
    plan = plan_for(operation, "", {}, [f"d{n}" for n in range(count)], sites)
    return policy(plan, settings)


@pytest.mark.parametrize(
    ("operation", "count", "approvals", "type_count"),
    [
        ("device.suspend", 1, 0, False),
        ("device.move", 1, 0, False),
        ("device.decommission", 1, 2, True),
        ("bulk.restart", 499, 1, False),
        ("bulk.restart", 500, 2, False),
        ("bulk.decommission", 3, 2, True),
        ("config.anything", 1, 1, False),
    ],
)
def test_the_policy_that_comes_with_muster(operation: str, count: int, approvals: int, type_count: bool) -> None:
    found = needs(operation, count)
    assert (found.approvals, found.role, found.type_count) == (approvals, Role.APPROVER, type_count)
    assert found.valid_for == timedelta(hours=4)


def test_a_lenient_site_does_not_open_the_others() -> None:
    rules = (
        ApprovalRule(operation="bulk.*", site="lab-*", approvals=0, valid_for=timedelta(hours=1)),
        ApprovalRule(operation="bulk.*", approvals=2, role=Role.ADMIN, type_count=True),
    )
    assert needs("bulk.restart", 5, ("lab-1", "lab-2"), *rules).approvals == 0
    both = needs("bulk.restart", 5, ("lab-1", "oslo"), *rules)
    assert both == Policy(approvals=2, role=Role.ADMIN, valid_for=timedelta(hours=1), type_count=True)
    assert needs("bulk.restart", 5, (), *rules).approvals == 2


def test_only_those_who_could_change_something_may_approve() -> None:
    with pytest.raises(ValueError, match="only operator, approver and admin may decide"):
        ApprovalRule(approvals=1, role=Role.VIEWER)


# ---- decisions


@pytest.mark.parametrize(
    ("request_", "decided", "decision", "person", "state"),
    [
        (ASKED, {}, YES, ANN, ApprovalState.PENDING),
        (ASKED, BY_ANN, YES, BOB, ApprovalState.APPROVED),
        (replace(ASKED, needed=1), {}, YES, ANN, ApprovalState.APPROVED),
        (ASKED, BY_ANN, NO, BOB, ApprovalState.REJECTED),
        (replace(ASKED, type_count=True), BY_ANN, Decision(Verdict.APPROVE, typed=" 1,200 "), BOB, "approved"),
        (replace(ASKED, type_count=True), BY_ANN, NO, BOB, ApprovalState.REJECTED),
        (replace(ASKED, role=Role.OPERATOR), {}, YES, OPERATOR, ApprovalState.PENDING),
    ],
)
def test_what_counts(
    request_: Request, decided: dict[str, Verdict], decision: Decision, person: Person, state: ApprovalState
) -> None:
    assert decide(request_, decided, decision, person, NOW) == Recorded(ApprovalState(state))


ENDED = {"ended_by": "U0CAT", "reason": "too risky"}
BEGUN = replace(ASKED, state=ApprovalState.STARTED, campaign="ca-01KM3Z6T0000000000000KXN7PC")


@pytest.mark.parametrize(
    ("request_", "decided", "decision", "person", "said", "field"),
    [
        (ASKED, {}, YES, ASKER, "You asked for this yourself", None),
        (ASKED, {}, NO, ASKER, "take it back with /fleet approve cancel", None),
        (ASKED, {}, YES, OPERATOR, "yours is operator (named in roles.operator.users)", None),
        (ASKED, BY_ANN, YES, ANN, "You have approved this already", None),
        (ASKED, BY_ANN, NO, ANN, "You have approved this already", None),
        (ASKED, {}, Decision(Verdict.REJECT, " "), ANN, "needs a reason", "reason"),
        (replace(ASKED, type_count=True), {}, YES, ANN, "not the number of devices", "count"),
        (replace(ASKED, type_count=True), {}, Decision(Verdict.APPROVE, typed="12"), ANN, "not the number", "count"),
        (replace(ASKED, expires_at=NOW), {}, YES, ANN, "It has expired", None),
        (replace(ASKED, state=ApprovalState.EXPIRED), {}, YES, ANN, "It has expired", None),
        (replace(ASKED, state=ApprovalState.REJECTED, **ENDED), {}, YES, ANN, "<@U0CAT> has rejected it", None),
        (replace(ASKED, state=ApprovalState.CANCELLED, **ENDED), {}, NO, ANN, "<@U0CAT>, who asked for it", None),
        (replace(ASKED, state=ApprovalState.APPROVED), {}, YES, ANN, "approved already", None),
        (replace(ASKED, state=ApprovalState.APPROVED), {}, NO, ANN, "Too late: it was approved and has begun.", None),
        (BEGUN, {}, NO, ANN, "it was approved and has begun; stop it with /fleet bulk abort KXN7PC.", None),
        (replace(ASKED, state=ApprovalState.FAILED), {}, NO, ANN, "approved already", None),
        (replace(ASKED, state=ApprovalState.STARTED), BY_ANN, YES, ANN, "You have approved this already", None),
    ],
)
def test_what_does_not_count_and_why(
    request_: Request, decided: dict[str, Verdict], decision: Decision, person: Person, said: str, field: str | None
) -> None:
    outcome = decide(request_, decided, decision, person, NOW)
    assert said in why(outcome)
    assert isinstance(outcome, Denied)
    assert outcome.field == field


def test_only_the_requester_takes_it_back_and_only_while_it_waits() -> None:
    assert cancel(ASKED, ASKER, NOW) == Recorded(ApprovalState.CANCELLED)
    assert "Only <@U0ASKER>" in why(cancel(ASKED, ANN, NOW))
    assert "stop it with /fleet bulk abort KXN7PC" in why(cancel(BEGUN, ASKER, NOW))


def test_the_glass_is_broken_by_an_admin_with_a_reason_and_not_after_a_rejection() -> None:
    assert break_glass(ASKED, "it leaks", ASKER, NOW) == Recorded(ApprovalState.APPROVED)
    assert "needs the role admin" in why(break_glass(ASKED, "it leaks", ANN, NOW))
    assert "Say why" in why(break_glass(ASKED, " ", ASKER, NOW))
    rejected = replace(ASKED, state=ApprovalState.REJECTED, **ENDED)  # type: ignore[arg-type]
    assert "has rejected it" in why(break_glass(rejected, "it leaks", ASKER, NOW))


# ---- the clock


def test_a_request_is_reminded_of_once_and_then_expires() -> None:
    hour = timedelta(hours=1)
    wanted = Policy(approvals=1, role=Role.APPROVER, valid_for=hour, type_count=False)
    ends = NOW + hour
    assert first_look(wanted, timedelta(minutes=10), NOW) == NOW + timedelta(minutes=50)
    assert first_look(wanted, timedelta(0), NOW) == ends
    assert first_look(wanted, hour, NOW) == ends, "shorter than its reminder"
    assert next_step(ends, False, NOW + timedelta(minutes=50)) == Remind(ends)
    assert next_step(ends, True, NOW + timedelta(minutes=55)) == Wait(ends)
    assert next_step(ends, False, ends) == Expire()


PEOPLE = (ASKER, ANN, BOB, OPERATOR, Person("U0CAT", Role.ADMIN))
ACTS = st.lists(
    st.tuples(st.sampled_from(["approve", "reject", "cancel", "glass", "wait"]), st.sampled_from(PEOPLE)), max_size=30
)


@given(acts=ACTS, needed=st.integers(1, 3))
def test_any_order_of_decisions_ends_once_and_only_by_those_who_may(
    acts: list[tuple[str, Person]], needed: int
) -> None:
    request, decided, now = replace(ASKED, needed=needed), dict[str, Verdict](), NOW
    for act, person in acts:
        before = request.state
        outcome: Recorded | Denied = Denied("")
        match act:
            case "wait":
                now += timedelta(minutes=30)
                if before is ApprovalState.PENDING and isinstance(next_step(request.expires_at, True, now), Expire):
                    outcome = Recorded(ApprovalState.EXPIRED)
            case "cancel":
                outcome = cancel(request, person, now)
            case "glass":
                outcome = break_glass(request, "it leaks", person, now)
            case _:
                decision = YES if act == "approve" else NO
                outcome = decide(request, decided, decision, person, now)
                if isinstance(outcome, Recorded):
                    decided[person.id] = decision.verdict
        if isinstance(outcome, Recorded) and outcome.state is not before:
            assert outcome.state in MOVES[before]
            request = replace(request, state=outcome.state, ended_by=person.id)
            if outcome.state is ApprovalState.APPROVED and act != "glass":
                assert list(decided.values()).count(Verdict.APPROVE) == needed
    assert ASKER.id not in decided
    assert OPERATOR.id not in decided
    rejections = list(decided.values()).count(Verdict.REJECT)
    assert rejections == (request.state is ApprovalState.REJECTED)


def test_a_state_that_ended_moves_nowhere() -> None:
    ends = set(ApprovalState) - {ApprovalState.PENDING, ApprovalState.APPROVED}
    assert all(not MOVES[state] for state in ends)
    assert approval.sources(ApprovalState.STARTED) == (ApprovalState.APPROVED,)
