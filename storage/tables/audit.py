"""Who did what, in a chain that shows when somebody changed it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field, SQLModel

from storage.columns import UtcDateTime
from storage.tables.base import index, table

UNSEALED = "seq IS NULL"


class AuditEntry(SQLModel, table=True):
    """Who did what to what, inserted in the transaction that did it.

    The sealer gives it its place in the chain right after: `seq` counts from 1, `mac` is over the entry and over the
    `mac` before it (fleet/audit.py).
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_subject_at", "subject", "at"),
        Index("ix_audit_at", "at"),
        Index("uq_audit_seq", "seq", unique=True),
        index("ix_audit_unsealed", UNSEALED, "id"),
    )

    id: str = Field(primary_key=True, max_length=40)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(max_length=64)
    action: str = Field(max_length=64)
    subject: str = Field(max_length=256)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    seq: int | None = Field(default=None, sa_type=BigInteger)
    mac: str | None = Field(default=None, max_length=64)


class AuditSubject(SQLModel, table=True):
    """A device that an entry is about, so that its story is found without reading the entries of others."""

    __tablename__ = "audit_subjects"

    device_id: str = Field(primary_key=True, max_length=128)
    entry_id: str = Field(primary_key=True, max_length=40)


class AuditHead(SQLModel, table=True):
    """The end of the chain, one row: whoever seals moves it from the `seq` that was read, or has lost."""

    __tablename__ = "audit_head"

    name: str = Field(primary_key=True, max_length=16)
    seq: int = Field(sa_type=BigInteger)
    mac: str = Field(max_length=64)
    sealed_at: datetime = Field(sa_type=UtcDateTime)


audit = table(AuditEntry)
audit_subjects = table(AuditSubject)
audit_head = table(AuditHead)
