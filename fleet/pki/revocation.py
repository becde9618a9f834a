"""The list of revoked certificates (RFC 5280, 5): what an authority makes and a broker reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from fleet.pki.parts import CLOCKS_DIFFER, PEM, Key, Unfit, hash_for, key_identifier


@dataclass(frozen=True, slots=True)
class Revoked:
    """An entry of a revocation list. A reason that RFC 5280 names (`key_compromise`, …) stands in it."""

    serial: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListRead:
    """What a revocation list says of itself."""

    issuer: str
    number: int
    ends_at: datetime
    entries: int


def read_list(pem: bytes) -> ListRead:
    """Raises Unfit if it is none."""
    try:
        found = x509.load_pem_x509_crl(pem)
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, x509.ExtensionNotFound):
        raise Unfit("it is no revocation list") from None
    ends_at = found.next_update_utc
    if ends_at is None:
        raise Unfit("it has no end")
    return ListRead(found.issuer.rfc4514_string(), number, ends_at, len(found))


def make_list(
    ca: x509.Certificate, key: Key, revoked: Sequence[Revoked], number: int, now: datetime, until: datetime
) -> str:
    """All that are revoked, as a list in PEM."""
    entries = [_entry(each) for each in revoked]
    # Given at once: `add_revoked_certificate` copies all that there are for each.
    builder = x509.CertificateRevocationListBuilder(revoked_certificates=entries)
    made = (
        builder.issuer_name(ca.subject)
        .last_update(now - CLOCKS_DIFFER)
        .next_update(until)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(key_identifier(ca), critical=False)
        .sign(key, hash_for(key))
    )
    return made.public_bytes(PEM).decode()


def _entry(revoked: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(int(revoked.serial, 16)).revocation_date(revoked.at)
    if flag := _REASONS.get(revoked.reason):
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()


_REASONS = {
    flag.name: flag
    for flag in (
        *(x509.ReasonFlags.key_compromise, x509.ReasonFlags.superseded, x509.ReasonFlags.cessation_of_operation),
        *(x509.ReasonFlags.affiliation_changed, x509.ReasonFlags.privilege_withdrawn),
    )
}
