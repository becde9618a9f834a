"""The registry: is the database reached, and at this Muster's revision? Nothing is written or made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bot.doctor.finding import Finding, fine, problem
from fleet.errors import FleetError
from fleet.settings import DatabaseSettings
from storage import migrate
from storage.db import Database

_MIGRATE = "Run `muster migrate`."


async def check(settings: DatabaseSettings) -> AsyncIterator[Finding]:
    try:
        url = make_url(settings.url.get_secret_value())
    except ArgumentError:
        yield problem("database", "database.url is no database address", _ADDRESS)
        return
    shown = url.render_as_string(hide_password=True)
    if url.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        yield problem("database", f"Muster does not speak {url.drivername}", _ADDRESS)
        return
    if url.drivername.startswith("sqlite") and _missing(url.database):
        yield problem("database", f"there is no file {url.database} yet", f"{_MIGRATE} It makes the file.")
        return
    db = Database(settings)
    try:
        current = await migrate.current(db)
    except (FleetError, SQLAlchemyError, OSError, TimeoutError) as fault:
        why = str(getattr(fault, "orig", None) or fault) or type(fault).__name__
        yield problem("database", f"{shown} cannot be reached: {why}", "Check database.url, and that it is running.")
        return
    finally:
        await db.close()
    yield fine("database", f"{shown} is reached")
    yield _revision(current)


def _missing(file: str | None) -> bool:
    return not Path(file or "").exists()


_ADDRESS = "Set it to sqlite+aiosqlite:///file or postgresql+asyncpg://user@host/name."


def _revision(current: str | None) -> Finding:
    head = migrate.head()
    if current == head:
        return fine("migrations", f"at revision {head}")
    if current is None:
        return problem("migrations", "the database is empty", _MIGRATE)
    if not migrate.knows(current):
        newer = f"the database is at revision {current}, which this Muster does not know: a newer one migrated it"
        return problem("migrations", newer, "Install that newer Muster.")
    return problem("migrations", f"the database is at revision {current}; {head} is pending", _MIGRATE)
