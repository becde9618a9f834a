"""What devices say: one model for each kind of message."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import (
    AwareDatetime,
    Field,
)

from link.topics import Kind
from link.wire.values import BootId, Count, DeviceTime, DeviceWords, Id, Payload, Pem, Share, Site, Version


class Said(Payload):
    """`device_id` is never used to find the device: it only proves a message to be about another one."""

    device_id: str | None = Field(default=None, max_length=256)
    device_ts: DeviceTime = None


class Status(Said):
    reported_config_version: Version
    firmware_version: Version | None = None
    site: Site | None = None
    boot_id: BootId | None = None


class Telemetry(Said):
    """Any object: `text` is its JSON as it was sent."""

    text: str


class AckStatus(StrEnum):
    APPLIED = "applied"
    REJECTED = "rejected"


class ConfigAck(Said):
    version: Version
    status: AckStatus
    error: DeviceWords | None = None
    operation_id: Id | None = None


class Response(Said):
    """An answer to a diagnostics request; chunks count from 1. How many there may be is a rule of fleet.diagnostics."""

    request_id: Id
    chunk: int = Field(default=1, ge=1, lt=2**31)
    total_chunks: int = Field(default=1, ge=1, lt=2**31)


class LogResponse(Response):
    payload: str


class Metrics(Payload):
    """Percentages 0-100 (of all cores: may be above), bytes, seconds."""

    cpu_percent: Share | None = None
    ram_used_bytes: Count | None = None
    ram_total_bytes: Count | None = None
    disk_used_bytes: Count | None = None
    disk_total_bytes: Count | None = None
    uptime_seconds: Share | None = None
    mqtt_connections: Count | None = None


class MetricsResponse(Response):
    payload: Metrics


class Echo(Payload):
    """`sent_at` comes back as it was sent, so its text is not interpreted here."""

    sent_at: Annotated[str, Field(max_length=64)] | None = None


class PingResponse(Response):
    payload: Echo = Echo()


class CommandStatus(StrEnum):
    ACCEPTED = "accepted"
    DONE = "done"
    REJECTED = "rejected"


class CommandAck(Said):
    operation_id: Id
    status: CommandStatus
    error: DeviceWords | None = None


class FirmwareStep(StrEnum):
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    INSTALLING = "installing"
    REBOOTING = "rebooting"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


class FirmwareState(Said):
    version: Version
    state: FirmwareStep
    progress: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    error: DeviceWords | None = None


class CertificateCsr(Said):
    csr_pem: Pem
    operation_id: Id | None = None


class CertificateInstalled(Said):
    serial: Id


class ProvisioningClaim(Said):
    """`signed` is what the signature is over: all that was said but the signature, as canonical JSON."""

    manufacturing_certificate_pem: Pem
    csr_pem: Pem
    nonce: Id
    issued_at: AwareDatetime
    signature: Annotated[str, Field(min_length=1, max_length=4_096)]
    signed: str = Field(default="", exclude=True)


MODELS: Mapping[Kind, type[Said]] = MappingProxyType(
    {
        Kind.STATUS: Status,
        Kind.TELEMETRY: Telemetry,
        Kind.CONFIG_ACK: ConfigAck,
        Kind.LOG_RESPONSE: LogResponse,
        Kind.METRICS_RESPONSE: MetricsResponse,
        Kind.PING_RESPONSE: PingResponse,
        Kind.COMMAND_ACK: CommandAck,
        Kind.FIRMWARE_STATE: FirmwareState,
        Kind.CERTIFICATE_CSR: CertificateCsr,
        Kind.CERTIFICATE_INSTALLED: CertificateInstalled,
        Kind.PROVISIONING_CLAIM: ProvisioningClaim,
    }
)
