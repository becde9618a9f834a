"""Drift from detection to its end, with a clock that the test turns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from fleet.drift import CaseState, Resolution
from fleet.lifecycle import DeviceStatus
from fleet.operation import OperationState
from storage import devices, drift, lifecycle, operations, pages, schedule
from storage.db import Database
from storage.tables import Alert, DriftCase
from storage.tables import devices as devices_table
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import refused, types


@pytest.fixture
async def house(db: Database) -> House:
    return House(db, settings_for(), NOW)


async def drifted(house: House, device_id: str = "dev-1", **columns: Any) -> None:
    row = {"reported_config_version": OLD, "last_seen_at": house.now, **columns}
    await build.fleet(house.db, house.now, [build.device(device_id, house.now, **row)])


async def case_of(house: House, device_id: str = "dev-1") -> DriftCase:
    async with house.db.read() as session:
        return (await drift.history(session, device_id, 1))[0]


async def alerts_in(house: House) -> Sequence[Alert]:
    async with house.db.read() as session:
        return (await session.scalars(select(Alert))).all()


async def sweep_now(house: House) -> None:
    async with house.db.begin() as session:
        await schedule.bring_forward(session, "drift sweep", house.now)
    await house.settle()


async def test_a_device_in_the_warehouse_has_no_drift_and_calls_nobody(house: House) -> None:
    await drifted(house, status=DeviceStatus.MANUFACTURED, reported_config_version="", last_seen_at=None)
    await house.later(hours=25)
    assert not house.publish.sent
    assert not await alerts_in(house)
    assert "is manufactured" in await refused(house, "drift retry dev-1")
    shown = await types(house, "drift show dev-1")
    assert (shown.data["drifted"], shown.data["watched"], shown.data["case"]) == (False, False, None)
    assert not (await types(house, "device show dev-1")).data["drifted"]
    async with house.db.begin() as session:
        await lifecycle.move(session, ["dev-1"], DeviceStatus.PROVISIONED, "olga", "", house.now, house.settings)
    await house.settle()
    assert [push["version"] for push in house.publish.pushes("dev-1")] == [NEW]


async def test_a_case_of_a_device_whose_monitoring_has_not_begun_is_closed_by_the_sweep(house: House) -> None:
    await drifted(house)
    await house.settle()
    async with house.db.begin() as session:
        await session.execute(update(devices_table).values(status=DeviceStatus.MANUFACTURED))
    await sweep_now(house)
    assert (await case_of(house)).resolution is Resolution.NOT_DRIFTED


async def test_a_device_that_acks_is_resolved_by_its_ack(house: House) -> None:
    await drifted(house)
    await house.settle()
    [push] = house.publish.pushes("dev-1")
    assert (push["version"], push["attempt"], push["config"]) == (NEW, 1, {"version": NEW})
    assert house.publish.sent[0].retain
    await house.ack("dev-1", NEW, operation_id=push["operation_id"])
    case = await case_of(house)
    assert (case.state, case.resolution) == (CaseState.RESOLVED, Resolution.ACKED)
    async with house.db.read() as session:
        assert (await devices.get(session, "dev-1")).reported_config_version == NEW
        [operation] = await operations.of_device(session, "dev-1", 10)
    assert operation.state is OperationState.DONE
    await house.later(hours=25)
    assert len(house.publish.pushes("dev-1")) == 1
    assert not house.deliver.letters


async def test_a_status_that_reports_the_target_resolves_without_an_ack(house: House) -> None:
    await drifted(house)
    await house.settle()
    await house.say("dev-1", NEW)
    case = await case_of(house)
    assert (case.state, case.resolution) == (CaseState.RESOLVED, Resolution.REPORTED)
    async with house.db.read() as session:
        [operation] = await operations.of_device(session, "dev-1", 10)
    assert operation.state is OperationState.CANCELLED


async def test_a_silent_device_is_pushed_once_and_retried_three_times_and_escalated_after_24_hours(
    house: House,
) -> None:
    await drifted(house)
    await house.settle()
    for minutes in range(5, 40, 5):
        await house.later(minutes=5)
        assert len(house.publish.pushes("dev-1")) == min(1 + minutes // 5, 4)
    assert [push["attempt"] for push in house.publish.pushes("dev-1")] == [1, 2, 3, 4]
    assert len({push["operation_id"] for push in house.publish.pushes("dev-1")}) == 1
    case = await case_of(house)
    assert case.state is CaseState.UNRESPONSIVE
    await house.later(hours=23)
    assert not house.deliver.letters
    await house.later(minutes=25)
    [letter] = house.deliver.letters
    assert letter.channel == "C0FLEETOPS"
    buttons = [button.text for button in letter.message.buttons]
    assert buttons == ["Acknowledge", "Retry push", "Ping", "Logs", "Show device", "Snooze 1 h"]
    await house.later(hours=30)
    assert len(house.deliver.letters) == 1


async def test_nothing_is_pushed_again_a_second_before_the_deadline(house: House) -> None:
    await drifted(house)
    await house.settle()
    await house.later(minutes=4, seconds=59)
    assert len(house.publish.pushes("dev-1")) == 1
    await house.later(seconds=1)
    assert len(house.publish.pushes("dev-1")) == 2


@pytest.mark.parametrize(
    ("seen", "state"),
    [(timedelta(minutes=5), CaseState.PUSHING), (timedelta(minutes=5, seconds=1), CaseState.WAITING)],
)
async def test_five_minutes_part_online_from_offline(house: House, seen: timedelta, state: CaseState) -> None:
    await drifted(house, last_seen_at=house.now - seen)
    await house.settle()
    assert (await case_of(house)).state is state
    assert len(house.publish.pushes("dev-1")) == 1  # retained, so that the broker has it for the reconnect


async def test_the_clock_of_an_offline_device_starts_when_it_is_heard(house: House) -> None:
    await drifted(house, last_seen_at=None)
    await house.settle()
    await house.later(hours=3)
    assert len(house.publish.pushes("dev-1")) == 1
    await house.say("dev-1", OLD)
    await house.settle()
    assert (await case_of(house)).state is CaseState.PUSHING
    await house.later(minutes=5)
    assert [push["attempt"] for push in house.publish.pushes("dev-1")] == [1, 2]
    await house.ack("dev-1", NEW)
    assert (await case_of(house)).state is CaseState.RESOLVED


async def test_a_rejected_configuration_is_escalated_at_once_with_the_devices_words(house: House) -> None:
    await drifted(house)
    await house.settle()
    await house.ack("dev-1", NEW, "rejected", error="unsupported key: radio.band")
    await house.settle()
    case = await case_of(house)
    assert (case.state, case.error) == (CaseState.REJECTED, "unsupported key: radio.band")
    [letter] = house.deliver.letters
    assert letter.message.data["error"] == "unsupported key: radio.band"
    await house.later(hours=30)
    assert len(house.publish.pushes("dev-1")) == 1
    assert len(house.deliver.letters) == 1


async def test_an_ack_for_another_version_settles_nothing_but_itself(house: House) -> None:
    await drifted(house)
    await house.settle()
    await house.ack("dev-1", "2025.9.9")
    assert (await case_of(house)).state is CaseState.PUSHING
    async with house.db.read() as session:
        assert (await devices.get(session, "dev-1")).reported_config_version == OLD


async def test_acks_may_come_twice_and_late(house: House) -> None:
    await drifted(house)
    await house.settle()
    for _ in range(4):
        await house.later(minutes=5)
    assert (await case_of(house)).state is CaseState.UNRESPONSIVE
    operation_id = house.publish.pushes("dev-1")[0]["operation_id"]
    await house.ack("dev-1", NEW, operation_id=operation_id)
    await house.ack("dev-1", NEW, operation_id=operation_id)
    await house.settle()
    assert (await case_of(house)).state is CaseState.RESOLVED
    async with house.db.read() as session:
        [operation] = await operations.of_device(session, "dev-1", 10)
    assert operation.state is OperationState.DONE


async def test_an_unresponsive_device_gets_one_fresh_round_an_hour_when_it_is_heard(house: House) -> None:
    await drifted(house)
    await house.settle()
    for _ in range(4):
        await house.later(minutes=5)
    await house.later(minutes=10)
    await house.say("dev-1", OLD)
    await house.settle()
    assert len(house.publish.pushes("dev-1")) == 4  # heard within the hour: not yet
    await house.later(minutes=49)
    await house.say("dev-1", OLD)
    await house.later(minutes=1)
    assert len(house.publish.pushes("dev-1")) == 5
    assert (await case_of(house)).rounds == 2
    for _ in range(4):
        await house.later(minutes=5)
    assert len(house.publish.pushes("dev-1")) == 8
    await house.later(hours=5)
    assert len(house.publish.pushes("dev-1")) == 8  # silent: no further round


async def ack_and_then_report_the_old(house: House, push: dict[str, Any]) -> None:
    """In one batch: the status was on its way before the ack, or the device fell back."""
    ack = {"version": NEW, "status": "applied", "operation_id": push["operation_id"]}
    said = {"config/ack": ack, "status": {"reported_config_version": OLD}}
    await house.hear_many([(f"dev-1/{kind}", json.dumps(payload).encode()) for kind, payload in said.items()])


async def test_a_device_that_acks_and_then_reports_the_old_version_is_pushed_again(house: House) -> None:
    await drifted(house)
    await house.settle()
    [push] = house.publish.pushes("dev-1")
    ack = {"version": NEW, "status": "applied", "operation_id": push["operation_id"]}
    status = {"reported_config_version": OLD}  # it was on its way before the ack, or the device fell back
    await house.hear_many(
        [("dev-1/config/ack", json.dumps(ack).encode()), ("dev-1/status", json.dumps(status).encode())]
    )
    assert (await case_of(house)).state is CaseState.PUSHING
    await house.later(minutes=5)
    again = house.publish.pushes("dev-1")[1]
    assert again["operation_id"] != push["operation_id"]  # the first one is done, and devices dedupe
    assert (await case_of(house)).attempt == 2
    await house.ack("dev-1", NEW, operation_id=again["operation_id"])
    assert (await case_of(house)).state is CaseState.RESOLVED


async def test_it_is_pushed_again_too_if_muster_was_killed_before_it_wrote_that_the_push_had_left(house: House) -> None:
    await drifted(house)
    await house.settle()
    async with house.db.begin() as session:
        await session.execute(update(DriftCase).values(due_at=None))
    ack, status = {"version": NEW, "status": "applied"}, {"reported_config_version": OLD}
    await house.hear_many(
        [("dev-1/config/ack", json.dumps(ack).encode()), ("dev-1/status", json.dumps(status).encode())]
    )
    await house.later(minutes=5)
    assert len(house.publish.pushes("dev-1")) == 2


async def test_a_device_that_acks_everything_and_changes_nothing_is_given_up_after_three_retries(house: House) -> None:
    await drifted(house)
    await house.settle()
    for _ in range(5):
        await ack_and_then_report_the_old(house, house.publish.pushes("dev-1")[-1])
        await house.later(minutes=5)
    assert len(house.publish.pushes("dev-1")) == 4
    assert (await case_of(house)).state is CaseState.UNRESPONSIVE


async def test_a_new_target_begins_a_new_round_and_keeps_the_day_of_detection(house: House) -> None:
    await drifted(house)
    await house.settle()
    detected = (await case_of(house)).detected_at
    await house.later(hours=2)
    async with house.db.begin() as session:
        await devices.set_target(session, ["dev-1"], "2026.1.0", house.now)
        await session.execute(
            devices.devices.update().values(reported_config_version="2025.0.0", last_seen_at=house.now)
        )
    await sweep_now(house)
    case = await case_of(house)
    assert (case.detected_at, case.target_version, case.attempt) == (detected, OLD, 1)
    assert house.publish.pushes("dev-1")[-1]["version"] == OLD
    async with house.db.read() as session:
        states = [row.state for row in await operations.of_device(session, "dev-1", 10)]
    assert states == [OperationState.SENT, OperationState.CANCELLED]


async def test_a_target_that_is_taken_back_closes_the_case_and_its_alert(house: House) -> None:
    await drifted(house)
    await house.settle()
    await house.later(hours=25)
    assert len(house.deliver.posts()) == 1
    async with house.db.begin() as session:
        await devices.set_target(session, ["dev-1"], OLD, house.now)
    await sweep_now(house)
    case = await case_of(house)
    assert (case.state, case.resolution) == (CaseState.RESOLVED, Resolution.NOT_DRIFTED)
    [edit] = house.deliver.edits()
    assert edit.message.data["state"] == "resolved"


async def test_an_escalation_is_edited_in_place_when_the_device_mends(house: House) -> None:
    await drifted(house)
    await house.settle()
    await house.later(hours=24)
    await house.say("dev-1", NEW)
    await house.settle()
    [post], [edit] = house.deliver.posts(), house.deliver.edits()
    assert edit.ts == house.deliver.channel[post.key]
    assert edit.message.data["state"] == "resolved"


@pytest.mark.parametrize("status", [DeviceStatus.MAINTENANCE, DeviceStatus.SUSPENDED])
async def test_maintenance_and_suspension_pause_the_alert_and_not_the_case(house: House, status: DeviceStatus) -> None:
    await drifted(house, status=status)
    await house.settle()
    assert len(house.publish.pushes("dev-1")) == 1
    await house.later(hours=30)
    assert not await alerts_in(house)
    async with house.db.begin() as session:
        await session.execute(devices.devices.update().values(status=DeviceStatus.ACTIVE))
    await house.later(minutes=1)
    assert [each.message.template for each in house.deliver.posts()] == ["alert/drift", "alert/suppressed"]


async def test_a_decommissioned_device_is_nobodys_drift(house: House) -> None:
    await drifted(house, status=DeviceStatus.DECOMMISSIONED)
    await house.settle()
    assert not house.publish.sent


async def test_a_sweep_takes_up_ten_thousand_devices_in_batches(house: House) -> None:
    rows = [
        build.device(f"dev-{n}", house.now, reported_config_version=OLD, last_seen_at=house.now) for n in range(5000)
    ]
    await build.fleet(house.db, house.now, rows)
    await house.settle()
    assert len(house.publish.sent) == 5000
    async with house.db.read() as session:
        assert (await pages.turn(session, drift.open_cases(), 1, pages.Place())).total == 5000
    await house.hear_many(
        [(f"dev-{n}/config/ack", f'{{"version":"{NEW}","status":"applied"}}'.encode()) for n in range(5000)]
    )
    async with house.db.read() as session:
        assert (await pages.turn(session, drift.open_cases(), 1, pages.Place())).total == 0


async def test_what_cannot_be_sent_goes_out_later_as_the_same_attempt(house: House) -> None:
    await drifted(house)
    house.publish.broken = True
    await house.settle()
    assert (await case_of(house)).due_at is None
    house.publish.broken = False
    await house.later(seconds=5)
    [push] = house.publish.pushes("dev-1")
    assert push["attempt"] == 1
    assert (await case_of(house)).due_at == house.now + timedelta(minutes=5)


async def test_a_claim_that_was_never_finished_is_taken_over_as_the_same_attempt(house: House) -> None:
    await drifted(house)
    house.publish.connected = False
    await house.settle()
    async with house.db.begin() as session:
        await operations.claim(session, house.now, "another", house.now + timedelta(minutes=1), 10)
    house.publish.connected = True
    await house.settle()
    assert not house.publish.sent
    await house.later(minutes=1)
    [push] = house.publish.pushes("dev-1")
    assert push["attempt"] == 1


async def test_the_sweep_runs_hourly_and_on_demand(house: House) -> None:
    await build.fleet(house.db, house.now, [build.device("dev-1", house.now, last_seen_at=house.now)])
    await house.settle()
    await house.later(minutes=10)
    await house.say("dev-1", OLD)
    await house.settle()
    assert not house.publish.sent
    await house.later(minutes=50)
    assert len(house.publish.sent) == 1


async def test_whom_an_unacknowledged_alert_calls(db: Database) -> None:
    ladder = [{"after": "15m", "mention": "<!subteam^S0ONCALL>"}, {"after": "1h", "mention": "<@U0MANAGER>"}]
    house = House(db, settings_for(alerts={"ladder": ladder}), NOW)
    await drifted(house)
    await house.settle()
    await house.later(hours=24)
    await house.later(minutes=14)
    assert len(house.deliver.letters) == 1
    await house.later(minutes=1)
    await house.later(minutes=45)
    await house.later(hours=9)
    called = [letter.message.data["mention"] for letter in house.deliver.letters[1:]]
    assert called == ["<!subteam^S0ONCALL>", "<@U0MANAGER>"]
    assert {letter.thread_ts for letter in house.deliver.letters[1:]} == {
        house.deliver.channel[house.deliver.letters[0].key]
    }


def now() -> datetime:
    return NOW
