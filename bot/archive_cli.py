"""`muster archive FOLDER`: what Muster held about devices that are gone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import archiving, screen, settings_file
from bot.with_registry import APP_YAML, SettingsFile, with_database
from storage import campaigns
from storage.db import Database

console = Console(stderr=True)


def archive(
    folder: Annotated[Path, typer.Argument(help="Where the files go; it is made if it is not there.")],
    campaign: Annotated[str | None, typer.Option(help="Only the devices of one decommission campaign.")] = None,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Write all that was held about each decommissioned device: JSONL files and a manifest, read back and compared."""
    loaded = settings_file.load(settings, os.environ)
    folder.mkdir(parents=True, exist_ok=True)

    async def work(db: Database) -> int:
        chosen = None
        if campaign:
            async with db.read() as session:
                chosen = (await campaigns.get(session, campaign)).id
        with screen.bars("the archive") as progress:
            return await archiving.write(db, folder, chosen, lambda done, of: progress("writing", done, of))

    written = with_database(loaded, work)
    console.print(f"{written:,} devices written to {folder}, and the manifest.", highlight=False)
