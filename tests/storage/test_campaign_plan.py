"""Targets frozen in one statement: who is in, in which wave, and who is left out for what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from fleet.alert import AlertKind, AlertState
from fleet.campaign import TargetState
from fleet.lifecycle import DeviceStatus
from fleet.rollout import Rollout
from fleet.selector import parse
from storage import campaign_plan, campaigns, ids
from storage.campaign_plan import Moment
from storage.db import Database
from storage.tables import Alert, AlertDevice, Campaign, campaign_devices
from tests import build
from tests.build import OLD
from tests.storage.planning import planned, targets


async def has_alert(db: Database, now: datetime, *device_ids: str) -> None:
    async with db.begin() as session:
        for each in device_ids:
            alert = {"kind": AlertKind.DRIFT, "state": AlertState.OPEN, "opened_at": now}
            session.add(Alert(id=f"al-{each}", key=each, device_id=each, **alert))
            await session.flush()
            place = {"alert_id": f"al-{each}", "kind": AlertKind.DRIFT, "joined_at": now}
            session.add(AlertDevice(id=f"am-{each}", device_id=each, **place))


async def test_waves_hold_a_device_of_each_site_in_turn_and_the_last_ones_go_last(db: Database, now: datetime) -> None:
    rows = [
        build.device(
            f"dev-{number:02}",
            now,
            site="oslo" if number < 20 else "bergen",
            model="gateway" if number % 10 == 0 else "gw2",
            reported_config_version=OLD,
            last_seen_at=now,
        )
        for number in range(40)
    ]
    await build.fleet(db, now, rows)
    row = await planned(db, now, rollout=Rollout(canary="4", wave="50%", last="model:gateway"))
    found = await targets(db, row.id)
    assert (row.targets, row.waves) == (40, 4 + 1)
    by_wave = {wave: [each for each in found.values() if each.wave == wave] for wave in range(1, 6)}
    assert [len(each) for each in by_wave.values()] == [4, 16, 16, 2, 2]
    assert {each.site for each in by_wave[1]} == {"oslo", "bergen"}
    assert {each.model for wave in (1, 2, 3) for each in by_wave[wave]} == {"gw2"}
    assert {each.model for wave in (4, 5) for each in by_wave[wave]} == {"gateway"}
    assert len(row.targets_sha256) == 64


async def test_a_device_that_cannot_take_part_is_skipped_with_the_reason(db: Database, now: datetime) -> None:
    old: dict[str, Any] = {"reported_config_version": OLD, "target_config_version": OLD, "last_seen_at": now}
    rows = [
        build.device("dev-1", now, **old),
        build.device("dev-2", now),
        build.device("dev-3", now, **{**old, "status": DeviceStatus.DECOMMISSIONED}),
        build.device("dev-4", now, **old),
    ]
    await build.fleet(db, now, rows)
    other = await planned(db, now, "dev-4", "running")
    row = await planned(db, now)
    found = await targets(db, row.id)
    assert {name: (each.state, each.why) for name, each in found.items()} == {
        "dev-1": (TargetState.PLANNED, ""),
        "dev-2": (TargetState.SKIPPED, "has it already"),
        "dev-3": (TargetState.SKIPPED, "its state is decommissioned"),
        "dev-4": (TargetState.SKIPPED, f"in another campaign ({other.id[-6:]})"),
    }
    async with db.read() as session:
        shown = await campaign_plan.preview(session, row, Moment(now, timedelta(minutes=5)))
    assert (row.targets, shown.online) == (1, 1)
    assert len(shown.skipped) == 3
    assert shown.waves == [(1, 1)]


async def test_the_time_it_takes_is_that_of_devices_that_are_online_and_as_devices_took_before(
    db: Database, now: datetime
) -> None:
    rows = [build.device(f"dev-{each}", now, reported_config_version=OLD) for each in range(6)]
    for each in rows[:4]:
        each["last_seen_at"] = now
    await build.fleet(db, now, rows)
    first = await planned(db, now - timedelta(days=1), started_at=now, rollout=Rollout(canary="", wave=""))
    at = Moment(now, timedelta(minutes=5))
    async with db.begin() as session:
        before = await campaign_plan.preview(session, first, at)
        times = {"dispatched_at": now, "settled_at": now + timedelta(seconds=3)}
        done = update(campaign_devices).values(state=TargetState.SUCCEEDED, **times)
        await session.execute(done.where(campaign_devices.c.device_id != "dev-0"))
        after = await campaign_plan.preview(session, first, at)
    assert (before.waves, before.sizes, before.took) == ([(1, 6)], [(4, 4)], None)
    assert after.took == timedelta(seconds=3)


async def test_the_canary_may_be_a_group_of_devices(db: Database, now: datetime) -> None:
    rows = [build.device(f"dev-{number}", now, reported_config_version=OLD, last_seen_at=now) for number in range(8)]
    await build.fleet(db, now, rows, groups=[{"name": "canary", "device_id": f"dev-{each}"} for each in (6, 7)])
    row = await planned(db, now, rollout=Rollout(canary="group:canary", wave="3"))
    found = await targets(db, row.id)
    assert {name for name, each in found.items() if each.wave == 1} == {"dev-6", "dev-7"}
    assert row.waves == 3


async def test_canaries_by_number_are_devices_without_an_open_alert_where_there_are_any(
    db: Database, now: datetime
) -> None:
    rows = [build.device(f"dev-{number}", now, reported_config_version=OLD, last_seen_at=now) for number in range(5)]
    rows += [build.device("dev-2a", now, reported_config_version=OLD)]  # offline
    await build.fleet(db, now, rows)
    await has_alert(db, now, "dev-0", "dev-1", "dev-3", "dev-4")
    row = await planned(db, now, rollout=Rollout(canary="2", wave="100%"))
    found = await targets(db, row.id)
    assert {name for name, each in found.items() if each.wave == 1} == {"dev-1", "dev-2"}
    assert sorted(each.position for each in found.values()) == [1, 2, 3, 4, 5, 6]
    behind = await planned(db, now, rollout=Rollout(canary="1", last="-dev-0", wave="1"))
    assert (await targets(db, behind.id))["dev-0"].wave == 1  # nobody goes before those of --last for it


async def test_a_top_up_takes_only_those_that_are_not_in_the_campaign_yet(db: Database, now: datetime) -> None:
    await build.fleet(db, now, [build.device(f"dev-{each}", now, reported_config_version=OLD) for each in (1, 2)])
    first = await planned(db, now, "dev-1")
    async with db.begin() as session:
        await campaigns.add(session, {**first.model_dump(), "id": ids.new("ca", now), "parent_id": first.id})
        second = (await session.scalars(select(Campaign).where(Campaign.parent_id == first.id))).one()
        await campaign_plan.freeze(session, second, parse("all"), Moment(now, timedelta(minutes=5)), first.id)
    assert list(await targets(db, second.id)) == ["dev-2"]
