"""What devices say about certificates: kept as requests here, judged and signed in jobs/issuing.py."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, cast

from jobs.spec import Heard, Intake
from link.topics import Kind, Topics
from link.wire import CertificateCsr, CertificateInstalled, ProvisioningClaim
from storage import audit, certificate_requests, certificates
from storage.columns import iso
from storage.dead_letters import Letter


async def take_requests(intake: Intake, heard: Sequence[Heard]) -> None:
    """Requests for a certificate. The same one, for the same operation, is one request however often it comes."""
    await _receive(intake, [_request(each.device_id, cast(CertificateCsr, each.said)) for each in heard])


def _request(device_id: str, said: CertificateCsr) -> dict[str, Any]:
    digest = _sha256(f"{said.operation_id or ''}\n{said.csr_pem}")
    return {
        "device_id": device_id,
        "key": f"csr:{digest}",
        "digest": digest,
        "csr_pem": said.csr_pem,
        "operation_id": said.operation_id,
        "claim": None,
    }


async def take_claims(intake: Intake, heard: Sequence[Heard]) -> None:
    """Claims of devices that are new. A nonce stands for one claim, for ever: another one with it is not taken."""
    await _receive(intake, [_claim(each.device_id, cast(ProvisioningClaim, each.said)) for each in heard])


def _claim(device_id: str, said: ProvisioningClaim) -> dict[str, Any]:
    return {
        "device_id": device_id,
        "key": f"claim:{said.nonce}",
        "digest": _sha256(said.signed),
        "csr_pem": said.csr_pem,
        "operation_id": None,
        "claim": {
            "certificate_pem": said.manufacturing_certificate_pem,
            "issued_at": iso(said.issued_at),
            "signature": said.signature,
            "signed": said.signed,
        },
    }


async def _receive(intake: Intake, rows: Sequence[dict[str, Any]]) -> None:
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        first.setdefault((row["device_id"], row["key"]), row)
    used = await certificate_requests.receive(intake.session, list(first.values()), intake.now)
    for device_id, key in sorted(used):
        intake.letters.append(
            _letter(intake, device_id, Kind.PROVISIONING_CLAIM, "nonce used before", f"{key} was another claim")
        )


async def take_installed(intake: Intake, heard: Sequence[Heard]) -> None:
    """Devices use a new certificate: the others have their time to live from now on."""
    said = [
        {
            "device_id": each.device_id,
            "serial": certificates.plain_serial(cast(CertificateInstalled, each.said).serial),
        }
        for each in heard
    ]
    known = await certificates.installed(intake.session, said, intake.now, intake.settings)
    if new := {row.device_id: row.serial for row in known if row.installed_at == intake.now}:
        about = audit.subject_of(new)
        await audit.add(intake.session, intake.now, "devices", "certificate.installed", about, {"serials": new})
    known_ones = {(row.device_id, row.serial) for row in known}
    for each in said:
        if (each["device_id"], each["serial"]) not in known_ones:
            why = f"{each['serial'] or 'it'} was not issued to this device, or is not valid any more"
            letter = _letter(intake, each["device_id"], Kind.CERTIFICATE_INSTALLED, "unknown certificate", why)
            intake.letters.append(letter)


def _letter(intake: Intake, device_id: str, kind: Kind, reason: str, detail: str) -> Letter:
    topic = Topics(intake.settings.mqtt.topic_prefix).of(device_id, kind)
    return Letter(device_id, topic, reason, detail, b"", intake.now)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
