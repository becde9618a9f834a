"""Devices from the registry into a file that `muster import` reads back, a page at a time: memory stays the same.

Each page is one short read, by key, in order of id: no device comes twice, and the bot is not held up. A device that
changes meanwhile stands there as it was or as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import IO

from bot.devices_file import COLUMNS, SAID, Format, Writer
from fleet.selector import Selector
from fleet.settings import Settings
from storage import devices, groups, registration
from storage.db import Database
from storage.selection import condition

PAGE = 2_000


class Exporting:
    """One export. `now` is what `seen:` and `is:online` in the selector are about."""

    def __init__(self, db: Database, settings: Settings, selector: Selector, now: datetime) -> None:
        self._db, self._online_within = db, settings.drift.online_within
        self._selector, self._now = selector, now

    async def run(self, opened: IO[str], kind: Format, said: bool, progress: Callable[[int, int], None]) -> int:
        """Returns how many devices were written; `said` adds what they said of themselves.

        Raises NotFound for a group that is none: nothing is written then.
        """
        async with self._db.read() as session:
            await groups.refuse_unknown(session, self._selector)
            total = await devices.count(session, self._selector, self._now, self._online_within)
        writer = Writer(opened, kind, (*COLUMNS, *SAID) if said else COLUMNS)
        written, after = 0, ""
        while True:
            async with self._db.read() as session:
                where = await condition(session, self._selector, self._now, self._online_within)
                rows = await registration.page(session, where, after, PAGE)
            if not rows:
                return written
            writer.write(rows)
            written, after = written + len(rows), rows[-1]["device_id"]
            progress(written, max(total, written))
