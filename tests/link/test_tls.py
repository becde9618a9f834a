"""The connection over TLS, against a mosquitto with a certificate of the moment."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fleet.settings import TlsSettings
from link.publish import Outgoing, Publisher
from tests.brokers import RunningBroker, mosquitto_broker
from tests.link.conftest import Taker, connected, until

pytestmark = pytest.mark.mosquitto


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return pem, secret


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return _certificate(tmp_path, "broker")


@pytest.fixture
def broker(tmp_path: Path, certificate: tuple[Path, Path]) -> Iterator[RunningBroker]:
    with mosquitto_broker(tmp_path, certfile=certificate[0], keyfile=certificate[1]) as running:
        yield running


async def test_messages_of_every_size_come_and_go_over_tls(
    broker: RunningBroker, certificate: tuple[Path, Path]
) -> None:
    tls = TlsSettings(enabled=True, ca_file=certificate[0])
    async with connected(broker.port, taker := Taker(), tls=tls) as connection:
        trusted = aiomqtt.TLSParameters(ca_certs=str(certificate[0]))
        async with aiomqtt.Client("127.0.0.1", broker.port, identifier="device", tls_params=trusted) as device:
            device.pending_calls_threshold = 1_000
            await device.publish("dev-1/status", b"x" * 1024 * 1024, qos=1)
            await asyncio.gather(*(device.publish("dev-1/status", str(number), qos=1) for number in range(500)))
            await until(lambda: connection.stats.acked == 501)
        sent = await Publisher(connection).publish_many([Outgoing("dev-1/config/desired", b"x" * 60_000)] * 200)
    assert taker.payloads[1:] == [str(number) for number in range(500)]
    assert all(outcome.sent for outcome in sent)


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_broker_with_another_certificate_is_refused(broker: RunningBroker, tmp_path: Path) -> None:
    other, _ = _certificate(tmp_path, "other")
    async with connected(broker.port, Taker(), wait=False, tls=TlsSettings(enabled=True, ca_file=other)) as connection:
        await until(lambda: connection.last_error != "")
        assert "certificate verify failed" in connection.last_error
    gc.collect()


async def test_a_missing_file_is_named(broker: RunningBroker, tmp_path: Path) -> None:
    tls = TlsSettings(enabled=True, ca_file=tmp_path / "nowhere.pem")
    async with connected(broker.port, Taker(), wait=False, tls=tls) as connection:
        await until(lambda: connection.last_error != "")
        assert "No such file" in connection.last_error
