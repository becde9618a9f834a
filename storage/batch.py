"""Many rows in one statement: a JSON array as a table, alike on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    TextClause,
    and_,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    literal,
    not_,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from storage.columns import UtcDateTime, iso

TEXT, INTEGER, FLOAT, MOMENT = Text(), Integer(), Float(), UtcDateTime()


def rows(session: AsyncSession, columns: Mapping[str, TypeEngine[Any]], name: str = "given") -> FromClause:
    """A table whose rows come in the bound parameter `name`, as `dump` wrote them.

    SQLite reads them by json_each, PostgreSQL by jsonb_to_recordset; either way it is one statement and one parameter.
    """
    given = bindparam(name, type_=Text())
    if session.get_bind().dialect.name == "sqlite":
        each = func.json_each(given).table_valued("value", name=f"{name}_json")
        picked: list[ColumnElement[Any]] = [
            func.json_extract(each.c.value, f"$.{column_name}", type_=kind).label(column_name)
            for column_name, kind in columns.items()
        ]
        return select(*picked).select_from(each).subquery(name)
    typed = [column(column_name, kind) for column_name, kind in columns.items()]
    return func.jsonb_to_recordset(cast(given, JSONB)).table_valued(*typed, name=name).render_derived(with_types=True)


def texts(session: AsyncSession, name: str = "given") -> FromClause:
    """A table with one column, `value`: the texts in the bound parameter `name`, a JSON array as `dump` wrote it.

    Where ids are all there is, this costs a fraction of `rows`: nothing is looked up in each element.
    """
    given = bindparam(name, type_=Text())
    value = column("value", TEXT)
    if session.get_bind().dialect.name == "sqlite":
        return func.json_each(given).table_valued(value, name=name)
    return func.jsonb_array_elements_text(cast(given, JSONB)).table_valued(value, name=name).render_derived()


def and_not_guessed(*conditions: ColumnElement[bool] | TextClause) -> ColumnElement[bool]:
    """All of the conditions, in a form whose rarity PostgreSQL does not guess at.

    It takes states that were rare at the last ANALYZE for one row, and walks the whole batch anew for each of the
    thousands that there are by now. Behind a CASE it assumes that half of the rows pass, and looks up by index.
    """
    return case((and_(*conditions), true()), else_=false())


def found(query: Select[Any]) -> ColumnElement[bool]:
    """There is a row that `query` finds for the row at hand: looked up for each, where EXISTS may become a join."""
    return and_not_guessed(query.exists())


def not_found(query: Select[Any]) -> ColumnElement[bool]:
    """There is no such row; looked up as in `found`."""
    return not_(found(query))


def moment(value: datetime) -> ColumnElement[datetime]:
    """A datetime as an SQL value of our own type, for where nothing beside it tells the type."""
    return literal(value, MOMENT)


def insert(session: AsyncSession, table: Table) -> Any:
    """The INSERT of this session's database, which knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert(table)


async def by_index(session: AsyncSession) -> None:
    """For the rest of this transaction PostgreSQL reads no table as a whole where an index serves."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SET LOCAL enable_seqscan = off"))


async def add(session: AsyncSession, table: Table, new: Sequence[Mapping[str, Any]]) -> None:
    """Insert these rows, which all have the same columns; the others get their defaults.

    On PostgreSQL by one statement, which is planned once: row by row that is half of the cost.
    """
    if session.get_bind().dialect.name == "sqlite":
        await session.execute(sqlite.insert(table), new)
        return
    given = rows(session, {name: table.c[name].type for name in new[0]})
    await session.execute(postgresql.insert(table).from_select(list(new[0]), select(given)), {"given": dump(new)})


def dump(batch: Iterable[Mapping[str, Any]] | Iterable[str]) -> str:
    """The batch as JSON: mappings for `rows`, ids for `texts`; datetimes as fixed-width UTC text, enums by value."""
    return json.dumps(list(batch), default=_plain, separators=(",", ":"))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"{value!r} cannot be given to a statement")
