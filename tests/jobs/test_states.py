"""Devices through their lives: what people type, what devices send, and what happens by itself."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

import jobs
from bot.files import write
from fleet.decommission import ExportState
from fleet.lifecycle import DeviceStatus
from fleet.message import Message
from fleet.roles import Person, Role
from jobs.approvals import start
from jobs.decommissions import leave
from jobs.maintenance import windows
from jobs.outbox import post
from storage import alert_devices, decommissions, devices, lifecycle
from storage.db import Database
from storage.tables import AuditEntry, Device, billing_ledger, events, maintenance_windows
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import ANN, refused, types

_JOBS = (start, windows, leave, post)

APPROVERS = [Person(f"U0APP{n}", Role.APPROVER) for n in (1, 2)]
STORE = {"telemetry_store_secret": "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="}


@pytest.fixture
async def house(db: Database) -> House:
    sites = [{"name": "oslo", "zone": "Europe/Oslo"}, {"name": "lima", "zone": "America/Lima"}]
    house = House(db, settings_for(lifecycle={"sites": sites}), NOW)
    house.jobs = _JOBS
    rows = [build.device(f"dev-{n}", NOW, last_seen_at=NOW) for n in (1, 2)]
    rows += [build.device("new", NOW, status=DeviceStatus.PROVISIONED), build.device("far", NOW, site="lima")]
    await build.fleet(db, NOW, rows)
    return house


async def device(house: House, device_id: str = "dev-1") -> Device:
    async with house.db.read() as session:
        return await devices.get(session, device_id)


async def status(house: House, device_id: str = "dev-1") -> str:
    return (await device(house, device_id)).status.value


async def done(house: House, line: str) -> None:
    """Type it, and let what it asked for happen."""
    answer = await types(house, line)
    assert answer.template == "approve/asked", answer
    await house.settle()


async def window(house: House) -> tuple[str, datetime, datetime]:
    async with house.db.read() as session:
        rows = await session.execute(select(maintenance_windows).order_by(maintenance_windows.c.id.desc()))
        row = rows.all()[0]
    return row.state.value, row.starts_at, row.ends_at


async def test_the_first_telemetry_makes_a_provisioned_device_active(house: House) -> None:
    await house.say("new", OLD)
    assert await status(house, "new") == "provisioned"
    telemetry = [(f"{each}/telemetry", json.dumps({"t": 21}).encode()) for each in ("new", "dev-1", "new")]
    await house.hear_many(telemetry, retain=True)
    assert await status(house, "new") == "provisioned"  # the broker's memory is not the device's voice
    await house.hear_many(telemetry)
    await house.hear_many(telemetry)
    new = await device(house, "new")
    assert (new.status, new.status_since, new.telemetry_count, new.default_rules) == ("active", NOW, 4, True)
    async with house.db.read() as session:
        ledger = (await session.execute(select(billing_ledger))).all()
        told = list(await session.scalars(select(events.c.type).where(events.c.subject == "new")))
    assert [(row.device_id, row.kind, row.why) for row in ledger] == [("new", "start", "first telemetry")]
    assert told == ["device.status.changed", "billing.started"]


async def test_telemetry_of_a_stranger_beside_a_beginner_is_a_dead_letter(house: House) -> None:
    await house.hear_many([(f"{each}/telemetry", b"{}") for each in ("stranger", "new", "dev-1")])
    assert await status(house, "new") == "active"
    assert (await device(house)).telemetry_count == 1


async def test_a_maintenance_begins_now_and_ends_by_itself(house: House) -> None:
    asked = (await types(house, "device maintain dev-1 dev-2 --for 2h --why pump")).data
    assert (asked["starts_at"], asked["ends_at"]) == (None, house.now + timedelta(hours=2))
    await house.settle()
    assert [await status(house, each) for each in ("dev-1", "dev-2")] == ["maintenance"] * 2
    await house.later(hours=1, minutes=59)
    assert await status(house) == "maintenance"
    await house.later(minutes=1)
    assert await status(house) == "active"
    assert (await window(house))[0] == "over"
    shown = (await types(house, "device show dev-1")).data
    assert (shown["since"], shown["window"]) == (house.now, None)


async def test_a_maintenance_is_planned_on_the_clocks_of_the_site_across_summer_time(
    house: House,
) -> None:
    assert "does not exist in Europe/Oslo" in await refused(
        house, "device maintain dev-1 --at 2026-03-29T02:30 --for 2h"
    )
    assert "several time zones" in await refused(house, "device maintain dev-1 far --at 2026-03-29T01:30")
    await done(house, "device maintain dev-1 --at 2026-03-29T01:30 --for 2h")
    starts, ends = NOW.replace(day=29, hour=0, minute=30), NOW.replace(day=29, hour=2, minute=30)
    assert await window(house) == ("planned", starts, ends)  # half past one to half past four on the clocks there
    assert await status(house) == "active"
    house.now = starts - timedelta(seconds=1)
    await house.settle()
    assert await status(house) == "active"
    await house.later(seconds=1)
    assert await status(house) == "maintenance"
    await house.later(hours=2)
    assert await status(house) == "active"


async def test_a_window_is_extended_ended_early_and_taken_back(house: House) -> None:
    assert "no maintenance window" in await refused(house, "device extend dev-1 1h")
    await done(house, "device maintain dev-1 --for 2h")
    await types(house, "device extend dev-1 1h")
    assert await window(house) == ("running", NOW, NOW + timedelta(hours=3))
    assert "720 hours" in await refused(house, "device extend dev-1 30d")
    await house.later(hours=2, minutes=30)
    assert await status(house) == "maintenance"
    assert "has begun" in await refused(house, "device unplan dev-1")
    await done(house, "device activate dev-1")
    assert await status(house) == "active"
    await done(house, f"device maintain dev-1 --at {house.now + timedelta(days=1):%Y-%m-%dT%H:%M}+00:00")
    await types(house, "device unplan dev-1")
    assert (await window(house))[0] == "cancelled"
    await house.later(days=2)
    assert await status(house) == "active"


async def test_a_window_that_cannot_begin_is_missed_and_people_are_told(house: House) -> None:
    await done(house, "device maintain dev-1 --at 2026-03-20T08:00")
    assert (await types(house, "device maintain dev-1 --for 1h")).template == "approve/asked"
    await house.settle()  # refused: the one that is planned is not over
    assert await status(house) == "active"
    await done(house, "device suspend dev-1 unpaid")
    await house.later(hours=17)
    assert (await window(house))[0] == "missed"
    assert [each.message.data["why"] for each in house.deliver.posts() if each.message.template == "device/missed"] == [
        "A device that is suspended cannot become maintenance. From suspended it can become active."
    ]


async def test_a_suspended_device_is_flagged_and_unbilled_until_it_is_activated(house: House) -> None:
    await house.hear("new/telemetry", {})
    await done(house, "device suspend new the invoice is not paid")
    shown = (await types(house, "device show new")).data
    assert (shown["flagged"], shown["moved_by"], shown["moved_why"]) == (True, ANN.id, "the invoice is not paid")
    assert (await types(house, "status")).data["flagged"] == 1
    assert "cannot become maintenance" in await refused(house, "device maintain new")
    await house.later(hours=3)
    await done(house, "device activate new")
    async with house.db.read() as session:
        kinds = list(await session.scalars(select(billing_ledger.c.kind).order_by(billing_ledger.c.id)))
    assert kinds == ["start", "stop", "resume"]


async def test_devices_of_a_selector_that_cannot_go_are_left_out_and_told(house: House) -> None:
    rows = [build.device("gone", NOW, site="bergen", status=DeviceStatus.DECOMMISSIONED)]
    rows += [build.device("b-1", NOW, site="bergen"), build.device("b-2", NOW, site="bergen")]
    async with house.db.begin() as session:
        await devices.add(session, rows)
    answer = await types(house, "device maintain site:bergen --for 1h")
    assert (answer.data["title"], answer.data["left_out"]) == ("Maintenance of 2 devices", {"decommissioned": 1})
    await house.settle()
    assert [await status(house, each) for each in ("b-1", "b-2", "gone")] == ["maintenance"] * 2 + ["decommissioned"]
    said = "b-1 is in maintenance already, until 2026-03-19 15:30 UTC. Longer: /fleet device extend b-1 1h"
    assert await refused(house, "device maintain b-1") == said
    assert "gone: A decommissioned device stays so" in await refused(house, "device maintain site:bergen --for 1h")
    answer = await types(house, "device activate site:bergen")
    assert answer.data["left_out"] == {"decommissioned": 1}
    await house.settle()
    assert await status(house, "b-2") == "active"


async def test_what_cannot_be_done_is_refused_at_once_with_the_way_that_is_open(house: House) -> None:
    assert await refused(house, "device activate new") == "new will be active with the first telemetry, by itself."
    assert "It is active already" in await refused(house, "device activate dev-1")
    assert "There is no device called dev-9" in await refused(house, "device suspend dev-9 because")
    assert "No device is meant" in await refused(house, "device maintain site:nowhere")
    assert "no time zone called Mars" in await refused(house, "device maintain dev-1 --zone Mars")
    assert "over before it began" in await refused(house, "device maintain dev-1 --at 2020-01-01T00:00")
    assert "does not wait" in await refused(house, "device keep dev-1 because")


async def test_more_devices_than_a_single_command_may_move_need_an_approval(house: House) -> None:
    async with house.db.begin() as session:
        await devices.add(session, [build.device(f"many-{n}", NOW, site="bergen") for n in range(11)])
    answer = await types(house, "device maintain site:bergen --for 1h")
    assert answer.data["state"] == "pending"
    await types(house, f"approve yes {answer.data['approval_id']}", APPROVERS[0])
    await house.settle()
    assert await status(house, "many-10") == "maintenance"


async def test_whoever_approves_a_downtime_sees_when_it_begins_and_how_long_it_lasts(house: House) -> None:
    rows = [build.device(f"many-{n}", NOW, site="bergen", last_seen_at=NOW if n else None) for n in range(11)]
    async with house.db.begin() as session:
        await devices.add(session, rows)
    asked = (await types(house, "device maintain site:bergen --for 1h --at 2026-03-29T01:30 --zone Europe/Oslo")).data
    starts = NOW.replace(day=29, hour=0, minute=30)
    assert (asked["starts_at"], asked["lasts_s"], asked["ends_at"]) == (starts, 3600, starts + timedelta(hours=1))
    assert asked["starts_there"] == "2026-03-29 01:30 Europe/Oslo"
    assert (asked["selector"], asked["count"], asked["online"]) == ("site:bergen", 11, 10)
    approved = await types(house, f"approve yes {asked['approval_id']}", APPROVERS[0])
    assert (approved.data["state"], approved.data["starts_at"]) == ("approved", starts)
    await house.settle()
    outcome = next(each.message for each in house.deliver.letters if each.message.template == "approve/outcome")
    assert outcome.data["starts_at"] == "2026-03-29T00:30:00Z"


async def decommission(house: House, line: str) -> None:
    """Ask, and let two others approve."""
    asked = (await types(house, line)).data
    for person in APPROVERS:
        await types(house, f"approve yes {asked['approval_id']} 1", person)
    await house.settle()


async def test_a_decommissioned_device_is_out_of_everything(house: House) -> None:
    house.jobs = jobs.ALL
    async with house.db.begin() as session:
        await devices.set_target(session, ["dev-1"], OLD, NOW)
    await house.later(hours=1)  # drifted and pushed to
    await house.later(hours=25)
    assert (await types(house, "drift list")).data["total"] == 1
    await decommission(house, "device decommission dev-1 replaced by dev-2")
    one = await device(house)
    assert (one.status, one.retention) == ("decommissioned", "long_term_archive")
    assert (await types(house, "drift list")).data["total"] == 0
    async with house.db.read() as session:
        assert await alert_devices.alert_of(session, alert_devices.AlertKind.DRIFT, "dev-1") is None
    cleared = {each.topic for each in house.publish.sent if not each.payload and each.retain}
    assert cleared == {"dev-1/config/desired", "dev-1/firmware/desired"}
    sent = len(house.publish.sent)
    await house.say("dev-1", NEW)
    shown = (await types(house, "device show dev-1")).data
    assert (shown["online"], shown["moved_by"], shown["moved_why"]) == (False, ANN.id, "replaced by dev-2")
    await house.later(days=2)
    assert len(house.publish.sent) == sent
    for line in ("device activate dev-1", "device maintain dev-1 --at 2026-06-01T08:00"):
        assert "stays so for ever" in await refused(house, line)


async def test_a_decommission_waits_for_the_telemetry_store_and_can_be_taken_back(db: Database) -> None:
    house = House(db, settings_for(web={"enabled": True}, lifecycle=STORE), NOW)
    house.jobs = _JOBS
    await build.fleet(db, NOW, [build.device(f"dev-{n}", NOW) for n in (1, 2, 3)])
    for n in (1, 2):
        await decommission(house, f"device decommission dev-{n} old")
    await decommission(house, "device decommission --without-export dev-3 the store was lost in the fire")
    assert [await status(house, f"dev-{n}") for n in (1, 2, 3)] == ["active", "active", "decommissioned"]
    assert (await types(house, "status")).data["waits"]["leaving"] == 2
    assert (await types(house, "device show dev-1")).data["leaving"]["why"] == "old"
    await types(house, "device keep dev-2 still needed")
    await done(house, "device maintain dev-1 --for 1h")
    async with db.begin() as session:
        both = await decommissions.settle(session, ["dev-1", "dev-2"], ExportState.CONFIRMED, "store", house.now)
        assert both == ["dev-1"]
    await house.settle()
    assert await status(house) == "maintenance"  # it leaves when it may
    await house.later(hours=1)
    await house.later(minutes=1)
    assert [await status(house, f"dev-{n}") for n in (1, 2, 3)] == ["decommissioned", "active", "decommissioned"]
    async with db.read() as session:
        history = await lifecycle.history(session, "dev-1", 1)
        entries = list(await session.scalars(select(AuditEntry).where(AuditEntry.action == "device.decommissioned")))
    assert (history[0].by, history[0].why) == (ANN.id, "old")
    assert {each.subject for each in entries} == {"dev-1", "dev-3"}


async def lines_of(answer: Message) -> list[str]:
    """The lines of the file that goes with an answer, below the titles."""
    assert answer.file
    with (await write(answer.file, 10_000)).content as content:
        return content.read().decode().splitlines()[1:]


async def test_a_month_is_billed_by_the_hours_that_devices_were_in_service(house: House) -> None:
    await house.hear("new/telemetry", {})
    await house.later(hours=36)
    await done(house, "device suspend new unpaid")
    await house.later(days=20)  # into April
    await done(house, "device activate new")
    answer = await types(house, "billing 2026-03")
    assert (answer.data["devices"], answer.data["hours"]) == (1, pytest.approx(36, abs=0.01))
    assert await lines_of(answer) == ["new,oslo,gw2,2026-03-19T14:30:00+00:00,2026-03-21T02:30:00+00:00,36.0000,False"]
    await house.later(hours=2)
    answer = await types(house, "billing --entries")
    assert (answer.data["month"], answer.data["open"], answer.data["hours"]) == (
        "2026-04",
        1,
        pytest.approx(2, abs=0.01),
    )
    assert [line.split(",")[1:4] for line in await lines_of(answer)] == [["new", "resume", ANN.id]]
    assert "is not a month" in await refused(house, "billing march")
    assert "2026-05 has not begun" in await refused(house, "billing 2026-05")
