"""`/fleet device register|provision|cert|renew|revoke`."""

from __future__ import annotations

from datetime import datetime

import pytest

from fleet.lifecycle import DeviceStatus
from storage.db import Database
from storage.tables import Device
from tests import build, keyed
from tests.conftest import settings_for
from tests.house import House
from tests.keyed import Keyed
from tests.typed import APPROVER, VIC, refused, types


@pytest.fixture
async def house(db: Database, now: datetime) -> House:
    await build.fleet(db, now, [build.device("dev-9", now, status=DeviceStatus.DECOMMISSIONED)])
    house = House(db, settings_for(certificates={"ca_file": "ca.pem"}), now)
    house.authority = keyed.authority()
    return house


async def status(house: House, device_id: str) -> DeviceStatus:
    async with house.db.read() as session:
        return (await session.get_one(Device, device_id)).status


async def asks(house: House, device_id: str) -> None:
    await house.hear(f"{device_id}/certificate/csr", {"csr_pem": Keyed(device_id).csr()})
    await house.settle()


async def test_from_registration_to_the_first_push(house: House) -> None:
    answer = await types(house, f"device register dev-1 --site oslo --model gw2 --config {build.NEW}")
    assert await status(house, "dev-1") is DeviceStatus.MANUFACTURED
    await asks(house, "dev-1")
    provisioned = await types(house, answer.buttons[0].run)
    assert provisioned.data["asked_at"] == house.now
    await house.settle()
    assert await status(house, "dev-1") is DeviceStatus.PROVISIONED
    assert [push["version"] for push in house.publish.pushes("dev-1")] == [build.NEW]
    shown = await types(house, "device cert dev-1", VIC)
    assert (shown.data["state"], shown.data["request"][1]) == ("issued", "issued")


async def test_a_device_that_has_not_asked_is_asked_and_its_next_request_is_met(house: House) -> None:
    await types(house, "device register dev-1")
    assert (await types(house, "device provision dev-1")).data["asked_at"] is None
    await types(house, "device provision dev-1")
    await house.settle()
    assert [each.topic for each in house.publish.sent] == ["dev-1/certificate/renew"]
    await asks(house, "dev-1")
    assert await status(house, "dev-1") is DeviceStatus.PROVISIONED
    assert "asked already" not in await refused(house, "device register dev-1")


async def test_what_is_refused_and_the_way_that_is_open(house: House) -> None:
    await types(house, "device register dev-1")
    for line, why in (
        ("device register dev-1", "registered already: it is manufactured"),
        ("device register a/b", "cannot name a device"),
        ("device register dev-2 --config nothing", "nothing"),
        ("device renew dev-1", "/fleet device provision dev-1"),
        ("device renew dev-9", "for good"),
        ("device provision dev-9", "for good"),
        ("device provision dev-8", "no device called dev-8"),
    ):
        assert why in await refused(house, line)
    assert "no valid certificate" in await refused(house, "device revoke dev-1 lost", APPROVER)
    house.settings = settings_for()
    assert "muster ca init" in await refused(house, "device provision dev-1")


async def test_renewing_and_revoking_are_said_and_seen(house: House) -> None:
    await types(house, "device register dev-1")
    await types(house, "device provision dev-1")
    await asks(house, "dev-1")
    await types(house, "device renew dev-1")
    assert "asked already" in await refused(house, "device renew dev-1")
    assert "approver" in await refused(house, "device revoke dev-1 its key was copied")
    gone = await types(house, "device revoke dev-1 its key was copied", APPROVER)
    assert len(gone.data["serials"]) == 1
    shown = await types(house, "device cert dev-1", VIC)
    assert shown.data["serial"] == ""
    assert [(row[1], row[4]) for row in shown.data["rows"]] == [("revoked, not listed yet", "its key was copied")]
    assert [each.run for each in shown.buttons] == ["device provision dev-1", "device show dev-1"]
    await house.later(seconds=2)
    assert (await types(house, "device cert dev-1", VIC)).data["rows"][0][1] == "revoked"


async def test_what_would_be_refused_is_not_asked_for_and_the_way_out_is_named(house: House) -> None:
    await types(house, "device register dev-1")
    await types(house, "device provision dev-1")
    await asks(house, "dev-1")
    assert [each.text for each in (await types(house, "device cert dev-1")).buttons] == ["Renew", "Show device"]
    await types(house, "device revoke dev-1 stolen", APPROVER)
    assert "/fleet device provision dev-1" in await refused(house, "device renew dev-1")
    assert (await types(house, "device show dev-1")).data["certificate_revoked"]
    await types(house, "device provision dev-1")
    await asks(house, "dev-1")
    assert not (await types(house, "device show dev-1")).data["certificate_revoked"]
    assert "asked already" in await refused(house, "device renew dev-1")
