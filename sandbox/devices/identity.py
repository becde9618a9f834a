"""What a device is known by: its manufacturing certificate, its own keys and certificate. Keys never leave it.

Sources: RFC 2986 (certificate requests), link.wire.ProvisioningClaim (what a claim's signature is over).
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from link.wire import canonical


@dataclass(slots=True)
class Identity:
    """`asked` is the key of the request under way, `certificate_pem` what is in use; `manufacturing` is there from
    the factory, if at all."""

    manufacturing: Manufacturing | None = None
    asked: ec.EllipticCurvePrivateKey | None = None
    key: ec.EllipticCurvePrivateKey | None = None
    certificate_pem: str | None = None

    def request(self, device_id: str) -> str:
        """A certificate request (PEM) for a new key."""
        self.asked = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateSigningRequestBuilder().subject_name(_name(device_id))
        return builder.sign(self.asked, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def install(self, certificate_pem: str) -> str | None:
        """The serial of a certificate for one of the device's keys, which is in use from now on. None for another
        one, and for what is no certificate."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        except ValueError:
            return None
        for key in (self.asked, self.key):
            if key is not None and key.public_key() == certificate.public_key():
                self.key, self.certificate_pem = key, certificate_pem
                return f"{certificate.serial_number:x}"
        return None


@dataclass(frozen=True, slots=True)
class Manufacturing:
    """A device's certificate from the factory, with its key."""

    certificate_pem: str
    key: ec.EllipticCurvePrivateKey

    def claim(self, csr_pem: str, now: datetime) -> bytes:
        """The payload of `provisioning/claim`: signed over the canonical JSON of all that is not the signature."""
        rest = {
            "manufacturing_certificate_pem": self.certificate_pem,
            "csr_pem": csr_pem,
            "nonce": secrets.token_hex(16),
            "issued_at": now.isoformat(),
        }
        signature = self.key.sign(canonical(rest).encode(), ec.ECDSA(hashes.SHA256()))
        return canonical({**rest, "signature": base64.b64encode(signature).decode()}).encode()


class Manufacturer:
    """A factory: its CA, whose certificate Muster is given, and what it puts into each device."""

    def __init__(self, name: str = "Sandbox Devices Ltd") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = self._signed(self._name, self._key.public_key(), ca=True)

    @property
    def certificate_pem(self) -> str:
        return self._certificate.public_bytes(Encoding.PEM).decode()

    def equip(self, device_id: str) -> Manufacturing:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(_name(device_id), key.public_key())
        return Manufacturing(certificate.public_bytes(Encoding.PEM).decode(), key)

    def _signed(self, subject: x509.Name, public: ec.EllipticCurvePublicKey, ca: bool = False) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        return builder.sign(self._key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
