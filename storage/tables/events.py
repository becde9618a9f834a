"""What other systems are told: events, and their deliveries to the endpoints that want them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, Text
from sqlmodel import Field, SQLModel

from fleet.event import DeliveryState
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table


class Event(SQLModel, table=True):
    """One thing that happened, as a CloudEvent. `seq` orders the events of a subject; `id` stays the same for ever.

    `routed_at` says that its deliveries were made: one for each endpoint that wants this type.
    """

    __tablename__ = "events"
    __table_args__ = (
        index("ix_events_unrouted", "routed_at IS NULL", "seq"),
        Index("ix_events_subject_seq", "subject", "seq"),
        Index("ix_events_at", "at"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(
        default=None, sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    )
    id: str = Field(unique=True, max_length=40)
    type: str = Field(max_length=64)
    subject: str = Field(max_length=128)
    at: datetime = Field(sa_type=UtcDateTime)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    routed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class EventDelivery(SQLModel, table=True):
    """One event on its way to one endpoint. Of one subject, an endpoint gets the events in order, one at a time."""

    __tablename__ = "event_deliveries"
    __table_args__ = (
        index("ix_event_deliveries_due_at", "state = 'pending'", "due_at"),
        index("ix_event_deliveries_order", "state = 'pending'", "endpoint", "subject", "seq"),
        index("ix_event_deliveries_dead", "state = 'dead'", "endpoint"),
    )

    seq: int = Field(
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False)
    )
    endpoint: str = Field(primary_key=True, max_length=64)
    subject: str = Field(max_length=128)
    state: DeliveryState = Field(sa_type=cast(Any, enum_by_value(DeliveryState)))
    attempts: int = 0
    since: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)
    claimed_by: str | None = Field(default=None, max_length=128)
    claimed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", sa_type=Text)


events = table(Event)
event_deliveries = table(EventDelivery)
