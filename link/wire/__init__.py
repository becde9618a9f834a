"""What devices and Muster say: one model for each payload, both directions.

Device-side payloads come in by `read`; Muster-side ones go out by `.encode()`. All are UTF-8 JSON objects. Unknown keys
are ignored, and a `device_ts` that is absent, without time zone, outside 2000-2100 or no time at all reads as None: a
device with a broken clock is still heard. The models of both sides are used by the simulated fleet as well.
"""

from __future__ import annotations

from link.topics import Kind, Unreadable
from link.wire.orders import (
    CertificateIssued,
    CertificateRenew,
    ConfigDesired,
    DiagnosticsRequest,
    FirmwareDesired,
    Restart,
)
from link.wire.reading import MAX_PAYLOAD, read
from link.wire.said import (
    MODELS,
    AckStatus,
    CertificateCsr,
    CertificateInstalled,
    CommandAck,
    CommandStatus,
    ConfigAck,
    Echo,
    FirmwareState,
    FirmwareStep,
    LogResponse,
    Metrics,
    MetricsResponse,
    PingResponse,
    ProvisioningClaim,
    Response,
    Said,
    Status,
    Telemetry,
)
from link.wire.values import ERROR_TEXT, Payload, canonical

__all__ = [
    "ERROR_TEXT",
    "MAX_PAYLOAD",
    "MODELS",
    "AckStatus",
    "CertificateCsr",
    "CertificateInstalled",
    "CertificateIssued",
    "CertificateRenew",
    "CommandAck",
    "CommandStatus",
    "ConfigAck",
    "ConfigDesired",
    "DiagnosticsRequest",
    "Echo",
    "FirmwareDesired",
    "FirmwareState",
    "FirmwareStep",
    "Kind",
    "LogResponse",
    "Metrics",
    "MetricsResponse",
    "Payload",
    "PingResponse",
    "ProvisioningClaim",
    "Response",
    "Restart",
    "Said",
    "Status",
    "Telemetry",
    "Unreadable",
    "canonical",
    "read",
]
