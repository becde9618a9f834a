"""Approvals as people live through them: clicks, modals, direct messages and Home, in the stand-in workspace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from bot import views
from bot.app import Muster
from fleet.approval import ApprovalState
from sandbox.workspace import APPROVER1, APPROVER2, ONCALL, OPERATOR, VIEWER, SeenMessage, SeenRun
from storage import approvals
from storage.tables import Approval
from tests.walks.conftest import SOON, House, a_house, message_key, walk_settings

GROUP = "S0APPROVERS"
NOWHERE = 9  # the discard port: these walks need no broker
MOVE = {"policies": [{"operation": "device.move", "approvals": 2}]}
TYPED = {"policies": [{"operation": "device.move", "approvals": 1, "type_count": True}]}
BY_GROUP = {"approver": {"users": [APPROVER1], "groups": [GROUP]}, "admin": {"users": [ONCALL]}}


@asynccontextmanager
async def asked(url: str, policy: dict[str, Any]) -> AsyncIterator[tuple[House, SeenMessage]]:
    """The operator asked to move dev-1 from oslo to bergen, and the request stands in the ops channel."""
    async with a_house(url, NOWHERE, wait=False, approvals=policy, roles=BY_GROUP) as house:
        await house.register("dev-1")
        answer = await house.types("device move dev-1 bergen")
        assert "*Move dev-1 to bergen* waits for" in answer.words
        await house.settle()
        yield house, await request(house)


async def request(house: House) -> SeenMessage:
    [post] = [each for each in await house.posts() if message_key(each).count(":") == 1]
    return post


async def row(house: House) -> Approval:
    async with house.db.read() as session:
        found, _ = await approvals.pending(session, house.clock.now, 10)
        if found:
            return found[0]
        return await approvals.get(session, message_key(await request(house)).partition(":")[2])


async def direct(house: House, user: str) -> list[str]:
    return [each.words for each in await house.ws.messages(f"D{user[1:]}")]


async def presses(house: House, button: str, user: str) -> SeenRun:
    return await house.clicks(await request(house), button, user)


async def rejects(house: House, user: str, why: str) -> None:
    await house.ws.click(user, (await request(house)).ts, "Reject")
    await house.ws.wait_for_modal(user, contains="Why not?")
    assert (await house.ws.submit(user, {"Why not?": why})).error is None


async def test_two_approvals_start_it_and_the_message_follows(sqlite_url: str) -> None:
    async with asked(sqlite_url, MOVE) as (house, post):
        assert post.says("*2 people* with the role approver have approved")
        assert post.buttons == ["Approve", "Reject", "Show"]
        shown = await presses(house, "Show", VIEWER)
        assert "site: `bergen`" in shown.words
        twice = await asyncio.gather(*(presses(house, "Approve", APPROVER1) for _ in range(2)))
        first, again = sorted(twice, key=lambda run: "already" in run.words)
        assert "1 of 2 approvals" in first.words
        assert "You have approved this already; each person counts once." in again.words
        await house.settle()
        assert (await request(house)).says(f"<@{APPROVER1}> (1 of 2)")
        assert (await house.device()).site == "oslo"
        await presses(house, "Approve", APPROVER2)
        await house.settle()
        assert (await house.device()).site == "bergen"
        post = await request(house)
        assert post.says("Started")
        assert post.buttons == []
        [told] = await direct(house, OPERATOR)
        assert f"has started, approved by <@{APPROVER1}>, <@{APPROVER2}>." in told


async def test_a_rejection_asks_for_its_reason_and_tells_the_requester(sqlite_url: str) -> None:
    async with asked(sqlite_url, MOVE) as (house, _):
        await rejects(house, APPROVER1, 'The "line" runs\nuntil six — <!channel>')
        modal = await house.ws.wait_for_modal(APPROVER1, contains="You rejected")
        assert modal.submit is None
        await house.settle()
        assert (await row(house)).state is ApprovalState.REJECTED
        post = await request(house)
        assert post.says(f'<@{APPROVER1}> rejected it: The "line" runs until six — <!channel>')
        assert "&lt;!channel&gt;" in str(post.blocks)
        [told] = await direct(house, OPERATOR)
        assert 'The "line" runs until six' in told
        late = await house.types(f"approve yes {(await row(house)).id[-6:]}", APPROVER2)
        assert f"<@{APPROVER1}> has rejected it already" in late.words


async def test_approve_and_reject_at_once_end_it_once(sqlite_url: str) -> None:
    async with asked(sqlite_url, {"policies": [{"approvals": 1}]}) as (house, _):
        await house.ws.click(APPROVER1, (await request(house)).ts, "Reject")
        await house.ws.wait_for_modal(APPROVER1, contains="Why not?")
        approved, rejected = await asyncio.gather(
            presses(house, "Approve", APPROVER2), house.ws.submit(APPROVER1, {"Why not?": "not today"})
        )
        assert rejected.error is None
        modal = await house.ws.wait_for_modal(APPROVER1, lambda view: view.submit is None)
        await house.settle()
        if (await row(house)).state is ApprovalState.STARTED:
            assert modal.says("Too late: it was approved and has begun.")
        else:
            assert modal.says("You rejected")
            assert "has rejected it already: not today" in approved.words
        assert len(await direct(house, OPERATOR)) == 1


async def test_a_wrong_number_is_said_at_its_field_and_nothing_is_recorded(sqlite_url: str) -> None:
    async with asked(sqlite_url, TYPED) as (house, post):
        await house.ws.click(APPROVER1, post.ts, "Approve")
        form = await house.ws.wait_for_modal(APPROVER1, contains="How many devices")
        await house.ws.submit(APPROVER1, {"count": "12"})
        wrong = await house.ws.wait_for_modal(APPROVER1, lambda view: bool(view.errors))
        assert wrong.id == form.id
        assert "not the number of devices" in wrong.errors["count"]
        async with house.db.read() as session:
            assert await approvals.decisions(session, (await row(house)).id) == []
        await house.ws.submit(APPROVER1, {"count": "1"})
        await house.ws.wait_for_modal(APPROVER1, contains="has all its approvals and starts now")
        await house.settle()
        assert (await house.device()).site == "bergen"


async def test_whoever_may_not_decide_is_told_why(sqlite_url: str) -> None:
    async with asked(sqlite_url, MOVE) as (house, _):
        await house.ws.group(GROUP, add=[APPROVER2])
        own = await presses(house, "Approve", OPERATOR)
        assert "You asked for this yourself" in own.words
        none = await presses(house, "Approve", VIEWER)
        assert "needs the role operator; yours is viewer" in none.words
        await house.types("status", APPROVER2)  # so that the group is known, and believed for a minute
        await house.ws.group(GROUP, remove=[APPROVER2])
        gone = await presses(house, "Approve", APPROVER2)
        assert "needs the role" in gone.words
        assert "yours is viewer (not named in app.yaml" in gone.words
        await house.ws.inject("usergroups.users.list", error="internal_error")
        unknown = await presses(house, "Approve", APPROVER2)
        assert f"user group {GROUP} could not be read (internal_error)" in unknown.words
        assert (await row(house)).state is ApprovalState.PENDING


async def test_it_expires_after_a_reminder_and_a_click_then_is_too_late(sqlite_url: str) -> None:
    async with asked(sqlite_url, {**MOVE, "valid_for": "1h", "remind_before": "10m"}) as (house, post):
        await house.later(minutes=51)
        [reminder] = [each for each in await house.posts() if each.thread_ts == post.ts]
        assert reminder.says("still waits for 2 approvals and expires")
        assert reminder.says(f"<@{APPROVER1}>")
        house.clock.now += timedelta(minutes=9)  # it is over, and nobody has edited the message yet
        late = await presses(house, "Approve", APPROVER1)
        assert "It has expired: nobody decided in time." in late.words
        await house.settle()
        assert (await request(house)).says("Nobody decided in time. Nothing was done.")
        [told] = await direct(house, OPERATOR)
        assert "expired with 0 of 2 approvals" in told


async def test_a_submission_that_takes_long_is_acknowledged_before_it_is_answered(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_PATIENCE", 0.0)
    async with asked(sqlite_url, MOVE) as (house, _):
        await rejects(house, APPROVER1, "not today")
        await house.ws.wait_for_modal(APPROVER1, contains="You rejected")
        assert (await row(house)).state is ApprovalState.REJECTED


async def test_a_modal_that_slack_does_not_open_leaves_the_words_to_type(sqlite_url: str) -> None:
    async with asked(sqlite_url, MOVE) as (house, _):
        await house.ws.inject("views.open", error="expired_trigger_id")
        answer = await presses(house, "Reject", APPROVER1)
        assert f"/fleet approve no {(await row(house)).id[-6:]} <reason>" in answer.words
        [again] = answer.answers
        await house.ws.click(APPROVER1, again.ts, "Reject…")
        await house.ws.wait_for_modal(APPROVER1, contains="Why not?")


async def test_after_a_restart_a_click_counts(sqlite_url: str) -> None:
    async with asked(sqlite_url, {"policies": [{"approvals": 1}]}) as (house, _):
        await house.muster.stop()
        house.muster = Muster(walk_settings(house.ws, sqlite_url, NOWHERE, roles=BY_GROUP), now=house.clock)
        try:
            await house.muster.start()
            await house.ws.wait_for_connections(1, timeout=SOON)
            await presses(house, "Approve", APPROVER1)
            await house.settle()
            assert (await house.device()).site == "bergen"
        finally:
            await house.muster.stop()


async def test_breaking_the_glass_is_loud(sqlite_url: str) -> None:
    async with asked(sqlite_url, MOVE) as (house, _):
        name = (await row(house)).id[-6:]
        denied = await house.types(f"approve break-glass {name} it leaks", APPROVER1)
        assert "needs the role admin" in denied.words
        done = await house.types(f"approve break-glass {name} it leaks", ONCALL)
        assert "starts now, without its approvals" in done.words
        await house.later(seconds=1)  # one post a moment into one channel
        [loud] = [each for each in await house.posts() if message_key(each).endswith(":glass")]
        assert loud.says("<!here>")
        assert loud.says("it leaks")
        assert (await house.device()).site == "bergen"


async def test_home_shows_what_waits_and_follows_a_decision(sqlite_url: str) -> None:
    async with asked(sqlite_url, {"policies": [{"approvals": 1}]}) as (house, _):
        await house.ws.open_home(OPERATOR)
        own = await house.ws.wait_for_home(OPERATOR, contains="You asked for:")
        assert own.says("Nothing waits for your decision; 1 request for others.")
        await house.ws.open_home(APPROVER1)
        home = await house.ws.wait_for_home(APPROVER1, contains="Move dev-1 to bergen")
        assert home.says("The fleet at a glance")
        assert home.says("No alert is open")
        await house.ws.click(APPROVER1, home.id, "Approve")
        await house.ws.wait_for_modal(APPROVER1, contains="has all its approvals and starts now")
        await house.ws.wait_for_home(APPROVER1, contains="Nothing waits for your decision.")
