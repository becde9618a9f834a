"""Rehearsals: the engine itself in virtual time, against simulated devices; the real ones hear nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from commands import bulk, campaign_rehearsal
from fleet.campaign import CampaignStatus
from fleet.errors import BadInput
from fleet.lifecycle import DeviceStatus
from fleet.message import Message
from fleet.rehearsal import Behaviour
from fleet.selector import parse
from fleet.settings import LifecycleSettings, Settings
from jobs.rehearsals import rehearse
from storage.db import Database
from storage.tables import certificates, decommissions, devices
from tests import build
from tests.build import NEW
from tests.campaigns import Campaigns, a_fleet, call, named, row_of, states
from tests.conftest import settings_for
from tests.typed import types


@pytest.fixture
def settings() -> Settings:
    return settings_for(campaigns={"canary": "2", "wave": "50%", "soak": "10m", "rehearse_limit": 20})


@pytest.fixture
def house(db: Database, settings: Settings, now: datetime) -> Campaigns:
    return Campaigns(db, settings, now)


async def rehearsed(house: Campaigns, plan: Message, **flags: Any) -> Message:
    await campaign_rehearsal.rehearse(call(house), named(plan), **flags)
    await rehearse.work(house.run())
    await house.settle()
    return house.deliver.posts()[-1].message


async def test_a_rehearsal_says_how_long_it_takes_and_touches_no_device(house: Campaigns) -> None:
    await a_fleet(house, 12)
    plan = await bulk.config(call(house), NEW, parse("all"))
    said = await rehearsed(house, plan)
    assert (said.template, said.data["status"], said.data["succeeded"]) == ("bulk/rehearsed", "done", 12)
    assert timedelta(minutes=20) <= timedelta(seconds=said.data["took_s"]) < timedelta(minutes=25)  # two soaks
    assert house.publish.sent == []
    assert await states(house, named(plan)) == {"planned": 12}
    assert (await row_of(house, named(plan))).status is CampaignStatus.PLANNED


async def test_a_rehearsal_names_the_gate_that_would_have_tripped(house: Campaigns) -> None:
    await a_fleet(house, 12)
    plan = await bulk.config(call(house), NEW, parse("all"))
    with capture_logs(processors=[merge_contextvars]) as logged:
        said = await rehearsed(house, plan, rejecting="gw2")
    assert ["rehearsal" in each for each in logged if "paused by its gate" in each["event"]] == [True]
    assert said.data["status"] == "paused"
    assert "canaries failed" in said.data["why"]
    assert said.data["wave"] == 1


async def test_a_staggered_restart_takes_its_time_and_offline_devices_none(house: Campaigns) -> None:
    await a_fleet(house, 12, boot_id="boot-1")
    plan = await bulk.restart(call(house), parse("all"), canary="none", wave="100%")
    said = await rehearsed(house, plan, offline="50%")
    there = [each for each in range(12) if not Behaviour(offline=0.5).is_offline(f"dev-{each:02}", True)]
    assert said.data["succeeded"] == len(there)
    most_at_a_site = max(sum(each % 3 == site for each in there) for site in range(3))
    assert said.data["took_s"] >= 30 * (most_at_a_site - 1)


async def test_of_a_large_campaign_a_part_is_played(house: Campaigns) -> None:
    await a_fleet(house, 50)
    said = await rehearsed(house, await bulk.config(call(house), NEW, parse("all")))
    assert said.data["every"] == 3
    assert said.data["succeeded"] == 2 + sum(place % 3 == 0 for place in range(3, 51))


async def test_a_part_that_is_no_percentage_and_a_model_that_no_device_has_are_refused(house: Campaigns) -> None:
    await a_fleet(house, 3)
    plan = await bulk.config(call(house), NEW, parse("all"))
    with pytest.raises(Exception, match="--failing needs a percentage"):
        await campaign_rehearsal.rehearse(call(house), named(plan), failing="lots")
    with pytest.raises(BadInput, match=r"--rejecting gw99: no device .* is of that model\. Its models are gw2\."):
        await campaign_rehearsal.rehearse(call(house), named(plan), rejecting="gw99")
    with pytest.raises(Exception, match="There is no campaign called"):
        await campaign_rehearsal.rehearse(call(house), "7QK2ZD")


def test_simulated_devices_behave_the_same_every_time() -> None:
    one, two = Behaviour(failing=0.3, offline=0.2), Behaviour(failing=0.3, offline=0.2)
    ids = [f"dev-{number}" for number in range(2000)]
    assert [one.fails(each, "") for each in ids] == [two.fails(each, "") for each in ids]
    assert 0.25 < sum(one.fails(each, "") for each in ids) / len(ids) < 0.35
    assert 0.15 < sum(one.is_offline(each, True) for each in ids) / len(ids) < 0.25
    assert all(timedelta(seconds=1) <= one.answers_after(each) <= timedelta(seconds=5) for each in ids)


async def test_a_rotation_is_rehearsed_day_by_day_with_those_that_would_be_too_late(house: Campaigns) -> None:
    soon, later = house.now + timedelta(hours=30), house.now + timedelta(days=90)
    ids = await a_fleet(house, 12, certificate_not_after=later)
    async with house.db.begin() as session:
        first = devices.c.device_id.in_(ids[:6])
        await session.execute(devices.update().where(first).values(certificate_not_after=soon))
    plan = await types(house, "bulk rotate-certs all --over 4d")  # three a day: the second three have until the third
    said = await rehearsed(house, plan)
    assert (said.data["status"], said.data["succeeded"]) == ("done", 12)
    assert (said.data["quota"], said.data["days"], said.data["late"]) == ("3", 4, 0)
    silent = await rehearsed(house, plan, failing="100%")
    assert silent.data["status"] == "paused"
    assert "devices tried in wave 1 failed" in silent.data["why"]
    async with house.db.read() as session:
        assert (await session.scalars(select(certificates.c.serial))).all() == []
    assert house.publish.sent == []


async def test_a_certificate_that_ends_before_its_day_is_too_late_in_the_rehearsal(house: Campaigns) -> None:
    await a_fleet(house, 6, certificate_not_after=house.now + timedelta(hours=30))
    said = await rehearsed(house, await types(house, "bulk rotate-certs all --over 3d"))
    assert (said.data["days"], said.data["late"]) == (3, 2)


@pytest.mark.parametrize(
    ("store", "failing", "status"), [(False, "0%", "done"), (True, "0%", "done"), (True, "100%", "paused")]
)
async def test_a_decommission_is_rehearsed_and_nothing_is_exported_or_moved(
    house: Campaigns, store: bool, failing: str, status: str
) -> None:
    await a_fleet(house, 6)
    if store:
        secret = {"telemetry_store_secret": "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="}
        house.settings = house.settings.model_copy(update={"lifecycle": LifecycleSettings.model_validate(secret)})
    said = await rehearsed(house, await types(house, "bulk decommission all"), failing=failing)
    assert said.data["status"] == status
    assert said.data["succeeded"] == (6 if status == "done" else 0)
    async with house.db.read() as session:
        assert (await session.scalars(select(decommissions.c.id))).all() == []
        assert set(await session.scalars(select(devices.c.status))) == {DeviceStatus.ACTIVE}


async def test_the_preview_of_a_renaming_is_its_rehearsal(house: Campaigns) -> None:
    tags = [{"device_id": "dev-1", "name": "env", "value": "prod"}]
    await build.fleet(house.db, house.now, [build.device("dev-1", house.now)], tags=tags)
    assert (await types(house, "bulk rehearse retag env environment")).template == "bulk/retag"


async def test_firmware_is_rehearsed_to_its_end_with_what_is_cleared_there(house: Campaigns) -> None:
    await a_fleet(house, 12)
    await types(house, f"firmware add 2.0 https://files.example.com/2.0.bin {'0f' * 32} 500")
    plan = await types(house, "bulk firmware 2.0 all --canary none --max-failed 100%")
    said = await rehearsed(house, plan, failing="50%")
    assert (said.data["status"], said.data["succeeded"] + said.data["failed"]) == ("done", 12)
    assert said.data["failed"] > 0
    assert house.publish.sent == []
