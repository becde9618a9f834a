"""The shape of the registry: alembic, run from code so that `muster migrate` needs no file beside the package."""

from __future__ import annotations

import asyncio
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from fleet.settings import DatabaseSettings
from storage.db import Database
from storage.tables import metadata

_LOCK = 0x4D555354  # "MUST": an advisory lock, so that replicas starting together migrate one after the other


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


@cache
def head() -> str:
    """The newest revision that this Muster knows. To look for it reads every migration: it is looked for once."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def knows(revision: str) -> bool:
    """True if this Muster can bring a database at that revision to its own."""
    return revision in {each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()}


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    command.upgrade(_config(connection), "head")


async def current(db: Database) -> str | None:
    """The revision that the database has; None for an empty one."""
    async with db.engine.connect() as connection:
        return await connection.run_sync(_current)


async def upgrade(db: Database) -> tuple[str | None, str]:
    """Bring the database to the newest revision, in one transaction. Returns (before, after)."""
    before = await current(db)
    if before != head():
        async with db.engine.begin() as connection:
            await connection.run_sync(_upgrade)
    return before, head()


async def differences(db: Database) -> list[object]:
    """What autogenerate would still change: empty when the tables and the migrations agree."""

    def compare(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    async with db.engine.connect() as connection:
        return await connection.run_sync(compare)


async def _write(message: str) -> None:
    """`python -m storage.migrate <message>`: a migration from what the tables have and the migrations do not."""
    with TemporaryDirectory() as folder:
        db = Database(DatabaseSettings.model_validate({"url": f"sqlite+aiosqlite:///{folder}/empty.db"}))
        await upgrade(db)
        number = f"{int(head()) + 1:04}"
        async with db.engine.begin() as connection:
            await connection.run_sync(
                lambda sync: command.revision(_config(sync), message=message, autogenerate=True, rev_id=number)
            )
        await db.close()


if __name__ == "__main__":
    asyncio.run(_write(" ".join(sys.argv[1:]) or "What it adds"))
