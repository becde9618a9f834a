"""From a device's request, or its claim, to the certificate that it uses: the whole way, on both databases."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import func, select

from fleet import pki
from fleet.lifecycle import DeviceStatus
from jobs.issuing import issue
from storage import certificate_requests, certificates, renewals
from storage.db import Database
from storage.tables import Certificate, CertificateRequest, DeadLetter, Device
from storage.tables import certificates as certificate_table
from tests import build, keyed
from tests.conftest import settings_for
from tests.house import House
from tests.keyed import Keyed

MANUFACTURED = DeviceStatus.MANUFACTURED


@pytest.fixture
def house(db: Database, now: datetime) -> House:
    house = House(db, settings_for(provisioning={"config_version": build.NEW}), now)
    house.authority = keyed.authority()
    house.manufacturers = pki.manufacturers(keyed.ca_files(keyed.FACTORY_CA)[0].encode())
    return house


def accepting(house: House) -> None:
    house.settings = settings_for(provisioning={"accept_unknown": True, "config_version": build.NEW})


async def registered(house: House, *device_ids: str, status: DeviceStatus = MANUFACTURED, **columns: Any) -> None:
    none = {"target_config_version": None, "reported_config_version": ""} if status is MANUFACTURED else {}
    rows = [build.device(each, house.now, status=status, **none, **columns) for each in device_ids]
    await build.fleet(house.db, house.now, rows)


def got(house: House, device_id: str) -> list[dict[str, Any]]:
    """The certificates that were sent to a device."""
    sent = [each for each in house.publish.sent if each.topic == f"{device_id}/certificate/issued"]
    assert not any(each.retain for each in sent)
    return [json.loads(each.payload) for each in sent]


def serial_of(pem: str) -> str:
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:x}"


async def device(house: House, device_id: str) -> Device:
    async with house.db.read() as session:
        return await session.get_one(Device, device_id)


async def why_refused(house: House, device_id: str) -> str:
    async with house.db.read() as session:
        newest = await certificate_requests.newest(session, device_id)
        assert newest
        return newest.why


async def test_a_claim_makes_a_manufactured_device_provisioned(house: House) -> None:
    await registered(house, "dev-1")
    await house.hear("dev-1/provisioning/claim", Keyed("dev-1").claim(house.now))
    await house.settle()
    [answer] = got(house, "dev-1")
    assert answer["chain_pem"] == keyed.ca_files(keyed.MUSTER_CA)[0]
    made = await device(house, "dev-1")
    assert made.status is DeviceStatus.PROVISIONED
    assert made.certificate_serial == serial_of(answer["certificate_pem"])
    assert [push["version"] for push in house.publish.pushes("dev-1")] == [build.NEW]


async def test_the_same_claim_twice_gives_the_same_certificate(house: House) -> None:
    await registered(house, "dev-1")
    claim = Keyed("dev-1").claim(house.now)
    raw = json.dumps(claim).encode()
    await house.hear_many([("dev-1/provisioning/claim", raw)] * 2)
    await house.settle()
    await house.hear("dev-1/provisioning/claim", claim)
    await house.settle()
    first, second = got(house, "dev-1")
    assert first["certificate_pem"] == second["certificate_pem"]
    async with house.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(certificate_table)) == 1


async def test_a_nonce_is_used_once(house: House) -> None:
    await registered(house, "dev-1")
    device_1 = Keyed("dev-1")
    await house.hear("dev-1/provisioning/claim", device_1.claim(house.now))
    await house.settle()
    await house.hear("dev-1/provisioning/claim", Keyed("dev-1").claim(house.now))
    await house.settle()
    assert len(got(house, "dev-1")) == 1
    async with house.db.read() as session:
        assert await session.scalar(select(DeadLetter.reason)) == "nonce used before"


async def test_a_claim_of_an_unknown_device_registers_it_only_where_that_is_allowed(house: House) -> None:
    await registered(house, "dev-9")
    await house.hear("dev-1/provisioning/claim", Keyed("dev-1").claim(house.now))
    await house.settle()
    assert got(house, "dev-1") == []
    assert "accept_unknown is off" in await why_refused(house, "dev-1")
    accepting(house)
    await house.hear("dev-1/provisioning/claim", Keyed("dev-1").claim(house.now, "n-2"))
    await house.settle()
    assert len(got(house, "dev-1")) == 1
    assert (await device(house, "dev-1")).status is DeviceStatus.PROVISIONED


async def test_claims_that_are_refused_change_nothing(house: House) -> None:
    accepting(house)
    late = (house.now - timedelta(minutes=11)).isoformat()
    stranger = Keyed("dev-1", keyed.authority("Another CA"))
    other = Keyed("dev-2")
    for topic, claim, why in (
        ("dev-1", stranger.claim(house.now, "a"), "no CA that is believed"),
        ("dev-1", other.claim(house.now, "b"), "names 'dev-2'"),
        ("dev-2", other.claim(house.now, "c", issued_at=late), "too long ago"),
        ("dev-2", {**other.claim(house.now, "d"), "csr_pem": Keyed("dev-2").csr()}, "signature"),
        ("dev-2", other.claim(house.now, "e", csr_pem=stranger.csr()), "the request names 'dev-1'"),
    ):
        await house.hear(f"{topic}/provisioning/claim", claim)
        await house.settle()
        async with house.db.read() as session:
            request = await session.get_one(CertificateRequest, (topic, f"claim:{claim['nonce']}"))
            assert why in request.why
            assert await session.get(Device, topic) is None
    assert house.publish.sent == []


async def test_a_claim_that_waited_for_muster_is_not_late(house: House) -> None:
    await registered(house, "dev-1")
    house.authority, authority = None, house.authority
    await house.hear("dev-1/provisioning/claim", Keyed("dev-1").claim(house.now))
    await house.later(hours=5)
    house.authority = authority
    await house.later(minutes=1)
    assert len(got(house, "dev-1")) == 1


async def test_a_request_of_a_manufactured_device_waits_until_somebody_provisions_it(house: House) -> None:
    await registered(house, "dev-1", "dev-2")
    await house.hear("dev-1/certificate/csr", {"csr_pem": Keyed("dev-1").csr()})
    await house.settle()
    assert got(house, "dev-1") == []
    async with house.db.begin() as session:  # one sent it before, the other will
        assert await certificate_requests.want(session, "dev-1", "olga", house.now)
        assert await certificate_requests.want(session, "dev-2", "olga", house.now) is None
    await house.settle()
    assert len(got(house, "dev-1")) == 1
    await house.hear("dev-2/certificate/csr", {"csr_pem": Keyed("dev-2").csr()})
    await house.settle()
    assert len(got(house, "dev-2")) == 1
    for each in ("dev-1", "dev-2"):
        assert (await device(house, each)).status is DeviceStatus.PROVISIONED


async def test_a_renewal_from_the_question_to_the_revocation_of_the_old_one(house: House) -> None:
    await registered(house, "dev-1", status=DeviceStatus.ACTIVE)
    keys = Keyed("dev-1")
    await house.hear("dev-1/certificate/csr", {"csr_pem": keys.csr()})
    await house.settle()
    old = serial_of(got(house, "dev-1")[0]["certificate_pem"])
    await house.later(days=300)
    async with house.db.begin() as session:
        asked = await renewals.renew(session, ["dev-1"], "olga", house.now, house.settings)
    await house.settle()
    question = json.loads(house.publish.sent[-1].payload)
    assert house.publish.sent[-1].topic == "dev-1/certificate/renew"
    assert question["operation_id"] == asked["dev-1"]
    assert datetime.fromisoformat(question["not_after"]) == (await device(house, "dev-1")).certificate_not_after
    answer = {"csr_pem": Keyed("dev-1").csr(), "operation_id": asked["dev-1"]}
    await house.hear("dev-1/certificate/csr", answer)
    await house.settle()
    issued = got(house, "dev-1")[-1]
    new = serial_of(issued["certificate_pem"])
    assert issued["operation_id"] == asked["dev-1"]
    assert (await device(house, "dev-1")).certificate_serial == old  # until the device says that it uses the new one
    await house.hear("dev-1/certificate/installed", {"serial": new.upper()})
    await house.settle()
    assert (await device(house, "dev-1")).certificate_serial == new
    await house.later(hours=23)
    await house.say("dev-1", build.NEW)
    await house.later(hours=1)  # not heard since its time is over
    assert (await states(house)) == {old: "superseded", new: "installed"}
    await house.say("dev-1", build.NEW)
    await house.later(minutes=1)
    assert (await states(house)) == {old: "revoked", new: "installed"}


async def states(house: House) -> dict[str, str]:
    async with house.db.read() as session:
        return {row.serial: row.state.value for row in await session.scalars(select(Certificate))}


async def test_an_answer_that_nobody_gave_is_closed_and_a_late_one_is_taken(house: House) -> None:
    await registered(house, "dev-1", status=DeviceStatus.ACTIVE)
    async with house.db.begin() as session:
        asked = await renewals.renew(session, ["dev-1"], "olga", house.now, house.settings)
    await house.later(days=8)
    async with house.db.begin() as session:
        again = await renewals.renew(session, ["dev-1"], "olga", house.now, house.settings)
        assert again.keys() == {"dev-1"}
    await house.hear("dev-1/certificate/csr", {"csr_pem": Keyed("dev-1").csr(), "operation_id": asked["dev-1"]})
    await house.settle()
    assert got(house, "dev-1")[0]["operation_id"] == asked["dev-1"]


async def test_a_revoked_device_gets_no_new_certificate_by_asking(house: House) -> None:
    await registered(house, "dev-1", status=DeviceStatus.ACTIVE)
    first = Keyed("dev-1").csr()
    await house.hear("dev-1/certificate/csr", {"csr_pem": first})
    await house.settle()
    async with house.db.begin() as session:
        await certificates.revoke(session, ["dev-1"], "key_compromise", house.now)
    for csr in (first, Keyed("dev-1").csr()):
        await house.hear("dev-1/certificate/csr", {"csr_pem": csr})
        await house.settle()
    assert len(got(house, "dev-1")) == 1
    async with house.db.begin() as session:
        await certificate_requests.want(session, "dev-1", "olga", house.now)
    await house.hear("dev-1/certificate/csr", {"csr_pem": Keyed("dev-1").csr()})
    await house.settle()
    assert len(got(house, "dev-1")) == 2


async def test_a_serial_that_was_not_issued_to_the_device_is_a_dead_letter(house: House) -> None:
    await registered(house, "dev-1", status=DeviceStatus.ACTIVE)
    await house.hear("dev-1/certificate/installed", {"serial": "abc"})
    async with house.db.read() as session:
        assert await session.scalar(select(DeadLetter.reason)) == "unknown certificate"


async def test_two_replicas_at_once_issue_one_certificate(house: House) -> None:
    await registered(house, "dev-1", "dev-2", status=DeviceStatus.ACTIVE)
    for device_id in ("dev-1", "dev-2"):
        await house.hear(f"{device_id}/certificate/csr", {"csr_pem": Keyed(device_id).csr()})
    await asyncio.gather(*(issue.work(house.run()) for _ in range(3)))
    await house.settle()
    assert [len(got(house, each)) for each in ("dev-1", "dev-2")] == [1, 1]
    assert list((await states(house)).values()) == ["issued", "issued"]


async def test_no_certificate_is_issued_past_a_revocation_of_the_same_moment(house: House) -> None:
    """A request is judged, and before it is written its device is decommissioned."""
    await registered(house, "dev-1", status=DeviceStatus.ACTIVE)
    await house.hear("dev-1/certificate/csr", {"csr_pem": Keyed("dev-1").csr()})
    async with house.db.read() as session:
        judged = await certificate_requests.pending(session, house.now, 10)
    async with house.db.begin() as session:
        (await session.get_one(Device, "dev-1")).status = DeviceStatus.DECOMMISSIONED
    async with house.db.begin() as session:
        assert await certificate_requests.still(session, judged) == []
    await house.settle()
    assert await states(house) == {}
    assert await why_refused(house, "dev-1") == "the device is decommissioned"


async def test_old_requests_are_forgotten_and_those_that_wait_are_not(house: House) -> None:
    await registered(house, "dev-1", "dev-2", "dev-3")
    await house.hear("dev-1/certificate/csr", {"csr_pem": Keyed("dev-1").csr()})
    await house.hear("dev-2/provisioning/claim", Keyed("dev-2").claim(house.now))
    await house.later(days=31)
    async with house.db.read() as session:
        assert [each.device_id for each in await session.scalars(select(CertificateRequest))] == ["dev-1"]


async def test_one_question_has_one_certificate(house: House) -> None:
    """Whoever knows an operation gets no second certificate by it with another key."""
    await registered(house, "dev-1", status=DeviceStatus.ACTIVE)
    async with house.db.begin() as session:
        asked = await renewals.renew(session, ["dev-1"], "olga", house.now, house.settings)
    for _ in range(2):
        answer = {"csr_pem": Keyed("dev-1").csr(), "operation_id": asked["dev-1"]}
        await house.hear("dev-1/certificate/csr", answer)
        await house.later(seconds=1)
    assert len(got(house, "dev-1")) == 1
    assert "unasked_every" in await why_refused(house, "dev-1")


async def test_a_revocation_takes_back_what_was_asked_and_wanted(house: House) -> None:
    await registered(house, "dev-1", status=DeviceStatus.ACTIVE)
    await house.hear("dev-1/certificate/csr", {"csr_pem": Keyed("dev-1").csr()})
    await house.settle()
    async with house.db.begin() as session:
        asked = await renewals.renew(session, ["dev-1"], "olga", house.now, house.settings)
        await certificate_requests.want(session, "dev-1", "olga", house.now)
    await house.settle()
    async with house.db.begin() as session:
        await certificates.revoke(session, ["dev-1"], "key_compromise", house.now)
    await house.later(seconds=1)
    await house.hear("dev-1/certificate/csr", {"csr_pem": Keyed("dev-1").csr(), "operation_id": asked["dev-1"]})
    await house.settle()
    assert len(got(house, "dev-1")) == 1
    assert "revoked" in await why_refused(house, "dev-1")
