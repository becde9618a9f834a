"""Certificates, what devices ask for them, and the list of the revoked ones."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from fleet.certificate import CertificateState, RequestState
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table

UNLISTED = "state = 'revoked' AND listed_at IS NULL"


class Certificate(SQLModel, table=True):
    """One operational certificate. `serial` is in lower-case hex.

    `revoke_at` is set while it is superseded: then it is revoked, if the device is heard from there on. `listed_at` is
    when the revocation list first had it. `pem` is empty for one that came with an import.
    """

    __tablename__ = "certificates"
    __table_args__ = (
        Index("ix_certificates_device_id_issued_at", "device_id", "issued_at"),
        index("ix_certificates_revoke_at", "revoke_at IS NOT NULL", "revoke_at"),
        index("ix_certificates_unlisted", UNLISTED, "serial"),
        index("ix_certificates_revoked", "state = 'revoked'", "not_after"),
    )

    serial: str = Field(primary_key=True, max_length=64)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    state: CertificateState = Field(sa_type=cast(Any, enum_by_value(CertificateState)))
    not_before: datetime = Field(sa_type=UtcDateTime)
    not_after: datetime = Field(sa_type=UtcDateTime)
    pem: str = Field(sa_type=Text)
    issued_at: datetime = Field(sa_type=UtcDateTime)
    installed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoke_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason: str = Field(default="", max_length=256)
    listed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    operation_id: str | None = Field(default=None, max_length=40)
    campaign_id: str | None = Field(default=None, max_length=40)


class CertificateRequest(SQLModel, table=True):
    """What a device asked for: its request, or its claim with the manufacturing certificate in `claim`.

    `key` makes it one request however often it comes: the digest of a request, the nonce of a claim. The device of a
    claim may be in no registry.
    """

    __tablename__ = "certificate_requests"
    __table_args__ = (
        index("ix_certificate_requests_due_at", "state = 'pending'", "due_at"),
        Index("ix_certificate_requests_received_at", "received_at"),
    )

    device_id: str = Field(primary_key=True, max_length=128)
    key: str = Field(primary_key=True, max_length=160)
    digest: str = Field(max_length=64)
    state: RequestState = Field(sa_type=cast(Any, enum_by_value(RequestState)))
    csr_pem: str = Field(sa_type=Text)
    operation_id: str | None = Field(default=None, max_length=128)
    claim: dict[str, Any] | None = Field(default=None, sa_type=cast(Any, JSON(none_as_null=True)))
    received_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)
    serial: str | None = Field(default=None, max_length=64)
    why: str = Field(default="", sa_type=Text)


class Provisioning(SQLModel, table=True):
    """Somebody wants this manufactured device provisioned: the next request for a certificate that it sends is met."""

    __tablename__ = "provisionings"

    device_id: str = Field(primary_key=True, foreign_key="devices.device_id", max_length=128)
    requested_by: str = Field(max_length=64)
    requested_at: datetime = Field(sa_type=UtcDateTime)


class RevocationList(SQLModel, table=True):
    """The newest revocation list, in the one row there is. `number` counts up, as RFC 5280 has it."""

    __tablename__ = "revocation_lists"

    name: str = Field(primary_key=True, max_length=32)
    number: int
    made_at: datetime = Field(sa_type=UtcDateTime)
    next_update: datetime = Field(sa_type=UtcDateTime)
    entries: int
    pem: str = Field(sa_type=Text)


certificates = table(Certificate)
certificate_requests = table(CertificateRequest)
provisionings = table(Provisioning)
revocation_lists = table(RevocationList)
