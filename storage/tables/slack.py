"""What is said in Slack, and what was heard there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from storage.columns import UtcDateTime
from storage.tables.base import index, table


class OutboxMessage(SQLModel, table=True):
    """One message in Slack, as it should read now.

    `revision` counts what was wanted, `sent_revision` what Slack took: edits that pile up become one. `ts` is NULL
    until it stands in the channel. `uncertain` says that a post may have been accepted without our knowing.
    It stands in the thread of the message `thread_key`, or of one that is not ours, `thread_ts`. Where the channel does
    not let Muster in, it goes to `fallback` (a person's id) instead, and `moved_from` names the channel.
    """

    __tablename__ = "outbox"
    __table_args__ = (index("ix_outbox_due", "due_at IS NOT NULL", "priority", "due_at"),)

    id: str = Field(primary_key=True, max_length=40)
    key: str = Field(unique=True, max_length=256)
    channel: str = Field(max_length=64)
    thread_key: str | None = Field(default=None, max_length=256)
    thread_ts: str | None = Field(default=None, max_length=32)
    fallback: str | None = Field(default=None, max_length=64)
    moved_from: str | None = Field(default=None, max_length=64)
    priority: int = 5
    message: str = Field(sa_type=Text)
    revision: int = 1
    sent_revision: int = 0
    ts: str | None = Field(default=None, max_length=32)
    uncertain: bool = False
    attempts: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    wanted_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    claimed_by: str | None = Field(default=None, max_length=128)
    claimed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", sa_type=Text)


class OutboxFile(SQLModel, table=True):
    """The file of an outbox message, until Slack has it."""

    __tablename__ = "outbox_files"

    key: str = Field(primary_key=True, max_length=256, foreign_key="outbox.key")
    name: str = Field(max_length=200)
    content: bytes = Field(sa_type=LargeBinary)


class SeenEvent(SQLModel, table=True):
    """An event from Slack that was taken: the same one comes again until Slack has its acknowledgement."""

    __tablename__ = "seen_events"
    __table_args__ = (Index("ix_seen_events_at", "at"),)

    event_id: str = Field(primary_key=True, max_length=128)
    at: datetime = Field(sa_type=UtcDateTime)


outbox = table(OutboxMessage)
outbox_files = table(OutboxFile)
seen_events = table(SeenEvent)
