"""Who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from storage.columns import UtcDateTime
from storage.tables.base import table


class AuditEntry(SQLModel, table=True):
    """Who did what to what, inserted in the transaction that did it."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject_at", "subject", "at"),)

    id: str = Field(primary_key=True, max_length=40)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(max_length=64)
    action: str = Field(max_length=64)
    subject: str = Field(max_length=256)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


audit = table(AuditEntry)
