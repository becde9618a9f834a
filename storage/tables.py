"""Every table, as SQLModel classes, and the plain `Table` of each for set-based statements.

Rules that the database can keep are here: one open drift case per device, one open alert per (kind, key), one outbox
row per message key, one body per configuration version.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Index, LargeBinary, MetaData, Table, Text, text
from sqlmodel import Field, SQLModel

from fleet.alert import AlertKind, AlertState
from fleet.drift import CaseState, Resolution
from fleet.lifecycle import DeviceStatus
from fleet.operation import OperationKind, OperationState
from storage.columns import UtcDateTime, enum_by_value

metadata: MetaData = SQLModel.metadata
metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

DRIFTED = "target_config_version != reported_config_version AND status != 'decommissioned'"
"""The predicate of drift, rendered with the same literals in the index and in every statement that should use it."""

MISPLACED = "site_streak > 0"
"""Devices whose newest status named a wrong site, in the same literal way."""

_OPEN_CASE = "resolved_at IS NULL"
_OPEN_ALERT = "state != 'resolved'"


def _index(name: str, where: str, *columns: str, unique: bool = False) -> Index:
    """A partial index, with the same predicate on both databases."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


class ConfigVersion(SQLModel, table=True):
    """One immutable configuration: `body` is canonical JSON text, `sha256` is of its UTF-8 bytes, in hex."""

    __tablename__ = "config_versions"

    version: str = Field(primary_key=True, max_length=128)
    sha256: str = Field(max_length=64)
    body: str = Field(sa_type=Text)
    note: str = ""
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str


class Device(SQLModel, table=True):
    """One device: what it should be (ours) and what it last said (its own).

    `site_streak` counts the statuses in a row that named another site than ours; fleet/location.py has the rule.
    """

    __tablename__ = "devices"
    __table_args__ = (
        _index("ix_devices_drifted", DRIFTED, "device_id"),
        Index("ix_devices_site", "site"),
        Index("ix_devices_target_config_version", "target_config_version"),
        _index("ix_devices_misplaced", MISPLACED, "device_id"),
        _index("ix_devices_certificate_not_after", "certificate_not_after IS NOT NULL", "certificate_not_after"),
    )

    device_id: str = Field(primary_key=True, max_length=128)
    status: DeviceStatus = Field(sa_type=cast(Any, enum_by_value(DeviceStatus)))
    site: str = Field(default="", max_length=128)
    model: str = Field(default="", max_length=128)
    target_config_version: str | None = Field(default=None, foreign_key="config_versions.version", max_length=128)
    target_set_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    registered_at: datetime = Field(sa_type=UtcDateTime)
    reported_config_version: str = Field(default="", max_length=128)
    reported_site: str = Field(default="", max_length=128)
    firmware_version: str = Field(default="", max_length=128)
    firmware_key: str = Field(default="", max_length=512)
    boot_id: str = Field(default="", max_length=128)
    last_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    clock_skew_s: float | None = None
    telemetry_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    telemetry_count: int = 0
    telemetry_last: str | None = Field(default=None, sa_type=Text)
    site_streak: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    certificate_serial: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})
    certificate_not_after: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DeviceTag(SQLModel, table=True):
    """`name=value` on a device; a bare tag has the value `true`."""

    __tablename__ = "device_tags"
    __table_args__ = (Index("ix_device_tags_name_value", "name", "value"),)

    device_id: str = Field(primary_key=True, foreign_key="devices.device_id", max_length=128)
    name: str = Field(primary_key=True, max_length=128)
    value: str = Field(default="true", max_length=256)


class DeviceGroup(SQLModel, table=True):
    """A device's membership in a named static list."""

    __tablename__ = "device_groups"

    name: str = Field(primary_key=True, max_length=128)
    device_id: str = Field(primary_key=True, foreign_key="devices.device_id", max_length=128, index=True)


