"""What was asked of devices to find out how they are, and what they answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Float, Index, Text
from sqlmodel import Field, SQLModel

from fleet.diagnostics import DiagnosticKind, RequestState
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table


class DiagnosticRequest(SQLModel, table=True):
    """One question to one device; its id is the `request_id` on the wire, and the id of the operation that asks it.

    `due_at` is when its time runs out, or when something is to be put together. `channel` and `thread_ts` are where a
    person asked; a question to many has a `fan_out_id` instead. `model` is the device's when it was asked, so that
    numbers are compared with those of its like. `result` is small; `text` is a log as it may be shown.
    """

    __tablename__ = "diagnostics"
    __table_args__ = (
        index("ix_diagnostics_due_at", "due_at IS NOT NULL", "due_at"),
        index("ix_diagnostics_waiting", "state = 'waiting'", "device_id"),
        index("ix_diagnostics_fan_out_id_state", "fan_out_id IS NOT NULL", "fan_out_id", "state"),
        index("ix_diagnostics_metrics", "kind = 'metrics' AND state = 'answered'", "model", "answered_at"),
        Index("ix_diagnostics_device_id_created_at", "device_id", "created_at"),
        Index("ix_diagnostics_created_at", "created_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    kind: DiagnosticKind = Field(sa_type=cast(Any, enum_by_value(DiagnosticKind)))
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    model: str = Field(default="", max_length=128)
    state: RequestState = Field(sa_type=cast(Any, enum_by_value(RequestState)))
    params: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    requested_by: str = Field(max_length=64)
    channel: str = Field(default="", max_length=64)
    thread_ts: str | None = Field(default=None, max_length=32)
    fan_out_id: str | None = Field(default=None, max_length=40)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    total_chunks: int | None = None
    chunks: int = 0
    size: int = 0
    fault: str = Field(default="", max_length=64)
    rtt_ms: float | None = Field(default=None, sa_type=Float)
    approximate: bool = False
    skew_s: float | None = Field(default=None, sa_type=Float)
    result: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    text: str = Field(default="", sa_type=Text)


class DiagnosticChunk(SQLModel, table=True):
    """A piece of a log as it came, kept only while the answer may still be completed."""

    __tablename__ = "diagnostic_chunks"

    request_id: str = Field(primary_key=True, max_length=40, foreign_key="diagnostics.id")
    chunk: int = Field(primary_key=True)
    digest: str = Field(max_length=64)
    text: str = Field(sa_type=Text)


class FanOut(SQLModel, table=True):
    """One question to many devices. `after` is the last device that was taken up, in order of id.

    `total` is how many the selector meant when it was asked; `done_at` is when all of them were taken up, `closed_at`
    when its report was made.
    """

    __tablename__ = "fan_outs"
    __table_args__ = (index("ix_fan_outs_due_at", "due_at IS NOT NULL", "due_at"),)

    id: str = Field(primary_key=True, max_length=40)
    kind: DiagnosticKind = Field(sa_type=cast(Any, enum_by_value(DiagnosticKind)))
    selector: str = Field(sa_type=Text)
    params: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    requested_by: str = Field(max_length=64)
    channel: str = Field(max_length=64)
    thread_ts: str | None = Field(default=None, max_length=32)
    total: int
    after: str = Field(default="", max_length=128)
    created_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


diagnostics = table(DiagnosticRequest)
diagnostic_chunks = table(DiagnosticChunk)
fan_outs = table(FanOut)
