"""Firmware campaigns on real rows: proven on a new boot, rollbacks honoured, and the way back when one is aborted."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select, update

from storage import campaigns
from storage.db import Database
from storage.tables import Campaign, campaign_devices, devices
from tests import build
from tests.conftest import NOW, ON_SQLITE, settings_for
from tests.house import House
from tests.typed import refused, types

SHA = "0f" * 32


@pytest.fixture
async def house(db: Database) -> House:
    """dev-1 to dev-6 run 1.4.0; dev-1 and dev-2 are the canaries."""
    policy = {"wave": "100%", "soak": "1m", "firmware_within": "10m", "retries": 0, "max_failed": 0.5}
    house = House(db, settings_for(approvals={"policies": [{"approvals": 0}]}, campaigns=policy), NOW)
    rows = [build.device(f"dev-{n}", NOW, boot_id="b1", last_seen_at=NOW) for n in range(1, 7)]
    await build.fleet(db, NOW, rows, groups=[{"name": "canary", "device_id": each} for each in ("dev-1", "dev-2")])
    await types(house, f"firmware add 2.0 https://files.example.com/2.0 {SHA} 500")
    return house


async def begun(house: House, line: str = "bulk firmware 2.0 all") -> str:
    planned = await types(house, line)
    await types(house, f"bulk ask {planned.data['campaign_id']}")
    await house.settle()
    return str(planned.data["campaign_id"])


async def the_campaign(house: House, campaign_id: str) -> Campaign:
    async with house.db.read() as session:
        return await campaigns.get(session, campaign_id)


async def states(house: House, campaign_id: str) -> dict[str, tuple[str, str]]:
    async with house.db.read() as session:
        statement = select(campaign_devices).where(campaign_devices.c.campaign_id == campaign_id)
        rows = await session.execute(statement.order_by(campaign_devices.c.device_id))
        return {row.device_id: (row.state.value, row.why) for row in rows}


async def runs(house: House, *device_ids: str, version: str = "2.0", boot: str = "b2") -> None:
    """Statuses of devices."""
    for each in device_ids:
        await house.say(each, build.NEW, firmware_version=version, boot_id=boot)
    await house.settle()


def ordered(house: House, device_id: str) -> list[dict[str, Any] | None]:
    """What was published on its firmware topic, in order; None for what cleared it."""
    mine = [each for each in house.publish.sent if each.topic == f"{device_id}/firmware/desired"]
    assert all(each.retain for each in mine)
    return [json.loads(each.payload) if each.payload else None for each in mine]


async def test_the_canary_group_goes_first_and_only_a_new_boot_proves_the_version(house: House) -> None:
    campaign_id = await begun(house)
    assert [bool(ordered(house, f"dev-{n}")) for n in range(1, 7)] == [True, True, False, False, False, False]
    await house.hear("dev-1/firmware/state", {"version": "2.0", "state": "downloading", "progress": 10})
    assert (await states(house, campaign_id))["dev-1"] == ("acked", "")
    await runs(house, "dev-1", "dev-2", boot="b1")  # says so before it has rebooted
    assert Counter(state for state, _ in (await states(house, campaign_id)).values())["succeeded"] == 0
    await runs(house, "dev-1", "dev-2")
    await house.later(seconds=61)
    assert all(ordered(house, f"dev-{n}") for n in range(1, 7))
    await runs(house, "dev-3", "dev-4", "dev-5", "dev-6")
    assert set((await states(house, campaign_id)).values()) == {("succeeded", "")}
    assert (await the_campaign(house, campaign_id)).status == "done"
    assert ordered(house, "dev-1")[-1] is not None  # it stays retained: that is what the device should run
    assert "has it already" in await refused(house, "bulk firmware 2.0 all")


@ON_SQLITE
async def test_a_rollback_counts_even_after_the_success_and_stops_the_campaign_at_its_canaries(house: House) -> None:
    campaign_id = await begun(house)
    await runs(house, "dev-1", "dev-2")
    assert (await the_campaign(house, campaign_id)).status == "soaking"
    await house.hear("dev-2/firmware/state", {"version": "2.0", "state": "rolled_back", "error": "no network"})
    await house.settle()
    assert (await states(house, campaign_id))["dev-2"] == ("rejected", "It rolled back: no network")
    assert (await the_campaign(house, campaign_id)).status == "paused"
    await house.later(minutes=30)
    assert not ordered(house, "dev-3")


async def test_an_abort_clears_what_is_retained_and_brings_updated_devices_back(house: House) -> None:
    preview = await types(house, "bulk firmware 2.0 all --downgrade-on-abort")
    assert "but for 6 whose firmware is not kept here" in preview.data["notes"][-1]
    await types(house, f"firmware add 1.4.0 https://files.example.com/1.4.0 {SHA} 400")
    campaign_id = await begun(house, "bulk firmware 2.0 all --downgrade-on-abort")
    await runs(house, "dev-1")
    await types(house, f"bulk abort {campaign_id}")
    await house.settle()
    assert (await the_campaign(house, campaign_id)).status == "stopping"  # dev-2 is in the middle of it
    await house.hear("dev-2/firmware/state", {"version": "2.0", "state": "failed", "error": "no room"})
    await house.settle()
    await house.settle()  # what an end asks for is sent after it
    assert (await the_campaign(house, campaign_id)).status == "aborted"
    assert ordered(house, "dev-2")[1:] == [None]
    assert [each["version"] if each else None for each in ordered(house, "dev-1")] == ["2.0", "1.4.0"]
    [back] = [each for each in (await types(house, "bulk list")).data["rows"] if each[1] == "Back to firmware 1.4.0"]
    await runs(house, "dev-1", version="1.4.0", boot="b3")
    assert (await the_campaign(house, back[0])).status == "done"
    assert await states(house, (await the_campaign(house, back[0])).id) == {"dev-1": ("succeeded", "")}


async def test_devices_whose_former_firmware_is_not_kept_stay_and_the_abort_says_so(house: House) -> None:
    async with house.db.begin() as session:
        await session.execute(update(devices).where(devices.c.device_id == "dev-2").values(firmware_version="1.3"))
    await types(house, f"firmware add 1.3 https://files.example.com/1.3 {SHA} 400")
    campaign_id = await begun(house, "bulk firmware 2.0 all --downgrade-on-abort")
    await runs(house, "dev-1", "dev-2")
    stay = {"version": "2.0", "devices": 1, "former": [[1, "1.4.0"]]}
    assert (await types(house, f"bulk abort {campaign_id}")).data["no_way_back"] == stay
    await house.settle()
    titles = [each[1] for each in (await types(house, "bulk list")).data["rows"]]
    assert sorted(titles) == ["Back to firmware 1.3", "Firmware 2.0 for all"]  # there is none of nobody
    [report] = [each.message for each in house.deliver.letters if each.message.template == "bulk/report"]
    assert report.data["no_way_back"] == stay
    assert (await types(house, f"bulk show {campaign_id}")).data["no_way_back"] == stay
    await runs(house, "dev-1", version="1.4.0", boot="b3")  # somebody has brought it back by hand
    assert (await types(house, f"bulk show {campaign_id}")).data["no_way_back"] is None


@ON_SQLITE
async def test_those_that_the_plan_left_out_are_shown_with_the_reasons(house: House) -> None:
    await runs(house, "dev-6")
    campaign_id = await begun(house)
    shown = (await types(house, f"bulk show {campaign_id}")).data["states"]
    assert shown[-1] == "1 left out by the plan (1 × has it already)"


@ON_SQLITE
async def test_without_a_canary_among_the_devices_others_go_first_and_the_preview_says_so(house: House) -> None:
    preview = await types(house, "bulk firmware 2.0 dev-3 dev-4")
    assert preview.data["notes"] == [":warning: None of these devices is in group:canary: 2 of them go first."]
    await runs(house, "dev-1", "dev-2")  # the canaries have it already: they prove nothing any more
    preview = await types(house, "bulk firmware 2.0 dev-1 dev-2 dev-3 --wave 100%")
    assert preview.data["notes"] == [":warning: None of these devices is in group:canary: 1 of them goes first."]
    assert ["Canary", "5"] in preview.data["rollout"]
    assert "There is no firmware called 9.9" in await refused(house, "bulk firmware 9.9 all")
