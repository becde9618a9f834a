"""Alerts, and the devices in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from fleet.alert import AlertKind, AlertState, Severity
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table

OPEN_ALERT = "state != 'resolved'"
SUPPRESSED = "alert_id IS NULL AND summarised_at IS NULL"


class Alert(SQLModel, table=True):
    """Something that people must know. `ladder` and `rung` say whom it calls next, `due_at` when.

    It is about one device (`key` and `device_id` are its id) or about a group of one cause at one site (`key` is the
    `group_key`, and there is no `device_id`). `devices` counts all that were ever in it, `remaining` those still ill.
    `ladder_at` is when the ladder began: at opening, after a snooze, or when it got louder. `level` and `level_at`
    are for kinds that get louder: the threshold reached, and when the next one is. `rule_id` is the rule that found it,
    for kinds that have rules (storage/alert_rules.py).
    """

    __tablename__ = "alerts"
    __table_args__ = (
        index("uq_alerts_open_kind_key", OPEN_ALERT, "kind", "key", unique=True),
        index("ix_alerts_due_at", "state = 'open'", "due_at"),
        index("ix_alerts_snoozed_until", "state = 'snoozed'", "snoozed_until"),
        index("ix_alerts_level_at", "level_at IS NOT NULL", "level_at"),
        Index("ix_alerts_kind_group_key_opened_at", "kind", "group_key", "opened_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    kind: AlertKind = Field(sa_type=cast(Any, enum_by_value(AlertKind)))
    key: str = Field(max_length=256)
    device_id: str | None = Field(default=None, foreign_key="devices.device_id", max_length=128, index=True)
    group_key: str = Field(default="", max_length=256, sa_column_kwargs={"server_default": ""})
    rule_id: str = Field(default="", max_length=40, sa_column_kwargs={"server_default": ""})
    severity: Severity = Field(
        default=Severity.WARNING,
        sa_type=cast(Any, enum_by_value(Severity)),
        sa_column_kwargs={"server_default": Severity.WARNING.value},
    )
    devices: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    remaining: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    state: AlertState = Field(sa_type=cast(Any, enum_by_value(AlertState)))
    opened_at: datetime = Field(sa_type=UtcDateTime)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    ladder: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    rung: int = 0
    ladder_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    level: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    level_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    snoozed_by: str | None = Field(default=None, max_length=64)
    acknowledged_by: str | None = Field(default=None, max_length=64)
    acknowledged_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_by: str | None = Field(default=None, max_length=64)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_why: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


class AlertDevice(SQLModel, table=True):
    """A device's place in an alert, from when it joined until what brought it there ended.

    A device has one place for each kind and rule, also in an alert that was resolved by hand: as long as the cause
    lasts, it is told once. `detail` and `ends_at` are what it said then: another word from it ends such a cause.

    A place without an alert is a suppressed one: its device was in maintenance or suspended when the cause was found.
    `line` says the cause in words, and `summarised_at` is when people were told of it, after the pause.
    """

    __tablename__ = "alert_devices"
    __table_args__ = (
        index("uq_alert_devices_open_kind_rule_device", "left_at IS NULL", "kind", "device_id", "rule_id", unique=True),
        index("ix_alert_devices_suppressed", SUPPRESSED, "device_id"),
        Index("ix_alert_devices_alert_id_device_id", "alert_id", "device_id"),
    )

    id: str = Field(primary_key=True, max_length=40)
    alert_id: str | None = Field(default=None, foreign_key="alerts.id", max_length=40)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128, index=True)
    kind: AlertKind = Field(sa_type=cast(Any, enum_by_value(AlertKind)))
    rule_id: str = Field(default="", max_length=40, sa_column_kwargs={"server_default": ""})
    severity: Severity = Field(
        default=Severity.WARNING,
        sa_type=cast(Any, enum_by_value(Severity)),
        sa_column_kwargs={"server_default": Severity.WARNING.value},
    )
    line: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    detail: str = Field(default="", max_length=256)
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    joined_at: datetime = Field(sa_type=UtcDateTime)
    left_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    summarised_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


alerts = table(Alert)
alert_devices = table(AlertDevice)
