"""The shipped mosquitto, installed with a CA and certificates as docs/certificates.md says."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt

from tests.brokers import DeployedMosquitto, require_mosquitto
from tests.keyed import FACTORY_CA, Keyed, authority, ca_files, pem_of


class Installation:
    """The shipped mosquitto with a CA, its list, and certificates for `muster`, dev-1, dev-2 and a new dev-3."""

    def __init__(self, broker: DeployedMosquitto) -> None:
        self.broker, self.etc = broker, broker.etc
        self.ca, self.began = authority(), datetime.now(UTC)
        self.crl_file = self.etc / "ca" / "crl.pem"
        self.crl_file.write_text(self.ca.revocation_list([], 0, self.began, self.began + timedelta(days=30)))
        (self.etc / "ca" / "ca.pem").write_text(self.ca.chain_pem)
        (self.etc / "ca" / "manufacturing.pem").write_text(ca_files(FACTORY_CA)[0])
        for name, hosts in (("broker", [broker.host]), ("muster", [])):
            self.keep(name, *self.ca.pair(name, hosts, self.began))
        for name in ("dev-1", "dev-2"):
            device = Keyed(name)
            self.keep(name, self.ca.issue(device.csr(), name, self.began).pem, pem_of(device.key))
        self.new = Keyed("dev-3")
        self.keep("dev-3.factory", self.new.factory_pem, pem_of(self.new.factory_key))

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Installation]:
        require_mosquitto()
        installed = cls(DeployedMosquitto(folder))
        try:
            installed.broker.start()
            yield installed
        finally:
            installed.broker.stop()

    def keep(self, name: str, certificate: str, key: str) -> None:
        """Certificate and key of whoever connects by this name."""
        (self.etc / "certs" / f"{name}.pem").write_text(certificate)
        (self.etc / "certs" / f"{name}.key").write_text(key)

    def tls(self, name: str) -> dict[str, Any]:
        """The setting `mqtt.tls` of this name."""
        folder = self.etc / "certs"
        files = {"cert_file": folder / f"{name}.pem", "key_file": folder / f"{name}.key"}
        return {"enabled": True, "ca_file": self.etc / "ca" / "ca.pem", **files}

    def lets_in(self, name: str, port: int | None = None) -> bool:
        """Whether the broker answers this name's CONNECT: asked by hand, as a client waits long for a refusal."""
        given, hello = self.tls(name), b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x"
        context = ssl.create_default_context(cafile=given["ca_file"])
        context.load_cert_chain(given["cert_file"], given["key_file"])
        where = self.broker.host, port or self.broker.port
        try:
            with socket.create_connection(where, 5) as raw, context.wrap_socket(raw, server_hostname=where[0]) as line:
                line.sendall(hello)
                return line.recv(4) == b"\x20\x02\x00\x00"
        except (ssl.SSLError, ConnectionError):
            return False

    @asynccontextmanager
    async def connection(
        self, name: str, port: int | None = None, client_id: str | None = None
    ) -> AsyncIterator[aiomqtt.Client]:
        """Connected with the certificate of that name; raises MqttError if the broker does not let it in."""
        given = self.tls(name)
        tls = aiomqtt.TLSParameters(
            ca_certs=str(given["ca_file"]), certfile=str(given["cert_file"]), keyfile=str(given["key_file"])
        )
        async with aiomqtt.Client(
            self.broker.host,
            port or self.broker.port,
            identifier=client_id or name,
            tls_params=tls,
            timeout=5,
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as client:
            yield client
