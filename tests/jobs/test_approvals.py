"""Requests for approval over time: they start once, exactly as asked for, or fail with a reason, or expire."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.approval import ApprovalState, Decision, Verdict
from fleet.errors import FleetError, Refused, Unavailable
from fleet.plan import plan_for
from fleet.roles import Person, Role
from jobs import approvals as job
from jobs.spec import Run
from storage import approvals, devices
from storage.db import Database
from storage.tables import Approval, ApprovalDecision, AuditEntry
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House

ASKER = Person("U0ASKER", Role.OPERATOR)
PEOPLE = [Person(f"U0{name}", Role.APPROVER) for name in ("ANN", "BOB", "CAT", "DAN")]
YES = Decision(Verdict.APPROVE)
FREE = [{"approvals": 0}]
TWO = [{"approvals": 2}]


def a_house(db: Database, policies: list[dict[str, Any]], **approvals_: Any) -> House:
    return House(db, settings_for(approvals={"policies": policies, **approvals_}), NOW)


@pytest.fixture
async def house(db: Database) -> House:
    """Two approvals for everything; dev-1 to dev-3 stand at oslo."""
    await build.fleet(db, NOW, [build.device(f"dev-{number}", NOW) for number in range(1, 4)])
    return a_house(db, TWO)


async def asks(house: House, site: str = "bergen", device_id: str = "dev-1", operation: str = "device.move") -> str:
    plan = plan_for(operation, f"Move {device_id} to {site}", {"site": site}, [device_id], ["oslo"])
    async with house.db.begin() as session:
        return (await approvals.ask(session, plan, ASKER.id, house.now, house.settings)).id


async def says(house: House, approval_id: str, person: Person, decision: Decision = YES) -> None:
    async with house.db.begin() as session:
        await approvals.decide(session, approval_id, decision, person, house.now, house.settings)


async def row(house: House, approval_id: str) -> Approval:
    async with house.db.read() as session:
        return await approvals.get(session, approval_id)


async def site(house: House, device_id: str = "dev-1") -> str:
    async with house.db.read() as session:
        return (await devices.get(session, device_id)).site


async def audited(house: House, subject: str) -> list[str]:
    async with house.db.read() as session:
        entries = await session.scalars(select(AuditEntry).where(AuditEntry.subject == subject).order_by(AuditEntry.id))
        return [each.action for each in entries]


def told(house: House) -> list[str]:
    """The outcomes that the requester was told, in order."""
    return [each.message.data["state"] for each in house.deliver.letters if each.channel == ASKER.id]


async def test_what_needs_nobody_starts_at_once_and_says_nothing(house: House) -> None:
    house.settings = a_house(house.db, FREE).settings
    approval_id = await asks(house)
    assert (await row(house, approval_id)).state is ApprovalState.APPROVED
    await house.settle()
    assert (await row(house, approval_id)).state is ApprovalState.STARTED
    assert await site(house) == "bergen"
    assert house.deliver.letters == []
    assert await audited(house, approval_id) == ["approval.asked", "approval.started"]


async def test_every_step_is_in_the_audit_and_the_message_is_one(house: House) -> None:
    approval_id = await asks(house)
    await house.settle()
    for person in PEOPLE[:2]:
        await says(house, approval_id, person)
    await house.settle()
    steps = ["approval.asked", "approval.approved", "approval.approved", "approval.started"]
    assert await audited(house, approval_id) == steps
    assert told(house) == ["started"]
    in_channel = [each for each in house.deliver.letters if each.channel == "C0FLEETOPS"]
    assert [each.ts is None for each in in_channel] == [True] + [False] * (len(in_channel) - 1)
    assert in_channel[-1].message.data["state"] == "started"
    assert in_channel[-1].message.buttons == ()


async def test_a_plan_that_was_tampered_with_is_not_started(house: House) -> None:
    approval_id = await asks(house)
    for person in PEOPLE[:2]:
        await says(house, approval_id, person)
    async with house.db.begin() as session:
        await session.execute(update(Approval).values(params={"site": "elsewhere"}))
    await house.settle()
    failed = await row(house, approval_id)
    assert failed.state is ApprovalState.FAILED
    assert "not the one that was asked for" in failed.error
    assert await site(house) == "oslo"
    assert told(house) == ["failed"]


async def test_what_was_approved_long_ago_is_not_started(house: House) -> None:
    approval_id = await asks(house)
    for person in PEOPLE[:2]:
        await says(house, approval_id, person)
    await house.later(hours=6)  # Muster was down
    failed = await row(house, approval_id)
    assert (failed.state, "before its time was over" in failed.error) == (ApprovalState.FAILED, True)
    assert await site(house) == "oslo"


async def test_the_very_same_is_not_asked_for_twice_while_it_waits(house: House) -> None:
    first = await asks(house)
    with pytest.raises(Refused, match=f"waits: /fleet approve show {first[-6:]}"):
        await asks(house)
    await asks(house, site="tromso")
    await house.later(hours=5)
    await asks(house)


@pytest.mark.parametrize(
    ("operation", "device_id", "why"),
    [("device.move", "dev-9", "no device called dev-9"), ("device.fly", "dev-1", "does not know how to start")],
)
async def test_what_cannot_be_done_fails_with_the_reason_and_the_others_start(
    house: House, operation: str, device_id: str, why: str
) -> None:
    house.settings = a_house(house.db, FREE).settings
    bad = await asks(house, device_id=device_id, operation=operation)
    good = await asks(house, device_id="dev-2")
    await house.settle()
    failed = await row(house, bad)
    assert failed.state is ApprovalState.FAILED
    assert why in failed.error
    assert (await row(house, good)).state is ApprovalState.STARTED
    assert told(house) == ["failed"]
    assert (await audited(house, bad))[-1] == "approval.failed"


class Broken:
    """A starter that writes, and then raises what it is told to."""

    def __init__(self, fault: FleetError | None) -> None:
        self.fault, self.began = fault, 0

    async def __call__(self, _run: Run, session: AsyncSession, approval: Approval) -> None:
        self.began += 1
        await devices.move(session, approval.device_ids[0], "half-way")
        if self.fault:
            raise self.fault


async def test_a_starter_that_fails_leaves_nothing_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await started_by(house, monkeypatch, broken := Broken(Refused("The valve is open.")))
    assert await site(house) == "oslo"
    assert (broken.began, told(house)) == (1, ["failed"])


async def test_while_a_part_of_the_house_is_away_it_is_tried_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval_id = await started_by(house, monkeypatch, broken := Broken(Unavailable("Slack is away.")))
    assert (await row(house, approval_id)).state is ApprovalState.APPROVED
    assert await site(house) == "oslo"
    broken.fault = None
    await house.later(minutes=2)
    assert (await row(house, approval_id)).state is ApprovalState.STARTED
    assert broken.began == 2


async def started_by(house: House, monkeypatch: pytest.MonkeyPatch, starter: Broken) -> str:
    by_operation: Mapping[str, Any] = {"device.move": starter}
    monkeypatch.setattr(job, "BY_OPERATION", by_operation)
    house.settings = a_house(house.db, FREE).settings
    approval_id = await asks(house)
    await house.settle()
    return approval_id


async def test_a_reminder_comes_once_and_then_it_expires(house: House) -> None:
    approval_id = await asks(house)
    await house.later(hours=3, minutes=31)
    await house.later(minutes=1)
    notes = [each for each in house.deliver.posts() if each.message.template == "approve/reminder"]
    assert len(notes) == 1
    await house.later(minutes=28)
    assert (await row(house, approval_id)).state is ApprovalState.EXPIRED
    assert told(house) == ["expired"]
    with pytest.raises(Refused, match="It has expired"):
        await says(house, approval_id, PEOPLE[0])
    async with house.db.read() as session:
        assert await approvals.pending(session, house.now, 10) == ([], 0)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["approve", "approve", "reject", "cancel", "start", "expire"]), st.sampled_from(range(4))
    ),
    min_size=3,
    max_size=10,
)


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(acts=ACTS)
async def test_whatever_happens_at_once_there_is_one_outcome_and_one_start(
    house: House, acts: list[tuple[str, int]]
) -> None:
    approval_id = await asks(house, device_id="dev-2", site=f"site-{house.now:%H%M%S}")
    house.now += (await row(house, approval_id)).expires_at - house.now  # as late as can be: it expires at this moment
    early = House(house.db, house.settings, (await row(house, approval_id)).requested_at)

    async def act(what: str, who: int) -> None:
        try:
            match what:
                case "approve":
                    await says(early, approval_id, PEOPLE[who])
                case "reject":
                    await says(early, approval_id, PEOPLE[who], Decision(Verdict.REJECT, "not today"))
                case "cancel":
                    async with house.db.begin() as session:
                        await approvals.cancel(session, approval_id, ASKER, early.now, house.settings)
                case "start":
                    await job.start.work(early.run())
                case _:
                    await job.remind_or_expire.work(house.run())
        except FleetError:
            pass  # one of two at once loses politely

    await asyncio.gather(*(act(*each) for each in acts))
    await job.start.work(house.run())
    await job.remind_or_expire.work(house.run())
    ended = await row(house, approval_id)
    async with house.db.read() as session:
        counted = select(ApprovalDecision.verdict, func.count()).where(ApprovalDecision.approval_id == approval_id)
        verdicts = dict((await session.execute(counted.group_by(ApprovalDecision.verdict))).all())
    steps = await audited(house, approval_id)
    ends = {"started", "rejected", "cancelled", "expired"}
    assert [step for step in steps if step.removeprefix("approval.") in ends] == [f"approval.{ended.state}"]
    assert (verdicts.get(Verdict.APPROVE, 0) == 2) == (ended.state is ApprovalState.STARTED)
    assert verdicts.get(Verdict.REJECT, 0) == (ended.state is ApprovalState.REJECTED)
