"""`muster run|migrate|import|config`: what is typed on the machine of the bot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bot import logs, settings_file
from bot.app import Muster
from bot.devices_file import read_devices
from commands.config import readable
from fleet.errors import BadInput, FleetError
from fleet.settings import Settings
from storage import audit, configs, devices, migrate
from storage.db import Database

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Fleet operations from Slack.")
console = Console(stderr=True)

SettingsFile = Annotated[Path, typer.Option("--settings", help="The settings file.", envvar="MUSTER_SETTINGS")]
APP_YAML = Path("app.yaml")


def main() -> None:
    """The console script. A refusal is one sentence and exit code 1, never a traceback."""
    try:
        cli()
    except FleetError as refused:
        console.print(str(refused), style="red", markup=False, highlight=False)
        raise SystemExit(1) from None


@cli.command()
def run(settings: SettingsFile = APP_YAML) -> None:
    """Run the bot against the Slack, broker and database that the settings name."""
    loaded = settings_file.load(settings, os.environ)
    logs.set_up(loaded.log)
    asyncio.run(_run(loaded))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    muster = Muster(settings)
    try:
        await muster.start()
        await muster.run(stop)
    finally:
        await muster.stop()


@cli.command("migrate")
def migrate_(settings: SettingsFile = APP_YAML) -> None:
    """Bring the database to the shape that this version needs. Safe to repeat, and safe beside running replicas."""
    before, after = _with_database(settings, migrate.upgrade)
    typer.echo(f"The database is at revision {after}" + (" already." if before == after else f" (was {before})."))


@cli.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a column device_id, and any of status, site, model, …")],
    settings: SettingsFile = APP_YAML,
) -> None:
    """Register the devices of a CSV file: all of them, or none if a row is wrong."""

    async def work(db: Database) -> int:
        now = datetime.now(UTC)
        async with db.begin() as session:
            found = await read_devices(session, file, now)
            await devices.add(session, found.devices, found.tags, found.groups)
            imported = {"devices": len(found.devices)}
            await audit.add(session, now, "muster import", "devices.imported", file.name, imported)
        return len(found.devices)

    typer.echo(f"{_with_database(settings, work):,} devices registered from {file}.")


@cli.command()
def config(
    version: Annotated[str, typer.Argument(help="The name of the version; it never changes afterwards.")],
    file: Annotated[Path, typer.Argument(help="A file with a JSON object.")],
    note: Annotated[str, typer.Option(help="What is new in it.")] = "",
    settings: SettingsFile = APP_YAML,
) -> None:
    """Keep a configuration version from a file."""
    limit = settings_file.load(settings, os.environ).config.max_bytes
    try:
        body = readable(file.read_text(encoding="utf-8"), limit)
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"{file} cannot be read: {fault}.") from None

    async def work(db: Database) -> bool:
        async with db.begin() as session:
            return await configs.add(session, version, body, note, "muster config", datetime.now(UTC))

    new = _with_database(settings, work)
    typer.echo(f"Configuration {version} is kept." if new else f"Configuration {version} was there already, the same.")


def _with_database(settings: Path, work: Any) -> Any:
    loaded = settings_file.load(settings, os.environ)

    async def whole() -> Any:
        async with contextlib.AsyncExitStack() as stack:
            db = Database(loaded.database)
            stack.push_async_callback(db.close)
            if db.is_sqlite:
                await migrate.upgrade(db)
            return await _awaited(work(db))

    return asyncio.run(whole())


async def _awaited(work: Coroutine[Any, Any, Any]) -> Any:
    return await work
