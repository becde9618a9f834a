"""`muster audit …`: what is typed on the machine of the bot about who did what."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import auditing, screen, settings_file
from bot.auditing import Verdict
from bot.with_registry import APP_YAML, SettingsFile, with_database
from fleet.errors import BadInput, FleetError
from fleet.settings import Settings
from storage.db import Database

audit = typer.Typer(no_args_is_help=True, help="Verify or export who did what.")
console = Console(stderr=True)

Moment = Annotated[str | None, typer.Option(help="A day or a moment, UTC when no zone is given.")]


@audit.command()
def verify(
    head_file: Annotated[Path | None, typer.Option(help="Published heads; audit.head_file without it.")] = None,
    head: Annotated[
        list[str] | None, typer.Option(help="A published head, as Slack shows it; may be repeated.")
    ] = None,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Walk the audit's chain and name every entry that was changed, moved or removed, and a tail that was cut off.

    Exit code 0: it is whole. 1: something was changed. 2: it could not be checked, for example without the key; or it
    is whole, and entries wait to be sealed for too long.
    """
    try:
        verdict = _verified(settings_file.load(settings, os.environ), head_file, head or [])
    except FleetError as unchecked:
        console.print(str(unchecked), style="red", markup=False, highlight=False)
        raise SystemExit(auditing.UNSURE) from None
    _told(verdict)
    raise SystemExit(verdict.code)


def _verified(loaded: Settings, head_file: Path | None, pasted: list[str]) -> Verdict:
    heads = auditing.published_heads(head_file or loaded.audit.head_file, pasted, must_exist=head_file is not None)

    async def work(db: Database) -> Verdict:
        with screen.bars("the audit") as progress:
            now = datetime.now(UTC)
            return await auditing.verify(db, loaded.audit, heads, now, lambda done, of: progress("verifying", done, of))

    return with_database(loaded, work)


def _told(verdict: Verdict) -> None:
    for fault in verdict.faults:
        typer.echo(fault.said)
    if verdict.fault_count > len(verdict.faults):
        typer.echo(f"… and {verdict.fault_count - len(verdict.faults):,} more.")
    if verdict.waiting:
        typer.echo(
            f"{verdict.waiting:,} entries are not sealed yet, the oldest since {verdict.oldest:%Y-%m-%d %H:%M} UTC."
        )
    heads = f"{verdict.published:,} published heads" if verdict.published != 1 else "1 published head"
    state = "is broken" if verdict.fault_count else "is whole"
    typer.echo(f"The chain {state}: it ends at {verdict.head}, and was held against {heads}.")
    if not verdict.published:
        typer.echo("Without a published head nobody can tell whether its end was cut off: give --head or --head-file.")


@audit.command()
def export(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; standard output without.")] = None,
    since: Moment = None,
    until: Moment = None,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Write entries as JSONL, the oldest first, each with its number and mac in the chain."""
    loaded = settings_file.load(settings, os.environ)
    first, last = _moment(since), _moment(until)

    async def work(db: Database) -> int:
        with screen.whole_file(output) as opened:
            return await auditing.export(db, first, last, opened)

    written = with_database(loaded, work)
    console.print(f"{written:,} entries written to {output or 'standard output'}.", highlight=False)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise BadInput(f"{text} is no moment. Write a day such as 2026-03-19, or 2026-03-19T08:30.") from None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
