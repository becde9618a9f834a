"""`muster run|migrate|import|export|config|audit|ca|doctor|manifest`: what is typed on the machine of the bot."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

import commands
from bot import logs, screen, settings_file
from bot import manifest as manifests
from bot.app import Muster
from bot.archive_cli import archive
from bot.audit_cli import audit
from bot.ca_cli import ca
from bot.devices_file import Format, Source, format_of
from bot.events_cli import events, ledger
from bot.exporting import Exporting
from bot.importing import Importing, Options, Report
from bot.screen import with_made_up_secrets
from bot.with_registry import APP_YAML, SettingsFile, with_database
from commands.config import check_name, readable
from fleet.errors import BadInput, FleetError
from fleet.selector import parse
from fleet.settings import Settings
from storage import configs, migrate
from storage.db import Database

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Fleet operations from Slack.")
cli.add_typer(audit, name="audit")
cli.add_typer(ca, name="ca")
cli.add_typer(events, name="events")
console = Console(stderr=True)

FileFormat = Annotated[Format | None, typer.Option("--format", help="csv or jsonl; by the file's name without it.")]


def main() -> None:
    """The console script. A refusal is one sentence and exit code 1, never a traceback."""
    try:
        cli()
    except FleetError as refused:
        console.print(str(refused), style="red", markup=False, highlight=False)
        raise SystemExit(1) from None
    except BrokenPipeError:  # `muster export | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
    before, after = with_database(settings_file.load(settings, os.environ), migrate.upgrade)
    typer.echo(f"The database is at revision {after}" + (" already." if before == after else f" (was {before})."))


@cli.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or JSONL; a column device_id, and any of status, site, model, …")],
    update: Annotated[bool, typer.Option("--update", help="Change devices that are registered already.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Import the good rows although others are bad.")] = False,
    rejects: Annotated[Path | None, typer.Option(help="Write the bad rows, and what is wrong with them, here.")] = None,
    format_: FileFormat = None,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Register the devices of a file: all of them, or none if a row is bad.

    Safe beside a running bot. If it is ended half-way, import the same file again: it goes on where it stopped.
    """
    loaded = settings_file.load(settings, os.environ)
    options = Options(update=update, skip_bad=skip_bad, rejects=rejects)

    async def work(db: Database) -> Report:
        importing = Importing(db, loaded, Source(file, format_), options, _utc_now)
        with screen.bars(file.name) as progress:
            return await importing.run(progress)

    screen.imported(console, file, with_database(loaded, work))


@cli.command()
def export(
    selector: Annotated[list[str] | None, typer.Argument(help="Which devices, as in /fleet find; all without.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; standard output without.")] = None,
    said: Annotated[bool, typer.Option("--reported", help="Also what devices said: versions, site, when.")] = False,
    format_: FileFormat = None,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Write devices as CSV or JSONL, so that `muster import` reads them back.

    Values are written as they are: a spreadsheet may take one that begins with = for a formula.
    """
    loaded = settings_file.load(settings, os.environ)
    which = parse(" ".join(selector or ["all"]))
    kind = format_ or (format_of(output) if output else Format.CSV)

    async def work(db: Database) -> int:
        with screen.bars("devices") as progress, screen.whole_file(output) as opened:
            exporting = Exporting(db, loaded, which, _utc_now())
            return await exporting.run(opened, kind, said, lambda done, total: progress("writing", done, total))

    written = with_database(loaded, work)
    console.print(f"{written:,} devices written to {output or 'standard output'}.", highlight=False)


@cli.command()
def doctor(settings: SettingsFile = APP_YAML) -> None:
    """Look at settings, database, broker and Slack, and say what to mend.

    Exit code 0: all is fine. 1: something must be mended. 2: it works, but there are warnings.
    """
    raise SystemExit(asyncio.run(screen.examined(Console(), settings, os.environ, _utc_now)))


@cli.command()
def manifest(
    json_: Annotated[bool, typer.Option("--json", help="JSON instead of YAML.")] = False,
    url: Annotated[str, typer.Option(help="Muster's public https address, for slack.mode http.")] = "",
    settings: SettingsFile = APP_YAML,
) -> None:
    """Print the manifest that the Slack app is made from. The tokens need not be set yet."""
    slack = settings_file.load(settings, with_made_up_secrets(os.environ)).slack
    made = manifests.manifest(commands.ALL, slack.command, slack.mode, url)
    typer.echo(json.dumps(made, indent=2) if json_ else yaml.safe_dump(made, sort_keys=False, allow_unicode=True))


@cli.command()
def config(
    version: Annotated[str, typer.Argument(help="The name of the version; it never changes afterwards.")],
    file: Annotated[Path, typer.Argument(help="A file with a JSON object.")],
    note: Annotated[str, typer.Option(help="What is new in it.")] = "",
    settings: SettingsFile = APP_YAML,
) -> None:
    """Keep a configuration version from a file."""
    check_name(version)
    loaded = settings_file.load(settings, os.environ)
    try:
        body = readable(file.read_text(encoding="utf-8"), loaded.config.max_bytes)
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"{file} cannot be read: {fault}.") from None

    async def work(db: Database) -> bool:
        async with db.begin() as session:
            return await configs.add(session, version, body, note, "muster config", _utc_now())

    new = with_database(loaded, work)
    typer.echo(f"Configuration {version} is kept." if new else f"Configuration {version} was there already, the same.")


cli.command()(archive)  # after those above: `muster --help` lists them in this order
cli.command()(ledger)


def _utc_now() -> datetime:
    return datetime.now(UTC)
