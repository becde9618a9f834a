"""Restarts, firmware and certificates, as simulated devices obey them, seen from Muster's side."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fleet import pki
from link.topics import Order
from link.wire import (
    CertificateCsr,
    CertificateInstalled,
    CertificateIssued,
    CertificateRenew,
    CommandAck,
    CommandStatus,
    ConfigAck,
    FirmwareDesired,
    FirmwareState,
    ProvisioningClaim,
    Restart,
    Status,
)
from sandbox.broker import EmbeddedBroker
from sandbox.devices import Behaviour, Identity, Manufacturer, SimulatedDevice
from tests.sandbox.muster_side import a_fleet, until

NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> pki.OwnAuthority:
    certificate, key = pki.create("Muster CA", "secret", NOW, timedelta(days=365))
    return pki.load(certificate.encode(), key.encode(), "secret", timedelta(days=30))


def device(behaviour: Behaviour = Behaviour.PROMPT) -> SimulatedDevice:
    return SimulatedDevice("dev-1", behaviour, reported_version="v1")


def restart(attempt: int = 1, expires_at: datetime = LATER) -> Restart:
    return Restart(operation_id="op-r", attempt=attempt, expires_at=expires_at, reason="test")


def firmware(attempt: int = 1) -> FirmwareDesired:
    url = "https://firmware.example/1.5.0.bin"
    return FirmwareDesired(version="1.5.0", url=url, sha256="0" * 64, size=9, operation_id="op-f", attempt=attempt)


async def test_a_restart_is_accepted_boots_anew_and_is_done(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device()) as (fleet, ear):
        await until(lambda: ear.all(Status))
        before = ear.all(Status)[-1].boot_id
        await ear.tell("dev-1", Order.RESTART, restart())
        await until(lambda: len(ear.all(CommandAck)) == 2)
        assert [(each.operation_id, each.status) for each in ear.all(CommandAck)] == [
            ("op-r", CommandStatus.ACCEPTED),
            ("op-r", CommandStatus.DONE),
        ]
        assert ear.all(Status)[-1].boot_id != before
        await ear.tell("dev-1", Order.RESTART, restart())
        await until(lambda: len(ear.all(CommandAck)) == 3)
        assert ear.all(CommandAck)[-1].status is CommandStatus.DONE
        assert fleet.devices["dev-1"].boot == 2, "the same attempt twice is one restart"


async def test_a_restart_that_comes_too_late_is_ignored(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device()) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.tell("dev-1", Order.RESTART, restart(expires_at=NOW - timedelta(seconds=1)))
        await until(lambda: fleet.devices["dev-1"].expired == 1)
        await ear.tell("dev-1", Order.RESTART, restart(attempt=2))
        await until(lambda: len(ear.all(CommandAck)) == 2)
        assert fleet.devices["dev-1"].boot == 2


async def test_a_rejecting_device_refuses_a_restart_and_firmware(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device(Behaviour.REJECTS)) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.tell("dev-1", Order.RESTART, restart())
        await ear.tell("dev-1", Order.FIRMWARE_DESIRED, firmware())
        await until(lambda: ear.all(CommandAck) and ear.all(FirmwareState))
        assert ear.all(CommandAck)[0].status is CommandStatus.REJECTED
        assert ear.all(FirmwareState)[0].error == "the artefact is for other hardware"
        assert fleet.devices["dev-1"].boot == 1


async def test_what_is_retained_comes_again_after_a_reboot(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device()) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.push("dev-1")
        await until(lambda: ear.all(ConfigAck))
        await ear.tell("dev-1", Order.RESTART, restart())
        await until(lambda: fleet.devices["dev-1"].pushes_seen == 2)
        assert fleet.devices["dev-1"].applied == ["v2"]


async def test_firmware_runs_after_a_new_boot(broker: EmbeddedBroker) -> None:
    async with a_fleet(broker, device()) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        await ear.tell("dev-1", Order.FIRMWARE_DESIRED, firmware())
        await until(lambda: ear.all(Status) and ear.all(Status)[-1].firmware_version == "1.5.0")
        assert [(each.state.value, each.progress) for each in ear.all(FirmwareState)] == [
            ("downloading", 0),
            ("downloading", 50),
            ("downloading", 100),
            ("verifying", None),
            ("installing", None),
            ("rebooting", None),
        ]
        assert ear.all(Status)[-1].boot_id == "dev-1-boot-2"


@pytest.mark.parametrize(
    ("behaviour", "last", "error", "boot"),
    [
        (Behaviour.FAILS, "failed", "the checksum differs from the order's", 1),
        (Behaviour.ROLLS_BACK, "rolled_back", "no network on the new version", 2),
    ],
)
async def test_firmware_that_does_not_run_is_told_and_tried_again_on_request(
    broker: EmbeddedBroker, behaviour: Behaviour, last: str, error: str, boot: int
) -> None:
    async with a_fleet(broker, device(behaviour)) as (fleet, ear):
        spec = fleet.devices["dev-1"]
        await until(lambda: spec.online)
        await ear.tell("dev-1", Order.FIRMWARE_DESIRED, firmware())
        await until(lambda: ear.all(FirmwareState) and ear.all(FirmwareState)[-1].error)
        final = ear.all(FirmwareState)[-1]
        assert (final.state.value, final.error) == (last, error)
        assert (spec.firmware, spec.boot) == ("1.4.0", boot)
        told = len(ear.all(FirmwareState))
        await ear.tell("dev-1", Order.FIRMWARE_DESIRED, firmware())
        await until(lambda: len(ear.all(FirmwareState)) == told + 1)
        await ear.tell("dev-1", Order.FIRMWARE_DESIRED, firmware(attempt=2))
        await until(lambda: ear.all(FirmwareState)[told + 1 :])
        assert ear.all(FirmwareState)[told + 1].state.value == "downloading"


async def test_a_renewal_asks_with_a_new_key_and_installs_what_is_issued(
    broker: EmbeddedBroker, authority: pki.OwnAuthority
) -> None:
    async with a_fleet(broker, device()) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        renew = CertificateRenew(operation_id="op-c", attempt=1, not_after=LATER, expires_at=LATER)
        for _ in range(2):
            await ear.tell("dev-1", Order.CERTIFICATE_RENEW, renew)
        await until(lambda: len(ear.all(CertificateCsr)) == 2)
        csr, again = ear.all(CertificateCsr)
        assert csr == again
        assert csr.operation_id == "op-c"
        issued = authority.issue(csr.csr_pem, "dev-1", NOW)
        answer = CertificateIssued(operation_id="op-c", certificate_pem=issued.pem, chain_pem=authority.chain_pem)
        await ear.tell("dev-1", Order.CERTIFICATE_ISSUED, answer)
        await until(lambda: ear.all(CertificateInstalled))
        assert ear.all(CertificateInstalled)[0].serial == issued.serial
        assert fleet.devices["dev-1"].identity.certificate_pem == issued.pem


async def test_a_certificate_for_another_key_is_not_installed(
    broker: EmbeddedBroker, authority: pki.OwnAuthority
) -> None:
    async with a_fleet(broker, device()) as (fleet, ear):
        await until(lambda: fleet.devices["dev-1"].online)
        issued = authority.issue(Identity().request("dev-1"), "dev-1", NOW)
        answer = CertificateIssued(operation_id="op-c", certificate_pem=issued.pem, chain_pem="")
        await ear.tell("dev-1", Order.CERTIFICATE_ISSUED, answer)
        await until(lambda: fleet.devices["dev-1"].unreadable == 1)
        assert fleet.devices["dev-1"].identity.certificate_pem is None


async def test_a_new_device_claims_its_certificate_and_is_only_then_heard(
    broker: EmbeddedBroker, authority: pki.OwnAuthority
) -> None:
    factory = Manufacturer()
    spec = device()
    spec.identity = Identity(manufacturing=factory.equip("dev-1"))
    async with a_fleet(broker, spec) as (_fleet, ear):
        await until(lambda: len(ear.all(ProvisioningClaim)) >= 2)
        claim, again = ear.all(ProvisioningClaim)[:2]
        assert claim == again
        makers = pki.manufacturers(factory.certificate_pem.encode())
        key = makers.key_of(claim.manufacturing_certificate_pem, "dev-1", NOW)
        pki.check_signature(key, claim.signature, claim.signed.encode())
        assert ear.all(Status) == []
        issued = authority.issue(claim.csr_pem, "dev-1", NOW)
        answer = CertificateIssued(operation_id="op-1", certificate_pem=issued.pem, chain_pem=authority.chain_pem)
        await ear.tell("dev-1", Order.CERTIFICATE_ISSUED, answer)
        await until(lambda: ear.all(CertificateInstalled) and ear.all(Status))
