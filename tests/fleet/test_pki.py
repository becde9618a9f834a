"""What is signed, what is not, and what a list of revoked certificates says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from fleet import pki
from fleet.errors import BadInput
from fleet.pki import Revoked, Unfit
from link.wire import canonical
from tests import keyed
from tests.keyed import PASSPHRASE, Keyed, authority, request

DAY = timedelta(days=1)


def test_a_certificate_names_its_device_and_is_for_clients_only(now: datetime) -> None:
    ca, device = authority(), Keyed("dev-1")
    issued = ca.issue(device.csr(), "dev-1", now)
    made = x509.load_pem_x509_certificate(issued.pem.encode())
    made.verify_directly_issued_by(ca.certificate)
    assert made.subject == keyed.common_name("dev-1")
    assert made.public_key() == device.key.public_key()
    assert f"{made.serial_number:x}" == issued.serial
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:muster:device:dev-1"]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (issued.not_before, issued.not_after) == (now - timedelta(minutes=5), now + timedelta(days=365))


def test_no_certificate_lives_longer_than_its_ca(now: datetime) -> None:
    ca = replace(authority(), validity=2 * keyed.LONG)
    assert ca.issue(Keyed("dev-1").csr(), "dev-1", now).not_after == ca.ends_at
    with pytest.raises(Unfit, match="ended on"):
        ca.issue(Keyed("dev-1").csr(), "dev-1", ca.ends_at)


def test_serials_do_not_repeat(now: datetime) -> None:
    csr = Keyed("dev-1").csr()
    serials = {authority().issue(csr, "dev-1", now).serial for _ in range(50)}
    assert len(serials) == 50
    assert max(int(serial, 16).bit_length() for serial in serials) > 140


def _p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _tampered() -> str:
    """The signature of another request below this one's content."""
    good, other = request("dev-1", _p256()), request("dev-1", _p256())
    lines = good.splitlines()
    return "\n".join([*lines[:-2], other.splitlines()[-2], lines[-1]])


@pytest.mark.parametrize(
    "csr",
    [
        request("dev-1", ec.generate_private_key(ec.SECP384R1())),
        request("dev-1", ed25519.Ed25519PrivateKey.generate(), None),
        request("dev-1", rsa.generate_private_key(65537, 2048)),
    ],
    ids=["P-384", "Ed25519", "RSA"],
)
def test_keys_of_these_kinds_are_taken(csr: str, now: datetime) -> None:
    assert authority().issue(csr, "dev-1", now).serial


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        (request("dev-2", _p256()), "names 'dev-2'"),
        (request("dev-1", ec.generate_private_key(ec.SECP256K1())), "the key must be"),
        (request("dev-1", rsa.generate_private_key(65537, 1024)), "the key must be"),
        (request("dev-1", _p256(), hashes.SHA224()), "too weak"),
        (_tampered(), "own key|no certificate request"),
        ("no PEM", "no certificate request"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "no certificate request"),
    ],
)
def test_requests_that_are_not_signed(csr: str, why: str, now: datetime) -> None:
    with pytest.raises(Unfit, match=why):
        authority().issue(csr, "dev-1", now)


def test_an_id_that_is_too_long_for_a_certificate_is_said_so(now: datetime) -> None:
    with pytest.raises(Unfit, match="64 characters, and the device id has 65"):
        authority().issue(Keyed("dev-1").csr(), "d" * 65, now)


def test_a_ca_is_loaded_with_its_passphrase_only(now: datetime) -> None:
    certificate, key = (each.encode() for each in keyed.ca_files(keyed.MUSTER_CA))
    other, _ = (each.encode() for each in keyed.ca_files("Another CA"))
    assert "ENCRYPTED" in key.decode()
    for pem, secret, word, why in (
        (certificate, key, "wrong", "passphrase"),
        (certificate, b"", PASSPHRASE, "cannot be read"),
        (certificate, keyed.pem_of(_p256()).encode(), PASSPHRASE, "not encrypted"),
        (other, key, PASSPHRASE, "does not belong"),
        (Keyed("dev-1").factory_pem.encode(), key, PASSPHRASE, "not that of a CA"),
        (b"nothing", key, PASSPHRASE, "no certificate"),
    ):
        with pytest.raises(Unfit, match=why):
            pki.load(pem, secret, word, DAY)


def test_a_server_has_its_hosts_and_a_client_its_name(now: datetime) -> None:
    ca = authority()
    server, secret = ca.pair("broker", ["mqtt.example.com", "127.0.0.1"], now)
    made = x509.load_pem_x509_certificate(server.encode())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mqtt.example.com"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert "PRIVATE KEY" in secret
    client = x509.load_pem_x509_certificate(ca.pair("muster", [], now)[0].encode())
    usage = client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    for name, hosts in (("", []), ("x" * 65, []), ("broker", ["ünicode"])):
        with pytest.raises(BadInput):
            ca.pair(name, hosts, now)


def test_a_list_says_who_is_revoked_and_until_when_it_holds(now: datetime) -> None:
    ca = authority()
    pem = ca.revocation_list([Revoked("a1", now, "key_compromise"), Revoked("ff", now, "lost")], 7, now, now + DAY)
    read = pki.read_list(pem.encode())
    assert (read.number, read.ends_at, read.entries, read.issuer) == (7, now + DAY, 2, "CN=Muster CA")
    found = x509.load_pem_x509_crl(pem.encode())
    assert found.is_signature_valid(ca.certificate.public_key())
    entry = found.get_revoked_certificate_by_serial_number(0xA1)
    assert entry
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    with pytest.raises(Unfit):
        pki.read_list(b"")


def _check(said: dict[str, str], device_id: str, now: datetime) -> None:
    makers = pki.manufacturers(keyed.ca_files(keyed.FACTORY_CA)[0].encode())
    key = makers.key_of(said["manufacturing_certificate_pem"], device_id, now)
    signed = canonical({name: value for name, value in said.items() if name != "signature"})
    pki.check_signature(key, said["signature"], signed.encode())


def test_a_claim_is_believed_with_the_certificate_of_its_factory(now: datetime) -> None:
    _check(Keyed("dev-1").claim(now), "dev-1", now)


def test_claims_that_are_not_believed(now: datetime) -> None:
    device, stranger = Keyed("dev-1"), Keyed("dev-1", authority("Another CA"))
    good = device.claim(now)
    for said, device_id, at, why in (
        (good, "dev-2", now, "names 'dev-1'"),
        (stranger.claim(now), "dev-1", now, "no CA that is believed"),
        (Keyed("dev-1", replace(authority(keyed.FACTORY_CA), validity=DAY)).claim(now), "dev-1", now, "not valid"),
        ({**good, "nonce": "n-2"}, "dev-1", now, "signature"),
        ({**good, "signature": "!"}, "dev-1", now, "signature"),
        ({**good, "manufacturing_certificate_pem": "x"}, "dev-1", now, "no certificate"),
    ):
        with pytest.raises(Unfit, match=why):
            _check(said, device_id, at)
