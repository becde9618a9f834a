"""A selector as an SQL condition over `devices`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import reduce

from sqlalchemy import Boolean, ColumnElement, and_, exists, false, literal_column, not_, or_, true
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.selector import (
    Field,
    Firmware,
    Is,
    Match,
    Not,
    Op,
    Seen,
    Selector,
    State,
    Status,
    Tag,
    Term,
    Value,
    VersionTest,
)
from fleet.version import version_key
from storage.tables import DRIFTED, device_groups, device_tags, devices

Condition = ColumnElement[bool]

_COLUMNS = {
    Field.ID: devices.c.device_id,
    Field.SITE: devices.c.site,
    Field.MODEL: devices.c.model,
    Field.TARGET: devices.c.target_config_version,
    Field.REPORTED: devices.c.reported_config_version,
}


class Compiler:
    """Compiles for one database, one moment and one meaning of `online`."""

    def __init__(self, session: AsyncSession, now: datetime, online_within: timedelta) -> None:
        self._sqlite = session.get_bind().dialect.name == "sqlite"
        self._now = now
        self._online_within = online_within

    def where(self, selector: Selector) -> Condition:
        """The condition that holds for exactly the devices that the selector means; its NULLs count as false."""
        return and_(true(), *(self._term(term) for term in selector.terms))

    def _term(self, term: Term) -> Condition:
        match term:
            case Not(term=inner):
                # A comparison with NULL (never heard, no target) is not true, so its negation must be.
                return not_(_never_null(self._term(inner)))
            case Match(field=Field.GROUP, values=values):
                return exists().where(
                    device_groups.c.device_id == devices.c.device_id, self._any(device_groups.c.name, values)
                )
            case Match(field=field, values=values):
                return self._any(_COLUMNS[field], values)
            case Status(values=statuses):
                return devices.c.status.in_(statuses)
            case Firmware(tests=tests):
                return or_(false(), *(self._version(test) for test in tests))
            case Tag(name=name, values=values):
                tagged = exists().where(device_tags.c.device_id == devices.c.device_id, device_tags.c.name == name)
                return tagged.where(self._any(device_tags.c.value, values)) if values else tagged
            case Seen(op=op, ago=ago):
                edge = self._now - ago
                return devices.c.last_seen_at > edge if op is Op.LT else devices.c.last_seen_at < edge
            case Is(state=state):
                return self._state(state)

    def _state(self, state: State) -> Condition:
        online = devices.c.last_seen_at >= self._now - self._online_within
        match state:
            case State.ONLINE:
                return online
            case State.OFFLINE:
                return not_(_never_null(online))
            case State.UNSEEN:
                return devices.c.last_seen_at.is_(None)
            case State.DRIFTED:
                return literal_column(f"({DRIFTED})", Boolean())

    def _version(self, test: VersionTest) -> Condition:
        if test.glob:
            return self._like(devices.c.firmware_version, test.version)
        key, wanted = devices.c.firmware_key, version_key(test.version)
        compared = {
            Op.EQ: key == wanted,
            Op.LT: key < wanted,
            Op.LE: key <= wanted,
            Op.GT: key > wanted,
            Op.GE: key >= wanted,
        }[test.op]
        return and_(key != "", compared)

    def _any(self, column: ColumnElement[str], values: tuple[Value, ...]) -> Condition:
        literal = [value.text for value in values if not value.glob]
        patterns = [self._like(column, value.text) for value in values if value.glob]
        return or_(false(), *([column.in_(literal)] if literal else []), *patterns)

    def _like(self, column: ColumnElement[str], pattern: str) -> Condition:
        """Case kept apart on both: SQLite's LIKE would fold it, so GLOB there."""
        if self._sqlite:
            return column.op("GLOB", is_comparison=True)(re.sub(r"[\[?]", lambda found: f"[{found[0]}]", pattern))
        return column.like(
            reduce(lambda made, c: made.replace(c, "\\" + c), "\\%_", pattern).replace("*", "%"), escape="\\"
        )


def _never_null(condition: Condition) -> Condition:
    return and_(condition, condition.is_not(None))
