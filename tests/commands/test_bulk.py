"""Planning a campaign: what the flags mean, what is refused, and what a plan can still become."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from commands import approve, bulk, campaign_approval, campaign_progress, campaign_targets
from fleet.alert import AlertKind, AlertState
from fleet.errors import BadInput, NotFound, Refused
from fleet.selector import parse
from fleet.settings import Freeze, Settings
from storage import campaigns, groups
from storage.db import Database
from storage.tables import Alert, AlertDevice, devices
from tests.build import NEW, OLD
from tests.campaigns import Campaigns, a_fleet, all_online, begun, call, named, row_of, states
from tests.conftest import settings_for


@pytest.fixture
def settings() -> Settings:
    return settings_for(approvals={"policies": [{"operation": "*", "approvals": 0}]}, campaigns={"canary": "2"})


@pytest.fixture
def house(db: Database, settings: Settings, now: datetime) -> Campaigns:
    return Campaigns(db, settings, now)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"wave": "some"}, "--wave needs a number of devices or a percentage"),
        ({"wave": "0"}, "--wave needs a number of devices or a percentage.*Write none for all the others at once"),
        ({"max_failed": "5"}, "--max-failed needs a percentage"),
        ({"window": "at night"}, "A window is written like 22:00-05:00"),
        ({"canary": "colour:red"}, "colour"),
        ({"canary": "-3"}, "--canary needs a number of devices from 1.*-3 is no such number"),
        ({"canary": "9" * 21}, "--canary needs a number of devices"),
        ({"canary": "150%"}, "a percentage up to 100%"),
        ({"canary": "dev-00,dve-01"}, "--canary names what is not in the registry: dve-01"),
        (
            {"canary": "site:rome"},
            "--canary site:rome means none of the 2 devices of this plan, so nobody would go first",
        ),
        ({"soak": timedelta(days=400)}, "--soak 400d is too long: a campaign takes at most 90d"),
        ({"stagger": timedelta(days=9999)}, "--stagger 9999d is too long"),
        ({"concurrency": 0}, "--concurrency needs a number of devices"),
        ({"at": datetime.fromisoformat("2026-03-19T14:00:00Z")}, "has passed. Leave it out to begin at once."),
    ],
)
async def test_a_flag_that_cannot_be_meant_is_refused_by_name(
    house: Campaigns, flags: dict[str, Any], words: str
) -> None:
    await a_fleet(house, 2)
    with pytest.raises(BadInput, match=words):
        await bulk.config(call(house), NEW, parse("all"), **flags)


async def test_a_plan_that_would_take_for_ever_is_refused_with_the_ways_to_shorten_it(house: Campaigns) -> None:
    await a_fleet(house, 9)
    with pytest.raises(Refused, match=r"about 120 days, and a campaign takes at most 90.*shorter --soak or --stagger"):
        await bulk.config(call(house), NEW, parse("all"), canary="none", wave="none", stagger=timedelta(days=60))
    assert (await campaign_progress.list_all(call(house))).data["rows"] == []


async def test_an_asterisk_of_a_selector_does_not_end_the_bold_of_a_title(house: Campaigns) -> None:
    await a_fleet(house, 2)
    plan = await bulk.restart(call(house), parse("dev-*,never-*"))
    assert plan.data["title"] == "Restart of id:dev-∗,never-∗"
    assert plan.data["selector"] == "id:dev-*,never-*"


async def test_the_preview_names_the_ids_that_no_device_has(house: Campaigns) -> None:
    await a_fleet(house, 2)
    plan = await bulk.config(call(house), NEW, parse("dev-00 dev-99 never-* -dev-98"))
    assert plan.data["notes"] == [":warning: Not in the registry: dev-99."]
    many = " ".join(f"gone-{number}" for number in range(12))
    [note] = (await bulk.config(call(house), NEW, parse(f"dev-00 {many}"))).data["notes"]
    assert note.endswith("gone-9 and 2 more.")


async def test_a_plan_without_devices_is_refused_with_the_reason(house: Campaigns) -> None:
    await a_fleet(house, 3, reported_config_version=NEW, target_config_version=NEW)
    with pytest.raises(Refused, match="None of the devices that match all can take part: 3 × has it already"):
        await bulk.config(call(house), NEW, parse("all"))
    with pytest.raises(Refused, match="No device matches site:rome"):
        await bulk.config(call(house), NEW, parse("site:rome"))


async def test_a_group_that_is_none_is_refused_with_those_that_are_like_it(house: Campaigns) -> None:
    await a_fleet(house, 3)
    async with house.db.begin() as session:
        await groups.save(session, "canary", parse("dev-00"), "", "U0OLGA", house.now)
    for which, canary in (("-group:canry", None), ("all", "group:canry")):
        with pytest.raises(NotFound, match=r"There is no group called canry\. Did you mean canary\?"):
            await bulk.config(call(house), NEW, parse(which), canary=canary)
    await bulk.config(call(house), NEW, parse("all"), canary="group:can*")


async def test_the_preview_warns_of_a_canary_that_is_everybody(house: Campaigns) -> None:
    await a_fleet(house, 3)
    plan = await bulk.config(call(house), NEW, parse("all"), canary="5000")
    assert plan.data["notes"] == [
        ":warning: All 3 devices are canaries: they go in one wave, with no gate between them."
    ]
    assert (await bulk.config(call(house), NEW, parse("dev-00 dev-01"))).data["notes"] == []  # the usual number


async def test_a_canary_of_those_that_all_others_would_go_before_still_goes_first(house: Campaigns) -> None:
    await a_fleet(house, 3)
    with pytest.raises(BadInput, match="none of the 3 devices of this plan that go before those of --last"):
        await bulk.restart(call(house), parse("all"), canary="dev-00", last="dev-00")
    with pytest.raises(BadInput, match="--last names what is not in the registry: dev-77"):
        await bulk.restart(call(house), parse("all"), last="dev-77")
    plan = await bulk.restart(call(house), parse("all"), canary="dev-02", last="dev-*")
    assert (plan.data["waves"], plan.data["sample"][0]) == ("3: first 1, then 2 × 1", "dev-02")


async def test_the_rollout_is_that_of_the_settings_changed_by_the_flags(house: Campaigns) -> None:
    await a_fleet(house, 3)
    plan = await bulk.restart(call(house), parse("all"), canary="none", max_failed="10%", window="22:00-05:00")
    rollout = campaigns.rollout_of(await row_of(house, named(plan)))
    assert (rollout.canary, rollout.max_failed, rollout.window) == ("", 0.1, "22:00-05:00")
    assert (rollout.stagger, rollout.retries, rollout.wave) == (timedelta(seconds=30), 0, "20%")


async def test_those_under_way_are_listed_before_plans_and_each_button_begins_with_its_id(house: Campaigns) -> None:
    await a_fleet(house, 3)
    first = await begun(house, "site:oslo")
    await house.later(seconds=1)
    plan = named(await bulk.config(call(house), NEW, parse("all")))
    listed = await campaign_progress.list_all(call(house))
    assert [row[0] for row in listed.data["rows"]] == [first[-6:], plan[-6:]]
    assert [each.text for each in listed.buttons] == [
        f"{first[-6:]} Configuration {NEW} for site:oslo",
        f"{plan[-6:]} Configuration {NEW} for all",
    ]


async def test_what_is_excluded_from_a_plan_is_not_approved_with_it(house: Campaigns) -> None:
    await a_fleet(house, 4)
    plan = await bulk.config(call(house), NEW, parse("all"))
    before = await row_of(house, named(plan))
    await campaign_targets.exclude(call(house), named(plan), parse("dev-00"))
    after = await row_of(house, named(plan))
    assert (before.targets, after.targets) == (4, 3)
    assert before.targets_sha256 != after.targets_sha256
    await campaign_approval.ask(call(house), named(plan))
    await house.settle()
    assert await states(house, named(plan)) == {"skipped": 1, "dispatched": 1, "planned": 2}
    with pytest.raises(Refused, match="is running: there is nothing to ask for"):
        await campaign_approval.ask(call(house), named(plan))


async def test_the_preview_says_how_many_have_an_open_alert_and_go_first_with_it(house: Campaigns) -> None:
    await a_fleet(house, 6)
    states = {"dev-00": AlertState.ACKNOWLEDGED, "dev-01": AlertState.RESOLVED, "dev-05": AlertState.OPEN}
    async with house.db.begin() as session:
        for device_id, state in states.items():
            alert = {"id": f"al-{device_id}", "kind": AlertKind.DRIFT, "state": state, "opened_at": house.now}
            session.add(Alert(**alert, key=device_id, device_id=device_id))
            await session.flush()
            place = {"id": f"am-{device_id}", "kind": AlertKind.DRIFT, "joined_at": house.now}
            session.add(AlertDevice(**place, alert_id=alert["id"], device_id=device_id))
    plan = await bulk.config(call(house), NEW, parse("all"), canary="dev-00,dev-01")
    assert plan.data["notes"] == [
        ":warning: 2 of these devices have open alerts, 1 of the 2 canaries among them: what is wrong with them may "
        "trip a gate."
    ]
    assert (await bulk.config(call(house), NEW, parse("dev-01"))).data["notes"] == []


async def test_nobody_is_asked_to_approve_a_plan_of_nobody(house: Campaigns) -> None:
    await a_fleet(house, 2)
    plan = named(await bulk.config(call(house), NEW, parse("all")))
    await campaign_targets.exclude(call(house), plan, parse("all"))
    with pytest.raises(Refused, match="Nobody is left in the plan"):
        await campaign_approval.ask(call(house), plan)


async def test_a_top_up_is_a_plan_of_its_own_for_those_that_joined(house: Campaigns) -> None:
    await a_fleet(house, 2)
    first = await begun(house, "site:bergen")
    async with house.db.begin() as session:
        await session.execute(devices.update().values(site="bergen", target_config_version=OLD))
    await all_online(house)
    plan = await bulk.top_up(call(house), first)
    assert (plan.data["title"], plan.data["targets"]) == (f"Configuration {NEW} for site:bergen (top-up)", 1)
    assert (await row_of(house, named(plan))).parent_id == first


async def test_a_top_up_without_anybody_new_says_whether_devices_match_at_all(house: Campaigns) -> None:
    await a_fleet(house, 2)
    first = await begun(house, "site:bergen")
    with pytest.raises(Refused, match=f"All devices that match site:bergen are in campaign {first[-6:]} already"):
        await bulk.top_up(call(house), first)
    async with house.db.begin() as session:
        await session.execute(devices.update().values(site="oslo"))
    with pytest.raises(Refused, match="No device matches site:bergen"):
        await bulk.top_up(call(house), first)


async def test_the_very_same_is_not_asked_for_twice_and_a_plan_names_what_waits_for_its_devices(
    db: Database, now: datetime
) -> None:
    house = Campaigns(db, settings_for(approvals={"policies": [{"operation": "*", "approvals": 1}]}), now)
    await a_fleet(house, 4)
    first, again = [named(await bulk.restart(call(house), parse("all"))) for _ in range(2)]
    approval = (await campaign_approval.ask(call(house), first)).data["approval_id"]
    with pytest.raises(
        Refused, match=f"The same was asked for already, and waits: /fleet approve show {approval[-6:]}"
    ):
        await campaign_approval.ask(call(house), again)
    other = await bulk.restart(call(house), parse("all"), at=house.now + timedelta(days=1))
    await campaign_approval.ask(call(house), named(other))
    plan = await bulk.config(call(house), NEW, parse("dev-00 dev-01"))
    assert plan.data["notes"] == [
        f":warning: 2 of these devices are also in Restart of all ({each[-6:]}), which waits for approval: each of the "
        "two leaves out what the other is at."
        for each in (first, named(other))
    ]
    await approve.cancel(call(house), approval)
    await house.settle()
    await campaign_approval.ask(call(house), again)


async def test_whoever_approves_sees_the_rules_of_the_campaign_and_which_it_is(house: Campaigns) -> None:
    await a_fleet(house, 3)
    plan = await bulk.config(call(house), NEW, parse("all"))
    asked = await campaign_approval.ask(call(house), named(plan))
    said = (await approve.show(call(house), str(asked.data["approval_id"]))).data
    assert (said["rules"], said["campaign_id"]) == (plan.data["rollout"], named(plan))
    assert "rollout" not in dict(said["params"])


async def test_whoever_approves_sees_when_it_begins_for_whom_and_how_long_it_takes(house: Campaigns) -> None:
    await a_fleet(house, 3)
    at = house.now + timedelta(hours=9)
    plan = await bulk.config(call(house), NEW, parse("site:oslo"), at=at)
    asked = (await campaign_approval.ask(call(house), named(plan))).data
    assert (asked["starts_at"], asked["selector"], asked["online"]) == (at, "site:oslo", 1)
    assert asked["takes_s"] == plan.data["takes_s"] > 0
    freeze = Freeze(since=at, until=at + timedelta(days=1), why="Black Friday")
    frozen = house.settings.campaigns.model_copy(update={"freezes": (freeze,)})
    house.settings = house.settings.model_copy(update={"campaigns": frozen})
    said = (await approve.show(call(house), asked["approval_id"])).data
    assert (said["starts_at"], said["frozen"]["why"]) == (freeze.until, "Black Friday")
    assert {"at", "selector"}.isdisjoint(dict(said["params"]))
