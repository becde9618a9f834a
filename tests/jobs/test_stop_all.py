"""Stop-all: once it stands, nothing leaves for any device, and what cannot be taken back is counted."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from commands import approve, bulk, bulk_stop_all, campaign, campaign_approval, campaign_targets
from fleet.campaign import OVER, CampaignStatus
from fleet.errors import Refused
from fleet.message import Message
from fleet.selector import parse
from fleet.settings import Settings
from jobs.delivery import send
from link.publish import SENT, Outcome, Outgoing
from storage.db import Database
from storage.tables import AuditEntry, devices, operations
from storage.tables import campaigns as rows
from tests import build
from tests.build import NEW, OLD
from tests.campaigns import Campaigns, a_fleet, ack, begun, call, named, row_of, states, under_way
from tests.conftest import settings_for
from tests.house import FakePublish
from tests.typed import APPROVER, types

COUNTED = ("retained", "commands", "leaving", "held_back")


@pytest.fixture
def settings() -> Settings:
    return settings_for(approvals={"policies": [{"operation": "*", "approvals": 0}]}, campaigns={"canary": "2"})


@pytest.fixture
def house(db: Database, settings: Settings, now: datetime) -> Campaigns:
    return Campaigns(db, settings, now)


async def drifted(house: Campaigns, count: int) -> None:
    rows = [
        build.device(f"old-{number}", house.now, reported_config_version=OLD, last_seen_at=house.now)
        for number in range(count)
    ]
    await build.fleet(house.db, house.now, rows)


async def test_after_stop_all_nothing_leaves_drift_pushes_included_until_it_goes_on(house: Campaigns) -> None:
    await a_fleet(house, 4)
    campaign_id = await begun(house)
    assert len(house.publish.sent) == 2
    await drifted(house, 3)
    said = await bulk_stop_all.stop_all(call(house), "the new one bricks gateways")
    assert (said.data["retained"], said.data["held_back"]) == (2, 0)
    assert said.data["paused"] == [[campaign_id[-6:], f"Configuration {NEW} for all"]]
    await house.later(hours=2)
    assert len(house.publish.sent) == 2
    with pytest.raises(Refused, match="<@U0OLGA> has stopped everything already"):
        await bulk_stop_all.stop_all(call(house))
    await bulk_stop_all.go_on(call(house))
    await house.settle()
    # The drift pushes leave, also to the two that the campaign had told without an answer: they are drifted by now.
    assert len(house.publish.sent) == 2 + 3 + 2
    assert (await row_of(house, campaign_id)).status is CampaignStatus.PAUSED
    with pytest.raises(Refused, match="Nothing is stopped"):
        await bulk_stop_all.go_on(call(house))
    async with house.db.read() as session:
        told = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [each.action for each in told if each.action.startswith("fence")] == ["fence.put", "fence.lifted"]
    posts = [each.message.template for each in house.deliver.posts()]
    assert posts[-2:] == ["bulk/stop_all", "bulk/go_on"]


async def test_what_is_approved_while_everything_is_stopped_waits_for_a_person_who_resumes_it(house: Campaigns) -> None:
    await a_fleet(house, 4)
    await bulk_stop_all.stop_all(call(house), None)
    campaign_id = await begun(house)
    row = await row_of(house, campaign_id)
    assert (row.status, row.why) == (CampaignStatus.PAUSED, "Everything was stopped.")
    stopped = r"<@U0OLGA> stopped everything at 20.* UTC, so nothing can be resumed now\. /fleet bulk go-on ends that"
    with pytest.raises(Refused, match=stopped):
        await campaign.resume(call(house), campaign_id)
    await bulk_stop_all.go_on(call(house))
    await house.settle()
    assert house.publish.sent == []
    await campaign.resume(call(house), campaign_id)
    await house.settle()
    assert len(house.publish.sent) == 2


async def test_whoever_approves_a_campaign_meanwhile_learns_that_it_is_paused(db: Database, now: datetime) -> None:
    house = Campaigns(db, settings_for(approvals={"policies": [{"operation": "*", "approvals": 1}]}), now)
    await a_fleet(house, 4)
    await bulk_stop_all.stop_all(call(house))
    asked = await campaign_approval.ask(call(house), named(await bulk.config(call(house), NEW, parse("all"))))
    said = await approve.yes(call(house, APPROVER), asked.data["approval_id"])
    assert (said.data["state"], said.data["stopped_by"]) == ("approved", "U0OLGA")
    await house.settle()
    [outcome] = [each.message for each in house.deliver.posts() if each.message.template == "approve/outcome"]
    assert (outcome.data["state"], outcome.data["stopped_by"]) == ("started", "U0OLGA")


def stop_message(house: Campaigns) -> Message:
    """As it reads now."""
    return [each.message for each in house.deliver.letters if each.message.template.startswith("bulk/stop_all")][-1]


class Slow(FakePublish):
    """A broker that takes one message after the other, and asks between them as the real link does."""

    stop_after: int = 0
    house: Campaigns

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for message in messages:
            if len(self.sent) == self.stop_after:
                await bulk_stop_all.stop_all(call(self.house), None)
            if may and not await may():
                break
            self.sent.append(message)
            outcomes.append(SENT)
        return outcomes + [Outcome(sent=False, reason="stopped")] * (len(messages) - len(outcomes))


async def test_a_batch_on_its_way_stops_in_the_middle_and_goes_out_in_full_afterwards(house: Campaigns) -> None:
    await drifted(house, 10)
    slow = Slow()
    slow.stop_after, slow.house = 4, house
    house.publish = slow
    await house.settle()
    assert len(slow.sent) == 4
    await house.later(hours=1)
    assert len(slow.sent) == 4
    slow.stop_after = -1
    await bulk_stop_all.go_on(call(house))
    await house.settle()
    told = [json.loads(each.payload)["operation_id"] for each in slow.sent]
    assert (len(told), len(set(told))) == (10, 10)


async def test_delivery_does_not_run_in_circles_while_everything_is_stopped(house: Campaigns) -> None:
    await drifted(house, 2)
    await bulk_stop_all.stop_all(call(house), None)
    house.publish.connected = True
    async with house.db.begin() as session:
        await session.execute(devices.update().values(last_seen_at=house.now))
    await house.settle()
    assert await send.work(house.run()) is None


async def test_an_operation_whose_campaign_was_paused_in_this_moment_does_not_leave(house: Campaigns) -> None:
    await a_fleet(house, 2)
    house.publish.connected = False
    campaign_id = await begun(house)
    house.publish.connected = True
    async with house.db.begin() as session:  # paused by another replica, which could not take back what was claimed
        await session.execute(rows.update().values(status=CampaignStatus.PAUSED, due_at=house.now + timedelta(days=1)))
    await house.settle()
    assert house.publish.sent == []
    assert await states(house, campaign_id) == {"planned": 2}


async def test_a_campaign_that_began_in_the_very_moment_of_the_stop_waits_for_a_person_too(house: Campaigns) -> None:
    """Its approval was taken by a replica that could not see the stop yet."""
    await a_fleet(house, 4)
    campaign_id = await begun(house)
    await bulk_stop_all.stop_all(call(house), "bricks gateways")
    async with house.db.begin() as session:
        await session.execute(rows.update().values(status=CampaignStatus.SCHEDULED, due_at=house.now, wave=0))
    await house.settle()
    row = await row_of(house, campaign_id)
    assert (row.status, row.why) == (CampaignStatus.PAUSED, "Everything was stopped (bricks gateways).")
    await bulk_stop_all.go_on(call(house))
    await house.settle()
    assert (await row_of(house, campaign_id)).status is CampaignStatus.PAUSED


async def test_its_message_counts_what_is_out_there_until_it_goes_on(house: Campaigns) -> None:
    await drifted(house, 3)
    await house.settle()
    async with house.db.begin() as session:
        ids = (await session.scalars(select(operations.c.id))).all()
        taken = operations.update().where(operations.c.id == ids[0])
        soon = house.now + timedelta(seconds=30)
        await session.execute(taken.values(state="queued", claimed_by="other", claimed_until=soon))
    said = await bulk_stop_all.stop_all(call(house))
    assert [said.data[each] for each in COUNTED] == [2, 0, 1, 0]
    async with house.db.begin() as session:  # the other replica says that it had left
        await session.execute(taken.values(state="sent", claimed_by=None, claimed_until=None, sent_at=house.now))
        await session.execute(operations.update().where(operations.c.id == ids[1]).values(state="done"))
    await house.later(seconds=1)
    assert [stop_message(house).data[each] for each in COUNTED] == [2, 0, 0, 0]
    edits = len(house.deliver.edits())
    await house.later(seconds=30)
    assert len(house.deliver.edits()) == edits  # nothing new to say
    await bulk_stop_all.go_on(call(house))
    await house.settle()
    assert stop_message(house).template == "bulk/stop_all_over"
    assert stop_message(house).buttons == ()


async def test_what_is_retried_meanwhile_says_that_it_waits_and_is_paused(house: Campaigns) -> None:
    await a_fleet(house, 4)
    campaign_id = await begun(house, canary="none", wave="100%", max_failed="100%")
    await ack(house, await under_way(house, campaign_id), "rejected", error="no room")
    await house.settle()
    assert (await row_of(house, campaign_id)).status in OVER
    await bulk_stop_all.stop_all(call(house))
    said = await campaign_targets.retry(call(house), campaign_id)
    assert (said.data["count"], said.data["stopped_by"]) == (4, "U0OLGA")
    sent = len(house.publish.sent)
    await house.settle()
    assert len(house.publish.sent) == sent
    assert (await row_of(house, campaign_id)).status is CampaignStatus.PAUSED


def test_only_approvers_stop_everything_and_let_it_go_on() -> None:
    assert {bulk_stop_all.stop_all.role, bulk_stop_all.go_on.role} == {"approver"}


async def test_what_is_asked_for_meanwhile_says_that_it_waits(house: Campaigns) -> None:
    await drifted(house, 2)
    await house.settle()
    before = len(house.publish.sent)
    assert "stopped_by" not in (await types(house, "drift retry old-0")).data
    await bulk_stop_all.stop_all(call(house))
    for line in (
        "drift sweep",
        "drift retry old-0",
        f"config assign {OLD} old-1",
        "diag ping old-0",
        "diag metrics all",
        "device renew old-1",
    ):
        assert (await types(house, line)).data["stopped_by"] == "U0OLGA", line
    assert len(house.publish.sent) == before
