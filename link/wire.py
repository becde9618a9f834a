"""What devices and Muster say: one model for each payload, both directions.

Device-side payloads come in by `read`; Muster-side ones go out by `.encode()`. All are UTF-8 JSON objects. Unknown keys
are ignored, and a `device_ts` that is absent, without time zone, outside 2000-2100 or no time at all reads as None: a
device with a broken clock is still heard. The models of both sides are used by the simulated fleet as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema, from_json

from link.topics import Kind, Unreadable

__all__ = ["MODELS", "Kind", "Unreadable", "read"]

MAX_PAYLOAD = 131_072  # bytes; the default of the setting mqtt.max_payload_bytes
ERROR_TEXT = 2_000  # characters of a device's own words that are kept


def _none_if_unreadable(source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
    return core_schema.with_default_schema(handler(source), default=None, on_error="default")


DeviceTime = Annotated[
    Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC))] | None,
    GetPydanticSchema(_none_if_unreadable),
]
Version = Annotated[str, Field(max_length=128)]
Id = Annotated[str, Field(min_length=1, max_length=128)]
Site = Annotated[str, Field(max_length=128)]
BootId = Annotated[str, Field(max_length=128, coerce_numbers_to_str=True)]
# A rejection must not be lost because the device complains at length.
DeviceWords = Annotated[str, AfterValidator(lambda text: text[:ERROR_TEXT])]
Pem = Annotated[str, Field(min_length=1, max_length=16_384)]
Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


def canonical(value: object) -> str:
    """JSON text that is the same for equal values: sorted keys, no spaces, characters as they are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def encode(self) -> bytes:
        """Compact UTF-8 JSON; fields that are None are left out."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """As a device reads it; raises pydantic's ValidationError."""
        return cls.model_validate_json(payload)


# --- what devices say -------------------------------------------------------------------------------------------------


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


def _telemetry(payload: bytes) -> Telemetry:
    head = Said.model_validate_json(payload)
    # NaN and Infinity are not JSON, but pydantic takes them; whoever reads the stored text may not.
    if b"NaN" in payload or b"Infinity" in payload:
        try:
            from_json(payload, allow_inf_nan=False)
        except ValueError:
            raise Unreadable("not json") from None
    return Telemetry.model_construct(device_id=head.device_id, device_ts=head.device_ts, text=payload.decode())


def _claim(payload: bytes) -> ProvisioningClaim:
    claim = ProvisioningClaim.model_validate_json(payload)
    said = {name: value for name, value in json.loads(payload).items() if name != "signature"}
    return claim.model_copy(update={"signed": canonical(said)})


# The validators themselves: `model_validate_json` around them would cost as much again as a status takes.
_PARSE: dict[Kind, Callable[[bytes], Any]] = {
    **{kind: model.__pydantic_validator__.validate_json for kind, model in MODELS.items()},
    Kind.TELEMETRY: _telemetry,
    Kind.PROVISIONING_CLAIM: _claim,
}


def read(device_id: str, kind: Kind, payload: bytes, max_bytes: int = MAX_PAYLOAD) -> Said:
    """What the device said, as the model of its kind (`MODELS[kind]`).

    Raises Unreadable, and nothing else, whatever the bytes are.
    """
    if len(payload) > max_bytes:
        raise Unreadable("too large")
    # PostgreSQL's text cannot hold U+0000, which JSON can only write as this escape. An escaped backslash before the
    # same letters looks alike, so the sure but slow look is taken only at what is suspicious.
    if b"\\u0000" in payload and _has_nul(payload):
        raise Unreadable("nul character")
    try:
        said: Said = _PARSE[kind](payload)
    except ValidationError as error:
        raise Unreadable(_reason(error, payload)) from None
    if said.device_id is not None and said.device_id != device_id:
        raise Unreadable("names another device")
    return said


def _has_nul(payload: bytes) -> bool:
    try:
        parsed = from_json(payload)
    except ValueError:
        return False  # not JSON at all: said so by the caller
    pending: list[Any] = [parsed]
    while pending:
        value = pending.pop()
        if isinstance(value, str) and "\x00" in value:
            return True
        if isinstance(value, dict):
            pending += value.keys()
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return False


def _reason(error: ValidationError, payload: bytes) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        try:
            payload.decode()
        except UnicodeDecodeError:
            return "not utf-8"
        return "not json"
    if not first["loc"]:
        return "not an object"
    return "bad field: " + ".".join(str(part) for part in first["loc"])


# --- what Muster says -------------------------------------------------------------------------------------------------


def _as_text(config: object) -> object:
    return canonical(config) if isinstance(config, dict) else config


class ConfigDesired(Payload):
    """Retained. `config` is kept as canonical JSON text (an object): it is put into the payload as it stands."""

    version: str
    sha256: str
    config: Annotated[str, BeforeValidator(_as_text)]
    operation_id: str
    attempt: int
    issued_at: AwareDatetime

    def encode(self) -> bytes:
        return b'%b,"config":%b}' % (self.model_dump_json(exclude={"config"}).encode()[:-1], self.config.encode())


class DiagnosticsRequest(Payload):
    request_id: str
    operation: str
    params: dict[str, Any] = {}
    requested_by: str
    expires_at: AwareDatetime


class Restart(Payload):
    operation_id: str
    attempt: int
    expires_at: AwareDatetime
    reason: str = ""


class FirmwareDesired(Payload):
    """Retained. `size` in bytes."""

    version: str
    url: str
    sha256: str
    size: int
    campaign: str | None = None
    operation_id: str
    attempt: int


class CertificateRenew(Payload):
    """`not_after` is the end of the certificate that it has, if it has one."""

    operation_id: str
    attempt: int
    not_after: AwareDatetime | None = None
    expires_at: AwareDatetime


class CertificateIssued(Payload):
    operation_id: str
    certificate_pem: str
    chain_pem: str
