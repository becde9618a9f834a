"""What the command line's tools share: the settings file, and a registry that is open while they work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from fleet.settings import Settings
from storage import migrate
from storage.db import Database

SettingsFile = Annotated[Path, typer.Option("--settings", help="The settings file.", envvar="MUSTER_SETTINGS")]
APP_YAML = Path("app.yaml")
Result = TypeVar("Result")


def with_database(settings: Settings, work: Callable[[Database], Coroutine[Any, Any, Result]]) -> Result:
    """Do it with the registry, which on SQLite is brought to this Muster's shape first."""

    async def whole() -> Result:
        async with contextlib.AsyncExitStack() as stack:
            db = Database(settings.database)
            stack.push_async_callback(db.close)
            if db.is_sqlite:
                await migrate.upgrade(db)
            return await work(db)

    return asyncio.run(whole())
