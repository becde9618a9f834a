"""Devices with keys of their own, for tests: what they ask for certificates, and the factory that made them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fleet import pki
from fleet.pki import OwnAuthority
from link.wire import canonical

PEM = serialization.Encoding.PEM
PASSPHRASE = "correct horse battery staple"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MUSTER_CA, FACTORY_CA = "Muster CA", "Factory CA"
LONG = timedelta(days=36500)


@lru_cache
def ca_files(name: str) -> tuple[str, str]:
    """Certificate and encrypted key of a CA, made once: decrypting it is slow on purpose."""
    return pki.create(name, PASSPHRASE, BEGAN, LONG)


@lru_cache
def authority(name: str = MUSTER_CA) -> OwnAuthority:
    certificate, key = ca_files(name)
    return pki.load(certificate.encode(), key.encode(), PASSPHRASE, timedelta(days=365))


def common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


@dataclass
class Keyed:
    """A device: `key` is its own, `factory_key` and `factory_pem` are what it left the factory with."""

    device_id: str
    factory: OwnAuthority = field(default_factory=lambda: replace(authority(FACTORY_CA), validity=LONG))

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.factory_key = ec.generate_private_key(ec.SECP256R1())
        asked = request(self.device_id, self.factory_key)
        self.factory_pem = self.factory.issue(asked, self.device_id, BEGAN).pem

    def csr(self) -> str:
        return request(self.device_id, self.key)

    def claim(self, now: datetime, nonce: str = "n-1", **changed: Any) -> dict[str, Any]:
        """What it says on provisioning/claim. `changed` is put in before it signs."""
        said = {
            "manufacturing_certificate_pem": self.factory_pem,
            "csr_pem": self.csr(),
            "nonce": nonce,
            "issued_at": now.isoformat(),
            **changed,
        }
        raw = self.factory_key.sign(canonical(said).encode(), ec.ECDSA(hashes.SHA256()))
        return {**said, "signature": base64.b64encode(raw).decode()}


def request(name: str, key: Any, digest: hashes.HashAlgorithm | None = hashes.SHA256()) -> str:  # noqa: B008
    """A certificate request in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name(name))
    return builder.sign(key, digest).public_bytes(PEM).decode()
