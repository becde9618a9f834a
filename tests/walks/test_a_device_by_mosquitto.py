"""Debian's mosquitto and its two clients are the broker and the device: nothing of ours speaks on that side."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fleet.alert import AlertState
from fleet.drift import Resolution
from fleet.operation import OperationState
from sandbox.workspace import FLEET_OPS, OPERATOR, SeenMessage
from tests.brokers import Mosquitto, mosquitto_broker
from tests.build import NEW, OLD
from tests.walks.conftest import House, a_house, message_key
from tests.walks.mosquitto_device import Device

pytestmark = pytest.mark.mosquitto


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto_broker(tmp_path) as running:
        yield running


@pytest.fixture
async def house(registry_url: str, mosquitto: Mosquitto) -> AsyncIterator[House]:
    async with a_house(registry_url, mosquitto.port) as running:
        await running.register("dev-1")
        await running.settle()
        yield running


@pytest.fixture
def device(mosquitto: Mosquitto) -> Device:
    return Device(mosquitto.port)


async def drifts(house: House, device: Device) -> None:
    """The device says that it runs the old configuration; the sweep finds it."""
    await device.reports(OLD)
    await house.heard(reported_config_version=OLD)
    await house.sweep()


async def escalation(house: House) -> SeenMessage:
    [only] = [each for each in await house.posts() if message_key(each).startswith("alert:")]
    return only


async def test_a_device_with_an_old_version_gets_its_configuration_acks_it_and_is_resolved(
    house: House, device: Device
) -> None:
    async with device.listening() as heard:
        await drifts(house, device)
        push = await heard.push()
        assert heard.messages[0]["retain"] == 0  # it was there when it was sent
        assert push.keys() == {"version", "sha256", "config", "operation_id", "attempt", "issued_at"}
        assert (push["version"], push["attempt"], push["config"]) == (NEW, 1, {"version": NEW})
        assert push["sha256"] == hashlib.sha256(f'{{"version":"{NEW}"}}'.encode()).hexdigest()
        assert datetime.fromisoformat(push["issued_at"]) == house.clock.now
        async with device.listening() as late:
            assert await late.push() == push
            assert late.messages[0]["retain"] == 1

        await device.acks(push)
        case = await house.in_state("resolved")
        assert case.resolution is Resolution.ACKED
        assert (await house.device()).reported_config_version == NEW
        [operation] = await house.operations()
        assert (operation.id, operation.state) == (push["operation_id"], OperationState.DONE)
        await house.later(hours=25)
        assert len(heard.messages) == 1
        assert not await house.posts()


async def test_a_silent_device_is_pushed_four_times_and_escalated_after_24_hours_with_buttons_that_work(
    house: House, device: Device
) -> None:
    async with device.listening() as heard:
        await drifts(house, device)
        found_at = house.clock.now
        for number in (1, 2, 3, 4):
            push = await heard.push(number)
            await house.later(minutes=4, seconds=59)
            assert (push["attempt"], len(heard.messages)) == (number, number)
            await house.later(seconds=1)
        await house.in_state("unresponsive")
        await house.later(hours=3)
        assert len(heard.messages) == 4
        assert len({push["operation_id"] for push in heard.pushes}) == 1

        house.clock.now = found_at + timedelta(hours=24) - timedelta(seconds=1)
        await house.settle()
        assert not await house.posts()
        await house.later(seconds=1)
        alert = await escalation(house)
        assert alert.buttons == ["Acknowledge", "Retry push", "Ping", "Logs", "Show device", "Snooze 1 h"]
        assert "answered none of 4 pushes" in alert.words

        taken = await house.clicks(alert, "Acknowledge")
        assert "You took the alert for `dev-1`" in taken.words
        await house.settle()
        edited = await escalation(house)
        assert (edited.ts, edited.edited, edited.buttons) == (
            alert.ts,
            True,
            ["Retry push", "Ping", "Logs", "Show device"],
        )
        assert f"Acknowledged by <@{OPERATOR}>" in edited.words

        again = await house.clicks(edited, "Retry push")
        assert f"`{NEW}` is left at the broker for `dev-1`, which is offline" in again.words
        await house.settle()
        push = await heard.push(5)
        assert push["attempt"] == 1
        assert push["operation_id"] != heard.pushes[0]["operation_id"]

        shown = await house.clicks(edited, "Show device")
        assert "Its drift case is *waiting*" in shown.words

        await device.acks(push)
        await house.in_state("resolved")
        await house.settle()
        mended = await escalation(house)
        assert (mended.ts, mended.buttons) == (alert.ts, ["Show device"])
        assert "Drift resolved: dev-1" in mended.words
        [row] = await house.alerts()
        assert row.state is AlertState.RESOLVED
        assert len(heard.messages) == 5


async def test_an_escalation_is_edited_to_resolved_when_the_device_acks_after_all(house: House, device: Device) -> None:
    async with device.listening() as heard:
        await drifts(house, device)
        push = await heard.push()
        await house.later(hours=24)
        alert = await escalation(house)
        assert "Drift escalated: dev-1" in alert.text
        await device.acks(push)
        await house.in_state("resolved")
        await house.settle()
        mended = await house.ws.wait_for_message(FLEET_OPS, contains="Drift resolved: dev-1")
        assert (mended.ts, mended.edited) == (alert.ts, True)
        assert len(await house.posts()) == 1


@pytest.mark.parametrize("session", ["kept", "none"])
async def test_an_offline_device_gets_its_configuration_when_it_comes_back(
    house: House, device: Device, session: str
) -> None:
    if session == "kept":
        await device.signs_on()
    await device.reports(OLD)
    await house.heard(reported_config_version=OLD)
    await house.later(minutes=59)  # not heard for longer than five minutes when the sweep finds it
    await house.later(minutes=1)
    await house.in_state("waiting")
    await house.later(hours=5)
    [operation] = await house.operations()
    assert (operation.state, operation.attempt) == (OperationState.SENT, 1)

    async with device.listening("-i", "dev-1", *(["-c"] if session == "kept" else [])) as heard:
        push = await heard.push()
        assert (push["attempt"], push["operation_id"]) == (1, operation.id)
        await device.reports(OLD)
        case = await house.in_state("pushing")
        assert case.due_at == house.clock.now + timedelta(minutes=5)  # its clock starts only now
        await device.acks(push)
        await house.in_state("resolved")
    assert (await house.device()).reported_config_version == NEW
    assert not await house.posts()


async def test_a_device_that_rejects_is_escalated_at_once_with_its_own_words(house: House, device: Device) -> None:
    async with device.listening() as heard:
        await drifts(house, device)
        await device.acks(await heard.push(), "rejected", error="unsupported key: radio.band <868>")
        case = await house.in_state("rejected")
        assert case.error == "unsupported key: radio.band <868>"
        await house.settle()
        alert = await escalation(house)
        assert "unsupported key: radio.band <868>" in alert.words
        assert alert.buttons == ["Acknowledge", "Retry push", "Ping", "Logs", "Show device", "Snooze 1 h"]
        await house.later(hours=30)
        assert len(heard.messages) == 1
        assert len(await house.posts()) == 1
