"""What failed, group by group: the buttons of the live message, and the same line typed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from commands import campaign, campaign_targets
from fleet.campaign import TargetState
from fleet.errors import FleetError, NotFound
from fleet.message import Button
from fleet.selector import parse
from fleet.settings import Settings
from jobs.campaign_reports import report
from storage import campaign_news
from storage.db import Database
from storage.tables import campaign_devices, devices
from tests.campaigns import NOBODY_NEEDED, Campaigns, a_fleet, ack, begun, call, named, row_of, states
from tests.conftest import settings_for
from tests.typed import refused, types


@pytest.fixture
def settings() -> Settings:
    return settings_for(approvals=NOBODY_NEEDED, campaigns={"canary": "", "wave": "100%", "retries": 0})


@pytest.fixture
def house(db: Database, settings: Settings, now: datetime) -> Campaigns:
    return Campaigns(db, settings, now)


async def three_groups(house: Campaigns) -> str:
    """Three of one model failed with two causes, two of another without a word; one succeeded."""
    ids = await a_fleet(house, 6)
    async with house.db.begin() as session:
        other = devices.c.device_id.in_(ids[3:5])
        await session.execute(devices.update().where(other).values(model="gw 3", firmware_version=""))
    campaign_id = await begun(house, max_failed="100%")
    await ack(house, ids[:2], "rejected", error="no `room`")
    await ack(house, ids[2:3], "rejected", error="bad checksum")
    await ack(house, ids[3:5], "rejected")
    await ack(house, ids[5:])
    return campaign_id


async def buttons(house: Campaigns, campaign_id: str, beginning: str) -> Sequence[Button]:
    async with house.db.read() as session:
        said = await campaign_news.message(session, await row_of(house, campaign_id), house.now, house.settings)
    return [each for each in said.buttons if each.text.startswith(beginning)]


async def tried_again(house: Campaigns, campaign_id: str) -> list[str]:
    target = campaign_devices.c
    async with house.db.read() as session:
        chosen = (target.campaign_id == campaign_id, target.state == TargetState.PLANNED)
        return sorted(await session.scalars(select(target.device_id).where(*chosen)))


async def test_each_group_of_failures_has_a_button_that_tries_exactly_its_devices_again(house: Campaigns) -> None:
    campaign_id = await three_groups(house)
    found = {each.text: each.run for each in await buttons(house, campaign_id, "Retry these")}
    assert list(found) == [
        "Retry these 2: gw2 1.4.0, no `room`",
        "Retry these 2: gw 3, rejected",
        "Retry these 1: gw2 1.4.0, bad checksum",
    ]
    said = await types(house, found["Retry these 1: gw2 1.4.0, bad checksum"])
    assert (said.data["count"], await tried_again(house, campaign_id)) == (1, ["dev-02"])
    assert said.data["which"] == '--cause "bad checksum" --model "gw2" --firmware "1.4.0"'
    await types(house, found["Retry these 2: gw 3, rejected"])
    assert await tried_again(house, campaign_id) == ["dev-02", "dev-03", "dev-04"]


async def test_a_device_that_was_updated_since_stays_in_its_group(house: Campaigns) -> None:
    campaign_id = await three_groups(house)
    async with house.db.begin() as session:
        await session.execute(devices.update().values(firmware_version="9.9"))
    [button, *_] = await buttons(house, campaign_id, "Retry these")
    await types(house, button.run)
    assert await tried_again(house, campaign_id) == ["dev-00", "dev-01"]


async def test_the_line_can_be_typed_with_the_words_of_the_table(house: Campaigns) -> None:
    campaign_id = await three_groups(house)
    await types(house, f'bulk retry {campaign_id[-6:]} dev-01 --cause "no" --model gw2')
    assert await tried_again(house, campaign_id) == ["dev-01"]
    assert 'What failed: "bad checksum"' in await refused(house, f'bulk retry {campaign_id} --cause "too old"')
    assert "There is no group called canry" in await refused(house, f"bulk retry {campaign_id} group:canry")


async def test_of_two_who_press_at_once_one_is_told_that_somebody_was_faster(house: Campaigns) -> None:
    campaign_id = await three_groups(house)
    [button, *_] = await buttons(house, campaign_id, "Retry these")
    both = await asyncio.gather(*(types(house, button.run) for _ in range(2)))
    assert sorted(each.template for each in both) == ["bulk/changed", "problem"]
    late = await asyncio.gather(
        *(campaign_targets.retry(call(house), campaign_id, model="gw 3") for _ in range(2)), return_exceptions=True
    )
    [told] = [str(each) for each in late if isinstance(each, FleetError)]
    assert "perhaps somebody has just tried them again. Nothing was changed." in told


async def test_a_model_is_excluded_once_by_one_button_whatever_its_devices_failed_with(house: Campaigns) -> None:
    ids = await a_fleet(house, 6)
    campaign_id = await begun(house, canary="3")
    for each, error in zip(ids, ("no room", "bad checksum"), strict=False):
        await ack(house, [each], "rejected", error=error)
    [button] = await buttons(house, campaign_id, "Exclude")
    assert button.text == "Exclude gw2 and go on"
    await types(house, button.run)
    assert (await states(house, campaign_id))["skipped"] == 3
    assert "perhaps somebody has just left them out" in await refused(house, button.run)
    with pytest.raises(NotFound, match="There is no group called canry"):
        await campaign_targets.exclude(call(house), campaign_id, parse("group:canry"))


async def test_what_was_to_be_tried_again_when_somebody_aborts_stands_as_failed_with_its_cause(
    house: Campaigns,
) -> None:
    campaign_id = await three_groups(house)
    before = [each.run for each in await buttons(house, campaign_id, "Retry these")]
    house.publish.connected = False
    async with house.db.begin() as session:
        away = devices.c.device_id == "dev-00"
        await session.execute(devices.update().where(away).values(last_seen_at=house.now - timedelta(days=1)))
    await campaign_targets.retry(call(house), campaign_id)
    await house.settle()
    assert await states(house, campaign_id) == {"succeeded": 1, "dispatched": 4, "parked": 1}
    await campaign.abort(call(house), campaign_id)
    await house.settle()
    await report.work(house.run())
    await house.settle()
    [said] = [each.message for each in house.deliver.posts() if each.message.template == "bulk/report"]
    assert (said.data["status"], said.data["failed"], said.data["states"]) == (
        "aborted",
        5,
        ["1 succeeded", "5 failed"],
    )
    assert [each["why"] for each in said.data["failures"]] == ["no `room`", "rejected", "bad checksum"]
    assert [each.run for each in said.buttons if each.text.startswith("Retry these")] == before


async def test_what_was_to_be_tried_again_and_stays_offline_ends_as_failed(house: Campaigns) -> None:
    campaign_id = await three_groups(house)
    async with house.db.begin() as session:
        await session.execute(devices.update().values(last_seen_at=house.now - timedelta(days=1)))
    await campaign_targets.retry(call(house), campaign_id)
    await house.settle()
    assert await states(house, campaign_id) == {"succeeded": 1, "parked": 5}
    await house.later(days=7)
    assert await states(house, campaign_id) == {"succeeded": 1, "failed": 5}


async def test_the_report_has_the_same_buttons(house: Campaigns) -> None:
    campaign_id = await three_groups(house)
    await report.work(house.run())
    await house.settle()
    [said] = [each.message for each in house.deliver.posts() if each.message.template == "bulk/report"]
    assert [each.text[:13] for each in said.buttons] == [
        "Retry failed",
        *["Retry these 2"] * 2,
        "Retry these 1",
        "Details",
    ]
    assert named(said) == campaign_id
