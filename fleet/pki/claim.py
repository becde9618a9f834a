"""A claim of zero-touch provisioning: the manufacturing certificate behind it, and its signature."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from fleet.pki.parts import PublicKey, Unfit, common_name, is_ca, read_certificate


@dataclass(frozen=True)
class Manufacturers:
    """The CAs whose manufacturing certificates are believed: each of them the very one that signs."""

    cas: tuple[x509.Certificate, ...]

    def key_of(self, certificate_pem: str, device_id: str, now: datetime) -> PublicKey:
        """The key of a device's manufacturing certificate. Raises Unfit if it is not what it should be."""
        certificate = read_certificate(certificate_pem.encode())
        if not any(_issued(certificate, ca, now) for ca in self.cas):
            raise Unfit("the manufacturing certificate is of no CA that is believed")
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Unfit("the manufacturing certificate is not valid at this time")
        if common_name(certificate.subject) != device_id:
            raise Unfit(f"the manufacturing certificate names {common_name(certificate.subject)!r}")
        key = certificate.public_key()
        if not isinstance(key, PublicKey):
            raise Unfit("the manufacturing key is of a kind that is not taken")
        return key


def manufacturers(pem: bytes) -> Manufacturers:
    """Those of a file with one certificate or several. Raises Unfit."""
    try:
        cas = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        raise Unfit("there is no certificate in it") from None
    if not all(is_ca(each) for each in cas):
        raise Unfit("one of its certificates is not that of a CA")
    return Manufacturers(cas)


def check_signature(key: PublicKey, signature: str, signed: bytes) -> None:
    """The signature in base64: ECDSA and RSA (PKCS #1 v1.5) with SHA-256, or Ed25519. Raises Unfit."""
    try:
        raw = base64.b64decode(signature, validate=True)
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(raw, signed, ec.ECDSA(hashes.SHA256()))
            case rsa.RSAPublicKey():
                key.verify(raw, signed, padding.PKCS1v15(), hashes.SHA256())
            case ed25519.Ed25519PublicKey():
                key.verify(raw, signed)
    except (InvalidSignature, binascii.Error, ValueError):
        raise Unfit("the signature is not that of the manufacturing key over the rest of the claim") from None


def _issued(certificate: x509.Certificate, ca: x509.Certificate, now: datetime) -> bool:
    if not ca.not_valid_before_utc <= now <= ca.not_valid_after_utc:
        return False
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
