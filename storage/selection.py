"""A selector as an SQL condition over `devices`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce

from sqlalchemy import Boolean, ColumnElement, and_, case, exists, false, literal_column, not_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import retag
from fleet.retag import Rename, TagName
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
    parse,
)
from fleet.version import version_key
from storage.tables import DRIFTED, device_groups, device_tags, devices, retags, saved_groups

Condition = ColumnElement[bool]

_COLUMNS = {
    Field.ID: devices.c.device_id,
    Field.SITE: devices.c.site,
    Field.MODEL: devices.c.model,
    Field.TARGET: devices.c.target_config_version,
    Field.REPORTED: devices.c.reported_config_version,
}


@dataclass(frozen=True, slots=True)
class Names:
    """What names in selectors stand for: saved groups, and tags that were renamed a short while ago."""

    groups: Mapping[str, Selector] = field(default_factory=dict)
    aliases: Sequence[Rename] = ()


async def condition(session: AsyncSession, selector: Selector, now: datetime, online_within: timedelta) -> Condition:
    """The condition over `devices` that holds for exactly those that the selector means."""
    return (await compiler(session, [selector], now, online_within)).where(selector)


async def matching(
    session: AsyncSession, device_id: str, selectors: Mapping[str, Selector], now: datetime, online_within: timedelta
) -> list[str]:
    """The keys of those selectors that mean this device, in one statement."""
    if not selectors:
        return []
    compiled = await compiler(session, selectors.values(), now, online_within)
    means = [case((compiled.where(each), 1), else_=0) for each in selectors.values()]
    row = (await session.execute(select(*means).where(devices.c.device_id == device_id))).first()
    return [name for name, yes in zip(selectors, row or (), strict=False) if yes]


async def compiler(
    session: AsyncSession, selectors: Iterable[Selector], now: datetime, online_within: timedelta
) -> Compiler:
    """What compiles these selectors. Names are looked up only if one of them has any."""
    named = any(_has_names(term) for selector in selectors for term in selector.terms)
    return Compiler(session, now, online_within, await names(session, now) if named else Names())


async def names(session: AsyncSession, now: datetime) -> Names:
    """The saved groups as they are, and the renamings whose old names hold until after `now`."""
    saved = await session.execute(select(saved_groups.c.name, saved_groups.c.selector))
    held = await session.execute(
        select(retags.c.old_name, retags.c.old_value, retags.c.new_name, retags.c.new_value)
        .where(retags.c.undone_at.is_(None), retags.c.alias_until > now)
        .order_by(retags.c.id)
    )
    aliases = [Rename(TagName(row.old_name, row.old_value), TagName(row.new_name, row.new_value)) for row in held]
    return Names({row.name: parse(row.selector) for row in saved}, aliases)


def _has_names(term: Term) -> bool:
    inner = term.term if isinstance(term, Not) else term
    return isinstance(inner, Tag) or (isinstance(inner, Match) and inner.field is Field.GROUP)


class Compiler:
    """Compiles for one database, one moment and one meaning of `online`. `compiler` makes it, with what names mean."""

    def __init__(self, session: AsyncSession, now: datetime, online_within: timedelta, names: Names) -> None:
        self._sqlite = session.get_bind().dialect.name == "sqlite"
        self._now = now
        self._online_within = online_within
        self._names = names
        self._within: tuple[str, ...] = ()

    def where(self, selector: Selector) -> Condition:
        """The condition that holds for exactly the devices that the selector means; its NULLs count as false."""
        return and_(true(), *(self._term(term) for term in selector.terms))

    def _term(self, term: Term) -> Condition:
        match term:
            case Not(term=inner):
                # A comparison with NULL (never heard, no target) is not true, so its negation must be.
                return not_(_never_null(self._term(inner)))
            case Match(field=Field.GROUP, values=values):
                listed = exists().where(
                    device_groups.c.device_id == devices.c.device_id, self._any(device_groups.c.name, values)
                )
                return or_(listed, *self._saved(values))
            case Match(field=field, values=values):
                return self._any(_COLUMNS[field], values)
            case Status(values=statuses):
                return devices.c.status.in_(statuses)
            case Firmware(tests=tests):
                return or_(false(), *(self._version(test) for test in tests))
            case Tag():
                return or_(*(self._tagged(each) for each in retag.meant(term, self._names.aliases)))
            case Seen(op=op, ago=ago):
                edge = self._now - ago
                return devices.c.last_seen_at > edge if op is Op.LT else devices.c.last_seen_at < edge
            case Is(state=state):
                return self._state(state)

    def _tagged(self, tag: Tag) -> Condition:
        tagged = exists().where(device_tags.c.device_id == devices.c.device_id, device_tags.c.name == tag.name)
        return tagged.where(self._any(device_tags.c.value, tag.values)) if tag.values else tagged

    def _saved(self, values: tuple[Value, ...]) -> Iterator[Condition]:
        """The saved groups of these names. None contains itself (`fleet.group`), and if one did, it adds nothing."""
        for name, selector in self._names.groups.items():
            if name in self._within or not any(value.matches(name) for value in values):
                continue
            self._within += (name,)
            yield _never_null(self.where(selector))
            self._within = self._within[:-1]

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
