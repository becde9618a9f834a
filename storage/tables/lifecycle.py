"""What happens to devices between manufacture and decommission: moves, billing, maintenance, and leaving."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Index, Text
from sqlmodel import Field, SQLModel

from fleet.billing import BillingKind
from fleet.decommission import ExportState
from fleet.lifecycle import DeviceStatus
from fleet.maintenance import WindowState
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table

OPEN_PERIOD = "ended_at IS NULL"
OPEN_WINDOW = "state IN ('planned', 'running')"
OPEN_DECOMMISSION = "done_at IS NULL"


class Transition(SQLModel, table=True):
    """One move of one device, written once and never changed: its history of states."""

    __tablename__ = "transitions"
    __table_args__ = (Index("ix_transitions_device_id_at", "device_id", "at"),)

    id: str = Field(primary_key=True, max_length=40)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    at: datetime = Field(sa_type=UtcDateTime)
    before: DeviceStatus = Field(sa_type=cast(Any, enum_by_value(DeviceStatus)))
    after: DeviceStatus = Field(sa_type=cast(Any, enum_by_value(DeviceStatus)))
    by: str = Field(max_length=64)
    why: str = Field(default="", sa_type=Text)


class BillingEntry(SQLModel, table=True):
    """One line of the billing ledger: billing of a device started, stopped or resumed. Lines are only ever added."""

    __tablename__ = "billing_ledger"
    __table_args__ = (
        Index("ix_billing_ledger_device_id_at", "device_id", "at"),
        Index("ix_billing_ledger_at", "at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    kind: BillingKind = Field(sa_type=cast(Any, enum_by_value(BillingKind)))
    at: datetime = Field(sa_type=UtcDateTime)
    period_id: str = Field(foreign_key="billing_periods.id", max_length=40)
    by: str = Field(max_length=64)
    why: str = Field(default="", sa_type=Text)


class BillingPeriod(SQLModel, table=True):
    """A stretch of time in which a device is billed: what the entries of the ledger add up to."""

    __tablename__ = "billing_periods"
    __table_args__ = (
        index("uq_billing_periods_open_device_id", OPEN_PERIOD, "device_id", unique=True),
        Index("ix_billing_periods_device_id_started_at", "device_id", "started_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class MaintenanceWindow(SQLModel, table=True):
    """A planned downtime of one device, and the record of it. A device has one at a time that is not over.

    `due_at` is when it starts, then when it ends; NULL once it is over. `zone` is the one its times are shown in.
    `summarised_at` says that people were told what it kept from them.
    """

    __tablename__ = "maintenance_windows"
    __table_args__ = (
        index("uq_maintenance_windows_open_device_id", OPEN_WINDOW, "device_id", unique=True),
        index("ix_maintenance_windows_due_at", "due_at IS NOT NULL", "due_at"),
        index("ix_maintenance_windows_to_summarise", "state = 'over' AND summarised_at IS NULL", "ended_at"),
        Index("ix_maintenance_windows_device_id_starts_at", "device_id", "starts_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    state: WindowState = Field(sa_type=cast(Any, enum_by_value(WindowState)))
    starts_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)
    zone: str = Field(default="UTC", max_length=64)
    why: str = Field(default="", sa_type=Text)
    requested_by: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    began_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_by: str | None = Field(default=None, max_length=64)
    summarised_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Decommission(SQLModel, table=True):
    """A device on its way out: it stays as it is until the export of its data is certain.

    `export` is all that Muster held about it, `export_rows` JSON lines whose SHA-256 is `export_sha256`
    (storage/device_export.py); `export_ref` is what a telemetry store calls its own copy.
    """

    __tablename__ = "decommissions"
    __table_args__ = (
        index("uq_decommissions_open_device_id", OPEN_DECOMMISSION, "device_id", unique=True),
        Index("ix_decommissions_device_id_requested_at", "device_id", "requested_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    device_id: str = Field(foreign_key="devices.device_id", max_length=128)
    state: ExportState = Field(sa_type=cast(Any, enum_by_value(ExportState)))
    requested_by: str = Field(max_length=64)
    requested_at: datetime = Field(sa_type=UtcDateTime)
    why: str = Field(default="", sa_type=Text)
    export: str = Field(default="", sa_type=Text)
    export_rows: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    export_sha256: str = Field(default="", max_length=64)
    export_ref: str = Field(default="", max_length=256)
    settled_by: str | None = Field(default=None, max_length=64)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled_why: str = Field(default="", sa_type=Text)
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


transitions = table(Transition)
billing_ledger = table(BillingEntry)
billing_periods = table(BillingPeriod)
maintenance_windows = table(MaintenanceWindow)
decommissions = table(Decommission)
