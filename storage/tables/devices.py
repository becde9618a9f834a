"""Devices, what they should run, and how they are labelled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Index, Text, false
from sqlmodel import Field, SQLModel

from fleet.lifecycle import DeviceStatus, Retention
from storage.columns import UtcDateTime, enum_by_value, iso
from storage.tables.base import index, table

DRIFT_INDEXED = "target_config_version != reported_config_version AND status != 'decommissioned'"
"""The predicate of the index of drifted devices."""

DRIFTED = f"{DRIFT_INDEXED} AND status != 'manufactured'"
"""The predicate of drift: what the index holds, without the few devices whose monitoring has not begun.

It begins with the literals of the index, so that the index serves every statement that has it.
"""

MISPLACED = "site_streak > 0"
"""Devices whose newest status named a wrong site, in the same literal way."""

SILENT = "silent_since IS NOT NULL"
"""Devices that were not heard from for a while, in the same literal way."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""A moment before all others: due at once."""


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

    `status_since` is when it came into its state; NULL: it was registered in it. `retain_until` goes with the archive.
    `site_streak` counts the statuses in a row that named another site than ours; fleet/location.py has the rule.
    `look_at` is when to look whether it is still heard, `silent_since` its last word while it is not; neither is
    written when it is heard (storage/silence.py). `default_rules`: the default alert rules hold for it.
    """

    __tablename__ = "devices"
    __table_args__ = (
        index("ix_devices_drifted", DRIFT_INDEXED, "device_id"),
        Index("ix_devices_site", "site"),
        Index("ix_devices_target_config_version", "target_config_version"),
        index("ix_devices_misplaced", MISPLACED, "device_id"),
        Index("ix_devices_look_at", "look_at"),
        index("ix_devices_silent_since", SILENT, "silent_since"),
        index("ix_devices_certificate_not_after", "certificate_not_after IS NOT NULL", "certificate_not_after"),
    )

    device_id: str = Field(primary_key=True, max_length=128)
    status: DeviceStatus = Field(sa_type=cast(Any, enum_by_value(DeviceStatus)))
    status_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
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
    look_at: datetime = Field(default=LONG_AGO, sa_type=UtcDateTime, sa_column_kwargs={"server_default": iso(LONG_AGO)})
    silent_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    default_rules: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    retention: Retention = Field(
        default=Retention.OPERATIONAL,
        sa_type=cast(Any, enum_by_value(Retention)),
        sa_column_kwargs={"server_default": Retention.OPERATIONAL.value},
    )
    retain_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


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


config_versions = table(ConfigVersion)
devices = table(Device)
device_tags = table(DeviceTag)
device_groups = table(DeviceGroup)
