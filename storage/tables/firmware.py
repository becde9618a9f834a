"""Firmware: what can be installed, and how far devices have got with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel

from storage.columns import UtcDateTime
from storage.tables.base import table


class Firmware(SQLModel, table=True):
    """One artefact. An empty `model` means every model that has none of its own; `size` is in bytes."""

    __tablename__ = "firmware"

    version: str = Field(primary_key=True, max_length=128)
    model: str = Field(default="", primary_key=True, max_length=128)
    url: str = Field(sa_type=Text)
    sha256: str = Field(max_length=64)
    size: int = Field(sa_type=cast(Any, BigInteger))
    note: str = Field(default="", sa_type=Text)
    added_by: str = Field(max_length=64)
    added_at: datetime = Field(sa_type=UtcDateTime)


class FirmwareState(SQLModel, table=True):
    """The last word of a device about an update: `step` as in `link.wire.FirmwareStep`, `progress` in percent."""

    __tablename__ = "firmware_states"

    device_id: str = Field(primary_key=True, foreign_key="devices.device_id", max_length=128)
    version: str = Field(max_length=128)
    step: str = Field(max_length=16)
    progress: float | None = None
    error: str = Field(default="", sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime)


firmware = table(Firmware)
firmware_states = table(FirmwareState)
