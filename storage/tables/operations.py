"""What is asked of devices."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from fleet.operation import OperationKind, OperationState
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table


class Operation(SQLModel, table=True):
    """One thing asked of one device. Claimed to be sent; an expired claim is sent again as the same attempt.

    `params` is what its kind needs besides `version`; after `expires_at` it is not sent any more. `campaign_id` names
    the campaign that it belongs to.
    """

    __tablename__ = "operations"
    __table_args__ = (
        index("ix_operations_due_at", "state = 'queued'", "due_at"),
        index("ix_operations_expires_at", "state = 'queued' AND expires_at IS NOT NULL", "expires_at"),
        index("ix_operations_sent", "state = 'sent'", "kind"),
        Index("ix_operations_device_id_created_at", "device_id", "created_at"),
        index("ix_operations_campaign_id", "campaign_id IS NOT NULL", "campaign_id"),
    )

    id: str = Field(primary_key=True, max_length=40)
    kind: OperationKind = Field(sa_type=cast(Any, enum_by_value(OperationKind)))
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    state: OperationState = Field(sa_type=cast(Any, enum_by_value(OperationState)))
    version: str = Field(default="", max_length=128)
    params: dict[str, Any] = Field(default_factory=dict, sa_type=JSON, sa_column_kwargs={"server_default": "{}"})
    campaign_id: str | None = Field(default=None, max_length=40)
    attempt: int = 1
    requested_by: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    claimed_by: str | None = Field(default=None, max_length=128)
    claimed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", sa_type=Text)


operations = table(Operation)
