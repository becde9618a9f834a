"""Drift cases."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from fleet.drift import CaseState, Resolution
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table

OPEN_CASE = "resolved_at IS NULL"
UNTOLD_CASE = f"{OPEN_CASE} AND escalated_at IS NULL"
SNOOZED_CASE = f"{OPEN_CASE} AND snoozed_until IS NOT NULL"
"""Conditions of the partial indexes; queries use the same text, or the indexes do not serve them."""


class DriftCase(SQLModel, table=True):
    """One stretch of drift of one device, from detection to resolution.

    `due_at` is the ack's deadline while pushing, or the moment to begin a fresh round; NULL waits for something else.
    `fresh_at` is the earliest moment of another round; `escalate_at` moves to the present when a device rejects.
    While it is snoozed it is not escalated, and all else goes on.
    """

    __tablename__ = "drift_cases"
    __table_args__ = (
        index("uq_drift_cases_open_device_id", OPEN_CASE, "device_id", unique=True),
        index("ix_drift_cases_due_at", OPEN_CASE, "due_at"),
        index("ix_drift_cases_escalate_at", UNTOLD_CASE, "escalate_at"),
        Index("ix_drift_cases_device_id_detected_at", "device_id", "detected_at"),
        Index("ix_drift_cases_detected_at", "detected_at"),
        index("ix_drift_cases_snoozed_until", SNOOZED_CASE, "snoozed_until"),
    )

    id: str = Field(primary_key=True, max_length=40)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    state: CaseState = Field(sa_type=cast(Any, enum_by_value(CaseState)))
    target_version: str = Field(max_length=128)
    reported_version: str = Field(default="", max_length=128)
    detected_at: datetime = Field(sa_type=UtcDateTime)
    operation_id: str = Field(max_length=40, index=True)
    attempt: int = 1
    rounds: int = 1
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    fresh_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", sa_type=Text)
    escalate_at: datetime = Field(sa_type=UtcDateTime)
    escalated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolution: Resolution | None = Field(default=None, sa_type=cast(Any, enum_by_value(Resolution)))
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    snoozed_by: str | None = Field(default=None, max_length=64)
    snooze_why: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


drift_cases = table(DriftCase)
