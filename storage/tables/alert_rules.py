"""Alert rules, and the devices that are past the threshold of one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Index, Text, false, true
from sqlmodel import Field, SQLModel

from fleet.alert import Severity
from fleet.alert_rule import RuleKind
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import table


class AlertRule(SQLModel, table=True):
    """What is brought before people, as they wrote it.

    `threshold` is in the unit of the kind (percent), `for_s` the seconds for which it must last, `selector` the devices
    it is about. A default rule (`is_default`) holds only for devices whose `default_rules` are on.
    `looked_until` is the moment of silence up to which every device has been looked at, `look_all_at` when to begin
    from the start again: only speed rests on them.
    """

    __tablename__ = "alert_rules"

    id: str = Field(primary_key=True, max_length=40)
    name: str = Field(max_length=64, unique=True)
    kind: RuleKind = Field(sa_type=cast(Any, enum_by_value(RuleKind)))
    threshold: float | None = None
    for_s: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    selector: str = Field(sa_type=Text)
    severity: Severity = Field(sa_type=cast(Any, enum_by_value(Severity)))
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    is_default: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    created_by: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    looked_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    look_all_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RuleBreach(SQLModel, table=True):
    """A device that is past the threshold of a rule since then, by its last measurement: `value`, taken at `at`."""

    __tablename__ = "rule_breaches"
    __table_args__ = (Index("ix_rule_breaches_rule_id_since", "rule_id", "since"),)

    device_id: str = Field(primary_key=True, foreign_key="devices.device_id", max_length=128)
    rule_id: str = Field(primary_key=True, foreign_key="alert_rules.id", max_length=40)
    since: datetime = Field(sa_type=UtcDateTime)
    value: float
    at: datetime = Field(sa_type=UtcDateTime)


alert_rules = table(AlertRule)
rule_breaches = table(RuleBreach)
