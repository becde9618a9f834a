"""What could not be read, and when jobs are due."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from storage.columns import UtcDateTime
from storage.tables.base import table


class DeadLetter(SQLModel, table=True):
    """What could not be read: one row per device, topic, reason and hour, with how often and the newest payload."""

    __tablename__ = "dead_letters"
    __table_args__ = (Index("ix_dead_letters_last_at", "last_at"),)

    device_id: str = Field(primary_key=True, max_length=128)
    topic: str = Field(primary_key=True, max_length=256)
    reason: str = Field(primary_key=True, max_length=64)
    hour: datetime = Field(primary_key=True, sa_type=UtcDateTime)
    count: int = 1
    last_at: datetime = Field(sa_type=UtcDateTime)
    detail: str = Field(default="", sa_type=Text)
    size: int = 0
    payload: bytes = Field(default=b"", sa_type=LargeBinary)


class Schedule(SQLModel, table=True):
    """When a job that runs on its own clock is due next, kept across restarts and shared by replicas."""

    __tablename__ = "schedule"

    name: str = Field(primary_key=True, max_length=64)
    due_at: datetime = Field(sa_type=UtcDateTime)
    ran_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


dead_letters = table(DeadLetter)
schedule = table(Schedule)
