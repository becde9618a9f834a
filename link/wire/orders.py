"""What Muster says to devices: one model for each payload."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BeforeValidator,
)

from link.wire.values import Payload, canonical


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
