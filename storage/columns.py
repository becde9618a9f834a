"""Column types that behave alike on SQLite and PostgreSQL: aware UTC datetimes, enums by value, hours since then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Dialect, Enum, Float, String
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


def iso(moment: datetime) -> str:
    """An aware datetime as fixed-width UTC text, so that text order is time order. Naive ones raise ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class _IsoText(String):
    """SQLite's side: ISO 8601 text, read by the C parser of the standard library."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return lambda value: iso(value) if isinstance(value, datetime) else value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return _aware


def _aware(value: str | None, parse: Callable[[str], datetime] = datetime.fromisoformat) -> datetime | None:
    """The moment of a text from SQLite. One without a time zone, as another program writes it, raises ValueError."""
    if value is None:
        return None
    moment = parse(value)
    if moment.tzinfo is None:
        raise ValueError(f"the registry holds a moment without a time zone: {value}")
    return moment


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC: `timestamptz` on PostgreSQL, ISO 8601 text (32 characters) on SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_IsoText(32))
        return dialect.type_descriptor(TIMESTAMP(timezone=True))


def enum_by_value(kind: type[StrEnum]) -> Enum:
    """A text column that stores the enum's values, not its Python names, and gives the enum back."""
    return Enum(kind, native_enum=False, length=32, values_callable=lambda members: [m.value for m in members])


class seconds_after(FunctionElement[datetime]):
    """`seconds_after(moment, seconds)`: the moment so many seconds later, NULL where it is NULL; to the millisecond."""

    type = UtcDateTime()
    inherit_cache = True
    name = "seconds_after"


@compiles(seconds_after, "sqlite")
def _after_sqlite(element: seconds_after, compiler: Any, **kw: Any) -> str:
    moment, seconds = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"strftime('%Y-%m-%dT%H:%M:%f000+00:00', {moment}, ({seconds}) || ' seconds')"


@compiles(seconds_after, "postgresql")
def _after_postgresql(element: seconds_after, compiler: Any, **kw: Any) -> str:
    moment, seconds = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({moment} + ({seconds}) * INTERVAL '1 second')"


class hours_since(FunctionElement[float]):
    """`hours_since(now, moment)`: hours as a float, NULL where the moment is NULL."""

    type = Float()
    inherit_cache = True
    name = "hours_since"


@compiles(hours_since, "sqlite")
def _hours_sqlite(element: hours_since, compiler: Any, **kw: Any) -> str:
    now, moment = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"((julianday({now}) - julianday({moment})) * 24.0)"


@compiles(hours_since, "postgresql")
def _hours_postgresql(element: hours_since, compiler: Any, **kw: Any) -> str:
    now, moment = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(EXTRACT(EPOCH FROM ({now} - {moment}))::float8 / 3600.0)"
