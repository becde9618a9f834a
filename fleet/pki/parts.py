"""What requests, claims and lists have in common: names, kinds of keys, and how they are written."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from fleet.errors import BadInput

LONGEST_NAME = 64
"""Characters of a common name (RFC 5280, ub-common-name): a device with a longer id can have no certificate."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""What is signed begins so long ago, for those whose clock is behind: a broker refuses all devices by a future list."""

PEM = serialization.Encoding.PEM

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class Unfit(ValueError):
    """A request, a claim or a file that cannot be taken; the text says why, as a sentence without its full stop."""


def read_certificate(pem: bytes) -> x509.Certificate:
    """The certificate in a PEM. Raises Unfit."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise Unfit("it is no certificate in PEM") from None


def is_ca(certificate: x509.Certificate) -> bool:
    """True if the certificate says that it may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def common_name(name: x509.Name) -> str:
    """The one common name; empty if there is none or several."""
    match name.get_attributes_for_oid(NameOID.COMMON_NAME):
        case [only]:
            return str(only.value)
    return ""


def name_of(common: str) -> x509.Name:
    """A subject with that common name and nothing else. Raises BadInput if it is empty or too long."""
    if not 0 < len(common) <= LONGEST_NAME:
        raise BadInput(f"A name in a certificate has 1 to {LONGEST_NAME} characters, and {common!r} has {len(common)}.")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def host_name(written: str) -> x509.GeneralName:
    """A name or an address as a certificate's subject alternative name. Raises BadInput."""
    try:
        return x509.IPAddress(ipaddress.ip_address(written))
    except ValueError:
        pass
    try:
        return x509.DNSName(written)
    except ValueError:
        raise BadInput(f"{written!r} is neither the name of a host nor its address.") from None


def key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The issuer's key as its certificates name it, or as RFC 5280 derives it (4.2.1.2)."""
    try:
        known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        known = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def hash_for(key: Key) -> hashes.SHA256 | None:
    """What a signature by this key hashes with: Ed25519 brings its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def text_of(certificate: x509.Certificate) -> str:
    """A certificate as PEM text."""
    return certificate.public_bytes(PEM).decode()


def key_text(key: Key, how: serialization.KeySerializationEncryption) -> str:
    """A private key as PEM text, encrypted as asked."""
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how).decode()
