"""Who signs: the interface, and Muster's own CA behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from fleet.pki.parts import (
    CLOCKS_DIFFER,
    Key,
    PublicKey,
    Unfit,
    hash_for,
    host_name,
    is_ca,
    key_identifier,
    key_text,
    name_of,
    read_certificate,
    text_of,
)
from fleet.pki.request import requested_key
from fleet.pki.revocation import Revoked, make_list


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate. `serial` in lower-case hex."""

    serial: str
    not_before: datetime
    not_after: datetime
    pem: str


class Authority(Protocol):
    """Whoever signs. Muster's own CA is `OwnAuthority`; step-ca or Vault would stand behind the same three."""

    @property
    def chain_pem(self) -> str:
        """What a device needs besides its certificate: those above it, in PEM."""
        ...

    def issue(self, csr_pem: str, device_id: str, now: datetime) -> Issued:
        """A certificate for that request. Raises Unfit."""
        ...

    def revocation_list(self, revoked: Sequence[Revoked], number: int, now: datetime, until: datetime) -> str:
        """All that are revoked, as a list in PEM that is valid until then."""
        ...


@dataclass(frozen=True)
class OwnAuthority:
    """A certificate and its key. `validity` is that of what it issues, never longer than its own."""

    certificate: x509.Certificate
    key: Key
    validity: timedelta

    @property
    def chain_pem(self) -> str:
        return text_of(self.certificate)

    @property
    def ends_at(self) -> datetime:
        return self.certificate.not_valid_after_utc

    def issue(self, csr_pem: str, device_id: str, now: datetime) -> Issued:
        """For a client: signed only if the request names the device and proves that it has the key."""
        identity = x509.UniformResourceIdentifier(f"urn:muster:device:{device_id}")
        public = requested_key(csr_pem, device_id)
        return self._sign(device_id, public, ExtendedKeyUsageOID.CLIENT_AUTH, [identity], now)

    def pair(self, name: str, hosts: Sequence[str], now: datetime) -> tuple[str, str]:
        """A certificate and its new, unencrypted key in PEM, for a machine of the house.

        With `hosts` (names or addresses) it is a server's, for the broker; without, a client's: Muster's own.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        names = [host_name(host) for host in hosts]
        issued = self._sign(name, key.public_key(), usage, names, now)
        return issued.pem, key_text(key, serialization.NoEncryption())

    def _sign(
        self,
        name: str,
        public: PublicKey,
        usage: x509.ObjectIdentifier,
        names: Sequence[x509.GeneralName],
        now: datetime,
    ) -> Issued:
        ends_at = min(now + self.validity, self.ends_at)
        if ends_at <= now:
            raise Unfit(f"the CA's own certificate ended on {self.ends_at:%Y-%m-%d}")
        serial = x509.random_serial_number()  # 159 bits
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(name))
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(serial)
            .not_valid_before(now - CLOCKS_DIFFER)
            .not_valid_after(ends_at)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(encipher=isinstance(public, rsa.RSAPublicKey)), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(key_identifier(self.certificate), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = builder.sign(self.key, hash_for(self.key))
        return Issued(f"{serial:x}", made.not_valid_before_utc, made.not_valid_after_utc, text_of(made))

    def revocation_list(self, revoked: Sequence[Revoked], number: int, now: datetime, until: datetime) -> str:
        return make_list(self.certificate, self.key, revoked, number, now, until)


def create(name: str, passphrase: str, now: datetime, validity: timedelta) -> tuple[str, str]:
    """A new CA: its certificate, and its key encrypted with the passphrase, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(name_of(name))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return text_of(certificate), key_text(key, serialization.BestAvailableEncryption(passphrase.encode()))


def load(certificate_pem: bytes, key_pem: bytes, passphrase: str, validity: timedelta) -> OwnAuthority:
    """The CA of these two. Raises Unfit: no PEM, not a CA, a wrong passphrase, a key that belongs to another one."""
    certificate = read_certificate(certificate_pem)
    if not is_ca(certificate):
        raise Unfit("the certificate is not that of a CA")
    try:
        key = serialization.load_pem_private_key(key_pem, passphrase.encode())
    except TypeError:
        raise Unfit("the key is not encrypted: encrypt it, or make a new CA with `muster ca init`") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Unfit("the key cannot be read: the passphrase is another one, or the file is damaged") from None
    if not isinstance(key, Key):
        raise Unfit("the key is of a kind that cannot sign certificates here: EC, RSA or Ed25519 can")
    if key.public_key() != certificate.public_key():
        raise Unfit("the key does not belong to the certificate")
    return OwnAuthority(certificate, key, validity)


def _usage(encipher: bool = False, authority: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=encipher,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
