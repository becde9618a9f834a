"""The migrations make exactly the tables that the code has."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage import migrate
from storage.db import Database
from tests import build
from tests.conftest import NOW


async def test_migrations_and_tables_agree(db: Database) -> None:
    assert await migrate.current(db) == migrate.head()
    assert await migrate.differences(db) == []


async def test_migrating_twice_changes_nothing(db: Database) -> None:
    assert await migrate.upgrade(db) == (migrate.head(), migrate.head())


async def test_a_configuration_version_cannot_be_changed_even_by_hand(db: Database) -> None:
    await build.fleet(db, NOW, [])
    with pytest.raises(DBAPIError, match="never change"):
        async with db.begin() as session:
            await session.execute(text("UPDATE config_versions SET body = '{}'"))
