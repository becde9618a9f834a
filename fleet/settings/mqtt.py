"""`mqtt`: the broker that the devices talk to."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr

from fleet.settings.values import Duration, Section


class TlsSettings(Section):
    enabled: bool = Field(default=False, description="encrypt the connection")
    ca_file: Path | None = Field(default=None, description="CA bundle of the broker; the system's when empty")
    cert_file: Path | None = Field(default=None, description="Muster's own client certificate")
    key_file: Path | None = Field(default=None, description="its key")
    verify_hostname: bool = Field(default=True, description="refuse a certificate that names another host")


class MqttProtocol(StrEnum):
    AUTO = "auto"
    V311 = "3.1.1"
    V5 = "5"


class MqttSettings(Section):
    host: str = Field(default="127.0.0.1", description="the broker that the devices talk to")
    port: int = Field(default=1883, ge=1, le=65535, description="usually 1883, or 8883 with TLS")
    username: str | None = Field(default=None, description="how Muster signs in, where the broker asks for it")
    password: SecretStr | None = Field(default=None, description="the password of that user")
    tls: TlsSettings = TlsSettings()
    protocol: MqttProtocol = Field(default=MqttProtocol.AUTO, description="auto tries 5, then 3.1.1")
    client_id: str = Field(default="muster-1", min_length=1, description="fixed, and different for each replica")
    topic_prefix: str = Field(
        default="",
        pattern=r"^(|[^+#/$\x00][^+#\x00]*/)$",
        description="empty, or ends in / : put before every topic",
    )
    shared_group: str | None = Field(default=None, description="MQTT 5 shared subscription group for several replicas")
    keepalive: Duration = Field(default=timedelta(seconds=60), description="longest silence before a sign of life")
    session_expiry: Duration = Field(default=timedelta(hours=24), description="how long the broker keeps our session")
    reconnect_first: Duration = Field(default=timedelta(seconds=1), description="first wait, doubled with full jitter")
    reconnect_most: Duration = Field(default=timedelta(seconds=60), description="longest wait between two attempts")
    publish_concurrency: int = Field(default=100, ge=1, le=1000, description="publishes in flight")
    publish_timeout: Duration = Field(default=timedelta(seconds=20), description="how long a PUBACK is waited for")
    max_payload_bytes: int = Field(default=131072, ge=1024, description="larger payloads become dead letters")