class DriftCase(SQLModel, table=True):
    """One stretch of drift of one device, from detection to resolution.

    `due_at` is the ack's deadline while pushing, or the moment to begin a fresh round; NULL waits for something else.
    `fresh_at` is the earliest moment of another round; `escalate_at` moves to the present when a device rejects.
    While it is snoozed it is not escalated, and all else goes on.
    """

    __tablename__ = "drift_cases"
    __table_args__ = (
        _index("uq_drift_cases_open_device_id", _OPEN_CASE, "device_id", unique=True),
        _index("ix_drift_cases_due_at", _OPEN_CASE, "due_at"),
        _index("ix_drift_cases_escalate_at", "resolved_at IS NULL AND escalated_at IS NULL", "escalate_at"),
        Index("ix_drift_cases_device_id_detected_at", "device_id", "detected_at"),
        Index("ix_drift_cases_detected_at", "detected_at"),
        _index("ix_drift_cases_snoozed_until", "resolved_at IS NULL AND snoozed_until IS NOT NULL", "snoozed_until"),
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


class Operation(SQLModel, table=True):
    """One thing asked of one device. Claimed to be sent; an expired claim is sent again as the same attempt."""

    __tablename__ = "operations"
    __table_args__ = (
        _index("ix_operations_due_at", "state = 'queued'", "due_at"),
        Index("ix_operations_device_id_created_at", "device_id", "created_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    kind: OperationKind = Field(sa_type=cast(Any, enum_by_value(OperationKind)))
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    state: OperationState = Field(sa_type=cast(Any, enum_by_value(OperationState)))
    version: str = Field(default="", max_length=128)
    attempt: int = 1
    requested_by: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)
    claimed_by: str | None = Field(default=None, max_length=128)
    claimed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", sa_type=Text)


class Alert(SQLModel, table=True):
    """Something that people must know. `ladder` and `rung` say whom it calls next, `due_at` when.

    It is about one device (`key` and `device_id` are its id) or about a group of one cause at one site (`key` is the
    `group_key`, and there is no `device_id`). `devices` counts all that were ever in it, `remaining` those still ill.
    `ladder_at` is when the ladder began: at opening, after a snooze, or when it got louder. `level` and `level_at`
    are for kinds that get louder: the threshold reached, and when the next one is.
    """

    __tablename__ = "alerts"
    __table_args__ = (
        _index("uq_alerts_open_kind_key", _OPEN_ALERT, "kind", "key", unique=True),
        _index("ix_alerts_due_at", "state = 'open'", "due_at"),
        _index("ix_alerts_snoozed_until", "state = 'snoozed'", "snoozed_until"),
        _index("ix_alerts_level_at", "level_at IS NOT NULL", "level_at"),
        Index("ix_alerts_kind_group_key_opened_at", "kind", "group_key", "opened_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    kind: AlertKind = Field(sa_type=cast(Any, enum_by_value(AlertKind)))
    key: str = Field(max_length=256)
    device_id: str | None = Field(default=None, foreign_key="devices.device_id", max_length=128, index=True)
    group_key: str = Field(default="", max_length=256, sa_column_kwargs={"server_default": ""})
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

    A device has one place for each kind, also in an alert that was resolved by hand: as long as the cause lasts, it is
    told once. `detail` and `ends_at` are what it said then: another word from it ends a cause of that kind.
    """

    __tablename__ = "alert_devices"
    __table_args__ = (
        _index("uq_alert_devices_open_kind_device_id", "left_at IS NULL", "kind", "device_id", unique=True),
        Index("ix_alert_devices_alert_id_device_id", "alert_id", "device_id"),
    )

    id: str = Field(primary_key=True, max_length=40)
    alert_id: str = Field(foreign_key="alerts.id", max_length=40)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128, index=True)
    kind: AlertKind = Field(sa_type=cast(Any, enum_by_value(AlertKind)))
    detail: str = Field(default="", max_length=256)
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    joined_at: datetime = Field(sa_type=UtcDateTime)
    left_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class OutboxMessage(SQLModel, table=True):
    """One message in Slack, as it should read now.

    `revision` counts what was wanted, `sent_revision` what Slack took: edits that pile up become one. `ts` is NULL
    until it stands in the channel. `uncertain` says that a post may have been accepted without our knowing.
    """

    __tablename__ = "outbox"
    __table_args__ = (_index("ix_outbox_due", "due_at IS NOT NULL", "priority", "due_at"),)

    id: str = Field(primary_key=True, max_length=40)
    key: str = Field(unique=True, max_length=256)
    channel: str = Field(max_length=64)
    thread_key: str | None = Field(default=None, max_length=256)
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


class SeenEvent(SQLModel, table=True):
    """An event from Slack that was taken: the same one comes again until Slack has its acknowledgement."""

    __tablename__ = "seen_events"
    __table_args__ = (Index("ix_seen_events_at", "at"),)

    event_id: str = Field(primary_key=True, max_length=128)
    at: datetime = Field(sa_type=UtcDateTime)


def _table(model: type[SQLModel]) -> Table:
    return cast(Table, model.__table__)  # type: ignore[attr-defined]


config_versions = _table(ConfigVersion)
devices = _table(Device)
device_tags = _table(DeviceTag)
device_groups = _table(DeviceGroup)
drift_cases = _table(DriftCase)
operations = _table(Operation)
alerts = _table(Alert)
alert_devices = _table(AlertDevice)
outbox = _table(OutboxMessage)
audit = _table(AuditEntry)
dead_letters = _table(DeadLetter)
schedule = _table(Schedule)
seen_events = _table(SeenEvent)
