"""Campaigns on real rows: waves, gates, offline devices, people who pause, retry and stop; the test turns the clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from commands import bulk, campaign, campaign_approval, campaign_progress, campaign_targets
from commands import fleet as glance
from commands.spec import Rest
from fleet.campaign import CampaignStatus
from fleet.errors import Refused
from fleet.lifecycle import DeviceStatus
from fleet.roles import Person, Role
from fleet.rollout import Frozen
from fleet.selector import parse
from fleet.settings import Freeze, Settings, SiteZone
from jobs.campaign_reports import report
from storage import campaigns, schedule
from storage.db import Database
from storage.tables import devices, operations
from tests import build
from tests.build import NEW, OLD
from tests.campaigns import (
    NOBODY_NEEDED,
    Campaigns,
    a_fleet,
    ack,
    all_online,
    begun,
    call,
    named,
    row_of,
    states,
    under_way,
)
from tests.conftest import settings_for
from tests.house import House


@pytest.fixture
def settings() -> Settings:
    return settings_for(
        approvals=NOBODY_NEEDED, campaigns={"canary": "2", "wave": "50%", "soak": "1m", "ack_within": "2m"}
    )


@pytest.fixture
def house(db: Database, settings: Settings, now: datetime) -> House:
    return Campaigns(db, settings, now)


async def test_a_configuration_goes_out_wave_by_wave_and_each_ack_is_accounted(house: House) -> None:
    ids = await a_fleet(house, 10)
    campaign_id = await begun(house)
    canaries = await under_way(house, campaign_id)
    assert len(canaries) == 2
    assert [len(house.publish.pushes(each)) for each in ids] == [int(each in canaries) for each in ids]
    await ack(house, canaries)
    assert (await row_of(house, campaign_id)).status is CampaignStatus.SOAKING
    await house.later(seconds=61)
    for wave in (2, 3):
        await all_online(house)
        sent = await under_way(house, campaign_id)
        assert len(sent) == 4
        assert (await row_of(house, campaign_id)).wave == wave
        await ack(house, sent)
        await house.later(seconds=61)
    done = await row_of(house, campaign_id)
    assert (done.status, await states(house, campaign_id)) == (CampaignStatus.DONE, {"succeeded": 10})
    async with house.db.read() as session:
        assert set(await session.scalars(select(devices.c.target_config_version))) == {NEW}
        assert (await session.scalars(select(operations.c.campaign_id))).all() == [campaign_id] * 10


async def test_a_failing_canary_pauses_the_campaign_before_the_second_wave_and_calls_people(house: House) -> None:
    await a_fleet(house, 10)
    campaign_id = await begun(house)
    first, second = await under_way(house, campaign_id)
    await ack(house, [first], "rejected", error="no room")
    paused = await row_of(house, campaign_id)
    assert paused.status is CampaignStatus.PAUSED
    assert paused.why == "1 of 1 canaries failed (100.0%); none may."
    await ack(house, [second])
    await house.later(hours=1)
    assert await states(house, campaign_id) == {"rejected": 1, "succeeded": 1, "planned": 8}
    assert [each.message.template for each in house.deliver.posts()] == ["bulk/campaign", "bulk/stopped"]
    live = house.deliver.edits()[-1].message
    assert [each.text for each in live.buttons] == [
        "Resume",
        "Abort",
        "Retry failed",
        "Exclude gw2 and go on",
        "Details",
    ]


async def test_whoever_resumes_accepts_what_failed_so_far_and_no_more(house: House) -> None:
    await a_fleet(house, 10)
    campaign_id = await begun(house)
    first, second = await under_way(house, campaign_id)
    await ack(house, [first], "rejected")
    await campaign.resume(call(house), campaign_id)
    await ack(house, [second])
    await house.later(seconds=61)
    assert (await row_of(house, campaign_id)).wave == 2
    await ack(house, (await under_way(house, campaign_id))[:1], "rejected")
    assert (await row_of(house, campaign_id)).status is CampaignStatus.PAUSED


async def test_what_failed_while_somebody_had_paused_it_is_not_accepted_unseen(house: House) -> None:
    await a_fleet(house, 10)
    campaign_id = await begun(house)
    first, _ = await under_way(house, campaign_id)
    await campaign.pause(call(house), campaign_id)
    await ack(house, [first], "rejected")
    await house.settle()
    assert (await campaign.resume(call(house), campaign_id)).data["what"] == "held"
    await house.later(hours=1)
    held = await row_of(house, campaign_id)
    assert (held.status, held.wave) == (CampaignStatus.PAUSED, 1)
    assert held.why == "1 of 1 canaries failed (100.0%); none may."
    assert house.deliver.posts()[-1].message.template == "bulk/stopped"
    assert (await campaign.resume(call(house), campaign_id)).data["what"] == "resumed"
    await house.settle()
    assert (await row_of(house, campaign_id)).status is CampaignStatus.SOAKING


async def test_a_retry_of_an_earlier_wave_leaves_what_was_accepted_in_the_present_one(house: House) -> None:
    await a_fleet(house, 10)
    campaign_id = await begun(house)
    canaries = await under_way(house, campaign_id)
    await ack(house, canaries, "rejected")
    await campaign.resume(call(house), campaign_id)
    await house.settle()
    await house.later(seconds=61)
    await ack(house, (await under_way(house, campaign_id))[:1], "rejected")
    await campaign.resume(call(house), campaign_id)
    assert (await row_of(house, campaign_id)).forgiven_failed == 1
    await campaign_targets.retry(call(house), campaign_id, parse(f"id:{canaries[0]}"))
    await house.settle()
    row = await row_of(house, campaign_id)
    assert (row.status, row.wave, row.forgiven, row.forgiven_failed) == (CampaignStatus.RUNNING, 2, 1, 1)


async def test_offline_devices_are_parked_count_in_no_gate_and_come_back_when_heard(house: House) -> None:
    ids = await a_fleet(house, 4)
    async with house.db.begin() as session:
        away = devices.c.device_id.in_(ids[2:])
        await session.execute(devices.update().where(away).values(last_seen_at=house.now - timedelta(days=1)))
    campaign_id = await begun(house, wave="100%")
    await ack(house, await under_way(house, campaign_id))
    await house.later(seconds=61)
    assert await states(house, campaign_id) == {"succeeded": 2, "parked": 2}
    waiting = await row_of(house, campaign_id)
    assert (waiting.status, waiting.wave) == (CampaignStatus.RUNNING, 2)
    await house.later(hours=1)
    await house.say(ids[2], OLD)
    await house.later(seconds=16)
    assert await under_way(house, campaign_id) == [ids[2]]
    await ack(house, [ids[2]])
    await house.later(days=7)
    assert await states(house, campaign_id) == {"succeeded": 3, "skipped": 1}
    assert (await row_of(house, campaign_id)).status is CampaignStatus.DONE


async def test_a_silent_device_that_is_online_is_retried_and_then_timed_out(house: House) -> None:
    [only] = await a_fleet(house, 1)
    campaign_id = await begun(house)
    for _ in range(2):
        await house.later(seconds=61)
        await house.say(only, OLD)
        await house.later(seconds=61)
    assert len(house.publish.pushes(only)) == 2
    assert await states(house, campaign_id) == {"timed_out": 1}
    assert (await row_of(house, campaign_id)).status is CampaignStatus.FAILED
    await all_online(house)
    await campaign_targets.retry(call(house), campaign_id)
    await house.settle()
    await ack(house, [only])
    assert (await row_of(house, campaign_id)).status is CampaignStatus.DONE


async def test_the_sweep_leaves_devices_alone_while_a_campaign_asks_them(house: House) -> None:
    await a_fleet(house, 3)
    await begun(house)
    before = len(house.publish.sent)
    async with house.db.begin() as session:
        await schedule.bring_forward(session, schedule.SWEEP, house.now)
    await house.settle()
    assert len(house.publish.sent) == before


async def test_a_pause_takes_back_what_has_not_left_and_abort_leaves_the_rest_alone(house: House) -> None:
    ids = await a_fleet(house, 6)
    house.publish.connected = False
    campaign_id = await begun(house)
    assert await states(house, campaign_id) == {"dispatched": 2, "planned": 4}
    await campaign.pause(call(house), campaign_id)
    assert await states(house, campaign_id) == {"planned": 6}
    house.publish.connected = True
    await house.later(minutes=5)
    assert house.publish.sent == []
    await campaign.resume(call(house), campaign_id)
    await all_online(house)
    await house.settle()
    assert len(house.publish.sent) == 2
    await campaign.abort(call(house), campaign_id, "too loud")
    assert await states(house, campaign_id) == {"dispatched": 2, "cancelled": 4}
    assert (await row_of(house, campaign_id)).status is CampaignStatus.STOPPING
    await ack(house, ids)
    assert await states(house, campaign_id) == {"succeeded": 2, "cancelled": 4}
    assert (await row_of(house, campaign_id)).status is CampaignStatus.ABORTED
    with pytest.raises(Refused, match=r"is aborted .last changed by <@U0OLGA>., so it cannot be paused"):
        await campaign.pause(call(house), campaign_id)
    said = (await campaign_progress.show(call(house), campaign_id)).data
    assert (said["changed_by"], said["why"], said["settled"], said["percent"]) == ("U0OLGA", "too loud", 2, 33)


async def test_a_campaign_that_has_nobody_left_ends_at_once_instead_of_soaking_for_empty_waves(house: House) -> None:
    await a_fleet(house, 8)
    campaign_id = await begun(house)
    await ack(house, await under_way(house, campaign_id), "rejected")
    assert (await row_of(house, campaign_id)).status is CampaignStatus.PAUSED
    said = await campaign_targets.exclude(call(house), campaign_id, parse("all"), go_on=True)
    assert (said.data["status"], said.data["left"], said.data["under_way"]) == ("running", 0, 0)
    await house.settle()
    row = await row_of(house, campaign_id)
    assert (row.status, row.wave, row.waves) == (CampaignStatus.FAILED, 1, 1)
    assert await states(house, campaign_id) == {"rejected": 2, "skipped": 6}


async def test_a_soak_ends_when_the_waves_behind_it_lose_their_last_device(house: House) -> None:
    await a_fleet(house, 4)
    campaign_id = await begun(house)
    await ack(house, await under_way(house, campaign_id))
    assert (await row_of(house, campaign_id)).status is CampaignStatus.SOAKING
    said = await campaign_targets.exclude(call(house), campaign_id, parse("all"))
    assert (said.data["status"], said.data["left"]) == ("soaking", 0)
    await house.settle()
    assert (await row_of(house, campaign_id)).status is CampaignStatus.DONE


async def test_an_abort_says_how_many_devices_the_sweep_goes_on_pushing_to(house: House) -> None:
    await a_fleet(house, 6)
    campaign_id = await begun(house)
    first = (await under_way(house, campaign_id))[0]
    await ack(house, [first])
    said = await campaign.abort(call(house), campaign_id)
    assert (said.data["under_way"], said.data["left_to_the_sweep"]) == (1, 1)
    await house.later(hours=3)
    assert (await row_of(house, campaign_id)).status is CampaignStatus.ABORTED
    await report.work(house.run())
    await house.settle()
    reports = {each.message.template: each.message.data for each in house.deliver.posts()}
    assert reports["bulk/report"]["left_to_the_sweep"] == 1
    async with house.db.begin() as session:
        await session.execute(devices.update().values(target_config_version=OLD))
    assert (await campaign_progress.show(call(house), campaign_id)).data["left_to_the_sweep"] == 0


async def test_the_message_and_its_thread_say_who_paused_it_left_devices_out_and_resumed_it(house: House) -> None:
    await a_fleet(house, 6)
    campaign_id = await begun(house)
    await campaign.pause(call(house), campaign_id, Rest("see what happens"))
    await house.later(seconds=1)
    amir = call(house, Person("U0AMIR", Role.OPERATOR))
    await campaign_targets.exclude(amir, campaign_id, parse("dev-05"))
    last = (await campaign_progress.show(call(house), campaign_id)).data["last"]
    assert (last["what"], last["by"], last["devices"], last["which"]) == ("excluded", "U0AMIR", 1, "id:dev-05")
    await house.later(seconds=1)
    await campaign.resume(call(house), campaign_id)
    last = (await campaign_progress.show(call(house), campaign_id)).data["last"]
    assert (last["what"], last["by"]) == ("resumed", "U0OLGA")
    await house.settle()
    told = [each.message.data["last"] for each in house.deliver.posts() if each.message.template == "bulk/by_whom"]
    by = [(each["what"], each["by"]) for each in told]
    assert by == [("paused", "U0OLGA"), ("excluded", "U0AMIR"), ("resumed", "U0OLGA")]
    assert told[0]["why"] == "see what happens"


async def test_a_device_that_leaves_meanwhile_settles_its_row_and_the_messages_say_why(house: House) -> None:
    ids = await a_fleet(house, 4)
    has_it = build.device("dev-has-it", house.now, reported_config_version=NEW, target_config_version=NEW)
    await build.fleet(house.db, house.now, [has_it])
    campaign_id = await begun(house, wave="100%")
    gone, other = await under_way(house, campaign_id)
    later = [each for each in ids if each not in (gone, other)]
    async with house.db.begin() as session:
        for device_id, columns in (
            (gone, {"status": DeviceStatus.DECOMMISSIONED}),
            (later[0], {"site": "bodo"}),
            (later[1], {"reported_config_version": NEW, "target_config_version": NEW}),
        ):
            await session.execute(devices.update().where(devices.c.device_id == device_id).values(**columns))
    await ack(house, [other])
    await house.later(seconds=61)
    assert await states(house, campaign_id) == {"removed": 1, "succeeded": 1, "skipped": 3}
    assert (await row_of(house, campaign_id)).status is CampaignStatus.DONE
    said = (await campaign_progress.show(call(house), campaign_id)).data
    assert (said["settled"], said["targets"], said["skipped"]) == (2, 4, 2)
    assert said["reasons"] == [[1, "has it already"], [1, "moved to bodo"]]
    assert said["states"] == ["1 succeeded", "2 skipped", "1 removed", "1 left out by the plan (1 × has it already)"]


async def test_the_end_is_reported_with_every_device_as_a_file_and_the_course_as_a_picture(house: House) -> None:
    await a_fleet(house, 4)
    campaign_id = await begun(house, canary="none", wave="100%")
    sent = await under_way(house, campaign_id)
    await ack(house, sent[:3])
    house.now += timedelta(seconds=5)
    await ack(house, sent[3:], "rejected", error="=no room")
    await report.work(house.run())
    await report.work(house.run())
    await house.settle()
    [said] = [each for each in house.deliver.posts() if each.message.template == "bulk/report"]
    assert (said.message.data["succeeded"], said.message.data["failed"]) == (3, 1)
    files = {each.file.name.rpartition(".")[2]: each.file.content for each in house.deliver.posts() if each.file}
    assert set(files) == {"csv", "png"}
    assert files["png"].startswith(b"\x89PNG")
    lines = files["csv"].decode("utf-8-sig").splitlines()
    assert len(lines) == 1 + 4
    assert sum("'=no room" in line for line in lines) == 1


async def test_of_two_who_pause_at_once_the_second_is_told(house: House) -> None:
    await a_fleet(house, 6)
    campaign_id = await begun(house)
    await campaign.pause(call(house), campaign_id)
    with pytest.raises(Refused, match=r"is paused .last changed by <@U0OLGA>., so it cannot be paused"):
        await campaign.pause(call(house, Person("U0BOB", Role.OPERATOR)), campaign_id)


async def test_a_draft_ends_by_itself_and_can_be_discarded(house: House) -> None:
    await a_fleet(house, 6)
    first = named(await bulk.config(call(house), NEW, parse("all")))
    second = named(await bulk.config(call(house), NEW, parse("all")))
    await campaign.abort(call(house), second)
    await house.later(hours=1)
    assert {(await row_of(house, each)).status for each in (first, second)} == {CampaignStatus.EXPIRED}
    assert house.publish.sent == []
    with pytest.raises(Refused, match="is expired: there is nothing to ask for"):
        await campaign_approval.ask(call(house), first)


def live(house: House, campaign_id: str) -> dict[str, Any]:
    """What its message in Slack says now."""
    found = [each.message.data for each in house.deliver.letters if each.key == campaigns.message_key(campaign_id)]
    return found[-1]


def with_campaigns(house: House, **changed: Any) -> Settings:
    """The settings of the house, with other ones for campaigns."""
    return house.settings.model_copy(update={"campaigns": house.settings.campaigns.model_copy(update=changed)})


async def test_a_window_holds_everything_back_until_it_opens_and_the_message_says_so(house: House) -> None:
    await a_fleet(house, 3)
    house.settings = with_campaigns(house, site_timezones=(SiteZone(site="oslo", timezone="Europe/Oslo"),))
    campaign_id = await begun(house, window="16:00-17:00")  # it is 14:30 UTC, and 15:30 in Oslo
    assert await states(house, campaign_id) == {"planned": 3}
    opens = live(house, campaign_id)["opening"]
    assert (opens["at"], opens["sites"], opens["of"]) == ("2026-03-19T15:00:00Z", 1, 2)  # of the two canaries
    await house.later(minutes=29)
    assert house.publish.sent == []
    house.now += timedelta(minutes=1)
    await all_online(house)
    await house.settle()
    assert await states(house, campaign_id) == {"planned": 2, "dispatched": 1}
    opens = live(house, campaign_id)["opening"]
    assert (opens["at"], opens["sites"], opens["of"]) == ("2026-03-19T16:00:00Z", 1, 1)
    await house.later(hours=1)
    assert live(house, campaign_id)["opening"] is None


async def test_a_freeze_holds_everything_back_and_is_said_wherever_one_looks(house: House) -> None:
    await a_fleet(house, 3)
    until = house.now + timedelta(hours=9)
    black_friday = Freeze(since=house.now - timedelta(hours=1), until=until, why="Black Friday")
    house.settings = with_campaigns(house, freezes=(black_friday,))
    planned = await bulk.config(call(house), NEW, parse("all"))
    assert planned.data["frozen"] == Frozen(until, "Black Friday")
    await campaign_approval.ask(call(house), named(planned))
    await house.later(minutes=2)
    assert await states(house, named(planned)) == {"planned": 3}
    assert live(house, named(planned))["frozen"] == {"until": "2026-03-19T23:30:00Z", "why": "Black Friday"}
    shown = await campaign_progress.show(call(house), named(planned))
    for said in (shown, await campaign_progress.list_all(call(house)), await glance.status(call(house))):
        assert "Black Friday" in str(said.data["frozen"])
    house.now = until
    await all_online(house)
    await house.settle()
    assert await states(house, named(planned)) == {"planned": 1, "dispatched": 2}
    assert live(house, named(planned))["frozen"] is None


async def test_a_freeze_that_begins_meanwhile_is_said_in_the_message_at_once(house: House) -> None:
    await a_fleet(house, 6)
    campaign_id = await begun(house, canary="none", wave="none", max_unavailable=1)
    freeze = Freeze(since=house.now + timedelta(seconds=30), until=house.now + timedelta(hours=9))
    house.settings = with_campaigns(house, freezes=(freeze,))
    await house.later(seconds=29)
    assert live(house, campaign_id)["frozen"] is None
    await house.later(seconds=15)
    assert live(house, campaign_id)["frozen"] == {"until": "2026-03-19T23:30:00Z", "why": ""}


async def test_a_budget_lets_so_many_devices_of_a_site_be_under_way(house: House) -> None:
    await a_fleet(house, 9)
    campaign_id = await begun(house, canary="none", wave="100%", max_unavailable=2)
    assert await states(house, campaign_id) == {"dispatched": 6, "planned": 3}
    first = (await under_way(house, campaign_id))[0]
    await ack(house, [first])
    assert await states(house, campaign_id) == {"succeeded": 1, "dispatched": 6, "planned": 2}


async def test_of_two_campaigns_for_one_device_the_later_leaves_it_out(house: House) -> None:
    await a_fleet(house, 3)
    first = named(await bulk.config(call(house), NEW, parse("all")))
    second = named(await bulk.config(call(house), NEW, parse("all"), soak=timedelta(minutes=2)))
    for each in (second, first):
        await campaign_approval.ask(call(house), each)
    await house.settle()
    told = await states(house, second) + await states(house, first)
    assert told["skipped"] >= 1
    async with house.db.read() as session:
        asked = (await session.scalars(select(operations.c.device_id))).all()
    assert len(asked) == len(set(asked))
