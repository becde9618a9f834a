"""Restarts of a whole site: the stagger holds whatever is killed, and a restart is proven by the boot afterwards."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from commands import bulk, campaign_approval
from fleet.campaign import CampaignStatus
from fleet.selector import parse
from fleet.settings import Settings
from jobs import approvals, campaigns, delivery
from link.publish import Outcome, Outgoing
from storage import operations
from storage.db import Database
from tests.campaigns import Campaigns, a_fleet, call, named, row_of, states
from tests.conftest import settings_for
from tests.house import House, settings_replica

EVERYTHING_AT_ONCE = {"canary": "", "wave": "", "soak": "0s"}


class Killed(BaseException):
    """The process ends here: what was published is out, what was to be written is not."""


@pytest.fixture
def settings() -> Settings:
    policies = {"policies": [{"operation": "*", "approvals": 0}]}
    return settings_for(approvals=policies, campaigns=EVERYTHING_AT_ONCE, database={"claim_for": "20s"})


@pytest.fixture
def house(db: Database, settings: Settings, now: datetime) -> House:
    return Campaigns(db, settings, now)


def orders(house: House) -> list[tuple[str, dict[str, Any]]]:
    """What was published: device and payload, in order."""
    return [(each.topic.partition("/")[0], json.loads(each.payload)) for each in house.publish.sent]


async def begun(house: House, **flags: Any) -> str:
    planned = await bulk.restart(call(house), parse("all"), **flags)
    await campaign_approval.ask(call(house), named(planned))
    await house.settle()
    return named(planned)


async def says(house: House, device_id: str, operation_id: str, status: str, **more: object) -> None:
    await house.hear(f"{device_id}/command/ack", {"operation_id": operation_id, "status": status, **more})


async def test_a_restart_is_proven_by_a_new_boot_after_a_yes(house: House) -> None:
    await a_fleet(house, 4, boot_id="boot-1")
    campaign_id = await begun(house, stagger=timedelta(0))
    asked = orders(house)
    assert [sorted(order) for _, order in asked] == [["attempt", "expires_at", "operation_id", "reason"]] * 4
    (first, one), (second, two), (third, three), (fourth, four) = asked
    await says(house, first, one["operation_id"], "done")
    await says(house, second, two["operation_id"], "accepted")
    await says(house, third, three["operation_id"], "rejected", error="busy")
    await says(house, first, four["operation_id"], "done")  # of another device: nothing
    await house.settle()
    assert await states(house, campaign_id) == {"verifying": 1, "acked": 1, "rejected": 1, "dispatched": 1}
    for each in (first, second):
        await house.say(each, "2026.1.0", boot_id="boot-1")
    await house.later(seconds=20)
    assert (await states(house, campaign_id))["succeeded"] == 0
    for each in (first, second, fourth):
        await house.say(each, "2026.1.0", boot_id="boot-2")
    await house.later(seconds=20)
    assert await states(house, campaign_id) == {"succeeded": 2, "rejected": 1, "dispatched": 1}
    await house.later(minutes=5)  # the fourth never answered, but it has restarted
    assert await states(house, campaign_id) == {"succeeded": 3, "rejected": 1}
    assert (await row_of(house, campaign_id)).status is CampaignStatus.DONE


async def test_a_device_that_tells_no_boots_is_believed_and_a_silent_one_is_not_told_twice(house: House) -> None:
    believed, silent = await a_fleet(house, 2)
    campaign_id = await begun(house, stagger=timedelta(0))
    told = dict(orders(house))
    await says(house, believed, told[believed]["operation_id"], "done")
    await house.settle()
    assert (await states(house, campaign_id))["succeeded"] == 1
    await house.later(minutes=4)
    await house.say(silent, "2026.1.0")
    await house.later(minutes=2)
    assert await states(house, campaign_id) == {"succeeded": 1, "timed_out": 1}
    assert len(house.publish.sent) == 2


async def test_those_that_are_said_to_be_last_restart_after_all_others(house: House) -> None:
    await a_fleet(house, 6)
    campaign_id = await begun(house, stagger=timedelta(0), last="dev-00 dev-01")
    assert "dev-00" not in dict(orders(house))
    for device_id, order in orders(house):
        await says(house, device_id, order["operation_id"], "done")
    await house.settle()
    assert [device_id for device_id, _ in orders(house)][4:] == ["dev-00", "dev-01"]
    assert (await row_of(house, campaign_id)).wave == 2


class Flaky:
    """A broker that takes everything, confirms not always, and sees the process die now and then."""

    connected = True

    def __init__(self, house: House, seed: int) -> None:
        self.house, self.random, self.departures = house, Random(seed), house.publish.departures
        self.at: list[tuple[datetime, str, str]] = []

    async def publish_many(
        self, messages: Sequence[Outgoing], may: Callable[[], Awaitable[bool]] | None = None
    ) -> list[Outcome]:
        outcomes = []
        for message in messages:
            fate = self.random.random()
            if fate < 0.15:
                outcomes.append(Outcome(sent=False, reason="no confirmation"))
                if fate < 0.08:
                    continue  # it did not arrive either
            else:
                outcomes.append(Outcome(sent=True))
            order = json.loads(message.payload)
            self.at.append((self.house.now, message.topic.partition("/")[0], order["operation_id"]))
        if self.random.random() < 0.2:
            raise Killed
        return outcomes


@pytest.mark.parametrize("seed", range(2))
async def test_no_two_of_a_site_restart_within_the_stagger_whatever_is_killed(house: House, seed: int) -> None:
    """As the devices see it: the same attempt may come twice, and counts once."""
    ids = await a_fleet(house, 9)
    site_of = {each: number % 3 for number, each in enumerate(ids)}
    broker = Flaky(house, seed)
    planned = await bulk.restart(call(house), parse("all"))
    await campaign_approval.ask(call(house), named(planned))
    await approvals.start.work(house.run())
    house.publish = broker  # type: ignore[assignment]
    await runs_until_all_are_told(house, broker, seed)
    first_seen: dict[str, tuple[datetime, str]] = {}
    for at, device_id, operation_id in broker.at:
        first_seen.setdefault(operation_id, (at, device_id))
    by_site: dict[int, list[datetime]] = defaultdict(list)
    for at, device_id in first_seen.values():
        by_site[site_of[device_id]].append(at)
    apart = [later - sooner for times in by_site.values() for sooner, later in pairwise(sorted(times))]
    assert min(apart) >= timedelta(seconds=30)
    assert Counter(device_id for _, device_id in first_seen.values()).most_common(1)[0][1] == 1
    assert len(first_seen) == len(ids)


async def runs_until_all_are_told(house: House, broker: Flaky, seed: int) -> None:
    """Again and again; a process that is killed begins anew and gives back what it had claimed, or does not."""
    dice = Random(seed + 100)
    for _ in range(100):
        house.now += timedelta(seconds=3)
        for work in (campaigns.advance, delivery.send):
            try:
                await work.work(house.run())
            except Killed:
                if dice.random() < 0.5:
                    async with house.db.begin() as session:
                        await operations.release_all(session, settings_replica(house.settings))
        for _, device_id, operation_id in broker.at[-2:]:
            if dice.random() < 0.3:
                await says(house, device_id, operation_id, "done")
        if len({operation_id for *_, operation_id in broker.at}) == 9:
            return
    raise AssertionError(broker.at)


async def test_a_broker_that_is_away_for_long_fails_no_device_and_the_stagger_holds_when_it_is_back(
    house: House,
) -> None:
    """What expires without having left is planned again, however often; its site's lane stays taken meanwhile."""
    ids = await a_fleet(house, 2, site="oslo")
    planned = await bulk.restart(call(house), parse("all"))
    await campaign_approval.ask(call(house), named(planned))
    house.publish.broken = True
    for _ in range(7):
        await house.later(minutes=2, seconds=31)
        for each in ids:
            await house.say(each, "2026.1.0")
    assert set(await states(house, named(planned))) <= {"planned", "dispatched"}
    house.publish.broken = False
    left: list[datetime] = []
    for _ in range(16):
        before = len(house.publish.sent)
        await house.later(seconds=5)
        left += [house.now] * (len(house.publish.sent) - before)
    assert len(left) == 2
    assert left[1] - left[0] >= timedelta(seconds=30)
