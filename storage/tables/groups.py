"""Groups that are kept as selectors, dashboards, and tags that were renamed: whatever refers to devices by selector."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text
from sqlmodel import Field, SQLModel

from storage.columns import UtcDateTime
from storage.tables.base import index, table


class SavedGroup(SQLModel, table=True):
    """A selector under a name: its devices are whoever matches now. Static lists are rows of `device_groups`."""

    __tablename__ = "saved_groups"

    name: str = Field(primary_key=True, max_length=128)
    selector: str = Field(sa_type=Text)
    note: str = Field(default="", sa_type=Text)
    created_by: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Dashboard(SQLModel, table=True):
    """A page elsewhere that shows the devices of a selector."""

    __tablename__ = "dashboards"

    name: str = Field(primary_key=True, max_length=128)
    url: str = Field(sa_type=Text)
    selector: str = Field(sa_type=Text)
    note: str = Field(default="", sa_type=Text)
    created_by: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Retag(SQLModel, table=True):
    """One renaming of a tag, or with values of one of its values.

    `changed` is what it changed besides devices: a list of {"kind", "name", "before", "after"}. Until `alias_until`
    the old name still holds in selectors, and the renaming can be undone.
    """

    __tablename__ = "retags"
    __table_args__ = (index("ix_retags_alias_until", "undone_at IS NULL", "alias_until"),)

    id: str = Field(primary_key=True, max_length=40)
    old_name: str = Field(max_length=128)
    old_value: str | None = Field(default=None, max_length=256)
    new_name: str = Field(max_length=128)
    new_value: str | None = Field(default=None, max_length=256)
    devices: int
    changed: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    done_by: str = Field(max_length=64)
    done_at: datetime = Field(sa_type=UtcDateTime)
    alias_until: datetime = Field(sa_type=UtcDateTime)
    undone_by: str | None = Field(default=None, max_length=64)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RetagDevice(SQLModel, table=True):
    """A device whose tag was renamed, so that an undo touches those and no others."""

    __tablename__ = "retag_devices"

    retag_id: str = Field(primary_key=True, foreign_key="retags.id", max_length=40)
    device_id: str = Field(primary_key=True, foreign_key="devices.device_id", max_length=128)


saved_groups = table(SavedGroup)
dashboards = table(Dashboard)
retags = table(Retag)
retag_devices = table(RetagDevice)
