"""`muster events …` and `muster ledger`: what is typed on the machine of the bot about other systems and billing."""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bot import screen, settings_file
from bot.with_registry import APP_YAML, SettingsFile, with_database
from commands import billing
from fleet.billing import month as month_of
from fleet.errors import BadInput, NotFound
from storage import event_deliveries
from storage.db import AnyRow, Database

events = typer.Typer(
    no_args_is_help=True, help="Events to other systems that wait or are dead, and sending them again."
)
console = Console(stderr=True)

_SHOWN = ("Event", "Type", "Subject", "Endpoint", "State", "Tries", "Told", "Why not")


@events.command("list")
def list_(
    dead: Annotated[bool, typer.Option("--dead", help="Only what was given up.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Events that an endpoint has not taken yet, and those that were given up."""

    async def work(db: Database) -> list[AnyRow]:
        async with db.read() as session:
            return list(await event_deliveries.unsettled(session, limit, dead_only=dead))

    rows = with_database(settings_file.load(settings, os.environ), work)
    table = Table(*_SHOWN)
    for row in rows:
        told = f"{row.at:%Y-%m-%d %H:%M}"
        table.add_row(
            *(row.id, row.type, row.subject, row.endpoint, row.state.value, str(row.attempts), told, row.error)
        )
    Console().print(table if rows else "Every event was taken.")


@events.command()
def replay(
    event: Annotated[str, typer.Argument(help="The id of an event, taken or dead: ev-…")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="All that were given up.")] = False,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Send an event again, under the same id; or with --dead all that were given up. A running bot sends them."""
    if bool(event) == dead:
        raise BadInput("Name one event, or say --dead for all that were given up.")

    async def work(db: Database) -> int:
        async with db.begin() as session:
            return await event_deliveries.replay(session, datetime.now(UTC), event or None)

    replayed = with_database(settings_file.load(settings, os.environ), work)
    if event and not replayed:
        raise NotFound(f"No endpoint was ever sent {event}, or it waits to be sent already. See muster events list.")
    console.print(f"{replayed:,} to be sent again.", highlight=False)


def ledger(
    month: Annotated[str, typer.Option(help="Which month, in UTC: 2026-03.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; standard output without.")] = None,
    entries: Annotated[bool, typer.Option("--entries", help="Each start, stop and resume instead.")] = False,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Write the billed time of each device in a month as CSV."""
    begin, end = month_of(month, datetime.now(UTC))
    columns = billing.ENTRY_COLUMNS if entries else billing.COLUMNS
    rows_of = billing.entry_rows if entries else billing.period_rows

    async def work(db: Database) -> int:
        count = 0
        with screen.whole_file(output) as opened:
            written = csv.writer(opened)
            written.writerow(columns)
            async for rows in rows_of(db, begin, end):
                written.writerows(rows)
                count += len(rows)
        return count

    count = with_database(settings_file.load(settings, os.environ), work)
    console.print(f"{count:,} rows written to {output or 'standard output'}.", highlight=False)
