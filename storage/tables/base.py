"""What all tables share: the metadata with its naming of constraints, and partial indexes alike on both databases."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Index, MetaData, Table, text
from sqlmodel import SQLModel

metadata: MetaData = SQLModel.metadata
metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def index(name: str, where: str, *columns: str, unique: bool = False) -> Index:
    """A partial index, with the same predicate on both databases."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def table(model: type[SQLModel]) -> Table:
    """The plain `Table` of a model, for set-based statements."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]
