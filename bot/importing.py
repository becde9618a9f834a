"""Devices from a file into the registry: everything is looked at first, and only then anything is written.

The first pass reads the whole file, checks each row alone, against the others and against the registry, and writes
nothing: with a wrong row nothing is imported, unless the wrong ones are to be skipped. The second pass writes a batch
of rows in each transaction, so that a bot that is running on the same SQLite file never waits long for its turn.
Readers may thus see a part of the devices for some seconds. If it is ended in between, the same file imported again
goes on where it stopped: it is known by its SHA-256, and its devices by the moment that it began.

Memory holds the ids of the file and the lines of its wrong rows (some 150 bytes each), and one batch of rows.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.devices_file import COLUMNS, MOMENT, Row, Source, Wrong, cell
from fleet.errors import BadInput, Refused
from fleet.lifecycle import DeviceStatus
from fleet.settings import Settings
from fleet.version import version_key
from storage import registration, schedule
from storage.db import AnyRow, Database
from storage.registration import Import

CHECKED_AT_ONCE = 5_000
WRITTEN_AT_ONCE = {True: 500, False: 5_000}
"""Rows in one transaction, on SQLite (where everybody else waits meanwhile, so it is kept below 50 ms) or not."""
_LET_OTHERS = 0.03
"""Seconds between two transactions on SQLite: it has no queue of writers, and who waits only looks now and then."""
_SHOWN = 20

_key = lru_cache(maxsize=4096)(version_key)

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much: bytes while checking, rows while writing."""


@dataclass(frozen=True, slots=True)
class Options:
    update: bool = False  # change what is there already, instead of refusing it
    skip_bad: bool = False  # import the good rows, instead of nothing
    rejects: Path | None = None  # a CSV for the wrong rows


@dataclass(slots=True)
class Report:
    """`wrong` has the first few wrong rows; `wrong_count` counts all. `meanwhile` were registered by somebody else.

    `gone`: rows of devices that are decommissioned here and say nothing else, as an export has them; they are left out.
    """

    added: int = 0
    changed: int = 0
    resumed: int = 0
    gone: int = 0
    wrong_count: int = 0
    wrong: list[Wrong] = field(default_factory=list)
    meanwhile: list[str] = field(default_factory=list)

    def listed(self) -> str:
        more = f"\n… and {self.wrong_count - len(self.wrong):,} more." if self.wrong_count > len(self.wrong) else ""
        return "\n".join(map(str, self.wrong)) + more


class Importing:
    """One import of one file. `run` it once."""

    def __init__(
        self, db: Database, settings: Settings, source: Source, options: Options, now: Callable[[], datetime]
    ) -> None:
        self._db, self._settings, self._source, self._options, self._now = db, settings, source, options, now
        self._report = Report()
        self._passed_over: set[int] = set()
        self._lines: dict[str, int] = {}
        self._versions: set[str] = set()
        self._new_targets = 0
        self._good = 0
        self._this: Import

    async def run(self, progress: Progress) -> Report:
        """Raises BadInput that lists the wrong rows, if there are any and they are not to be skipped."""
        digest = _digest(self._source.file)
        async with self._db.read() as session:
            self._this = await registration.begin(session, digest, self._now())
            self._versions = await registration.versions(session)
        await self._check(progress)
        if _digest(self._source.file) != digest:
            raise Refused(f"{self._source.file} was changed while it was read. Nothing was imported; try again.")
        self._refuse()
        await self._write(progress)
        return self._report

    # --- the first pass ---

    async def _check(self, progress: Progress) -> None:
        size = self._source.file.stat().st_size
        with ExitStack() as stack:
            reject = _rejects(stack, self._options.rejects)
            for chunk in _chunks(self._source.rows(), CHECKED_AT_ONCE):
                async with self._db.read() as session:
                    ids = [each.device_id for each in chunk if isinstance(each, Row)]
                    there = await registration.known(session, ids)
                for each in chunk:
                    wrong = each if isinstance(each, Wrong) else self._fault(each, there.get(each.device_id))
                    if wrong:
                        self._note(wrong)
                        reject(wrong)
                    elif self._is_gone(each, there.get(each.device_id)):
                        self._report.gone += 1
                        self._passed_over.add(each.line)
                    else:
                        self._good += 1
                progress("checking", self._source.position, size)

    def _fault(self, row: Row, there: AnyRow | None) -> Wrong | None:
        problem = ""
        if first := self._lines.get(row.device_id):
            problem = f"{row.device_id} stands on line {first} already"
        elif (target := row.values.get("target_config_version")) and target not in self._versions:
            problem = f"there is no configuration {target}; add it first with muster config"
        elif there is not None:
            problem = self._conflict(row, there)
        self._lines.setdefault(row.device_id, row.line)
        return Wrong(row.line, row.device_id, problem, _cells(row)) if problem else None

    def _is_gone(self, row: Row | Wrong, there: AnyRow | None) -> bool:
        """Decommissioned, and the row says nothing else: there is nothing to be done."""
        if not isinstance(row, Row) or there is None or not self._options.update:
            return False
        said = row.values.get("status") or DeviceStatus.DECOMMISSIONED
        return there.status is DeviceStatus.DECOMMISSIONED and said == there.status

    def _conflict(self, row: Row, there: AnyRow) -> str:
        if self._this.resumed and there.registered_at == self._this.began:
            return ""
        if not self._options.update:
            return f"{row.device_id} is registered already; --update changes it"
        if self._is_gone(row, there):
            return ""
        if there.status is DeviceStatus.DECOMMISSIONED:
            return f"{row.device_id} is decommissioned, and stays as it is"
        if (status := row.values.get("status")) and status != there.status:
            return f"{row.device_id} is {there.status}; an import does not change that, leave the status out"
        target = row.values.get("target_config_version")
        self._new_targets += target is not None and (target or None) != there.target_config_version
        return ""

    def _note(self, wrong: Wrong) -> None:
        self._report.wrong_count += 1
        self._passed_over.add(wrong.line)
        if len(self._report.wrong) < _SHOWN:
            self._report.wrong.append(wrong)

    def _refuse(self) -> None:
        if self._report.wrong_count and not self._options.skip_bad:
            raise BadInput(
                f"{self._report.wrong_count:,} rows of {self._source.file} are wrong; nothing was imported.\n"
                f"{self._report.listed()}\nMend them, or import the others with --skip-bad."
            )
        if self._new_targets > (limit := self._settings.config.assign_limit):
            raise Refused(
                f"{self._source.file} gives {self._new_targets:,} registered devices another target, and an import "
                f"changes at most {limit} (config.assign_limit), because nobody approves it. Nothing was imported: "
                "leave the column target_config_version out, and use /fleet bulk config."
            )

    # --- the second pass ---

    async def _write(self, progress: Progress) -> None:
        good = (each for each in self._source.rows() if isinstance(each, Row) and each.line not in self._passed_over)
        total = self._good
        done = 0
        for number, chunk in enumerate(_chunks(good, WRITTEN_AT_ONCE[self._db.is_sqlite])):
            await self._write_chunk(chunk, first=number == 0)
            if self._db.is_sqlite:
                await asyncio.sleep(_LET_OTHERS)
            done += len(chunk)
            progress("writing", done, total)
        await self._finish()

    async def _write_chunk(self, chunk: Sequence[Row], first: bool) -> None:
        began = self._this.began
        rows = [_given(row) for row in chunk]
        async with self._db.begin() as session:
            if first and not self._this.resumed:
                await registration.note(session, self._this, registration.BEGAN, self._now(), self._named())
            added = await registration.add(session, rows, began)
            others = [row for row in chunk if row.device_id not in added]
            there = await registration.known(session, [row.device_id for row in others]) if others else {}
            mine = {each for each, row in there.items() if self._this.resumed and row.registered_at == began}
            changed = {each for each in there if each not in mine} if self._options.update else set()
            if changed:
                await registration.change(session, [row for row in rows if row["device_id"] in changed], self._now())
            written = [row for row in chunk if row.device_id in added or row.device_id in changed]
            await registration.label(
                session,
                {row.device_id: row.tags for row in written if row.tags is not None},
                {row.device_id: row.groups for row in written if row.groups is not None},
                added,
            )
        self._report.added += len(added)
        self._report.changed += len(changed)
        self._report.resumed += len(mine)
        self._report.meanwhile += sorted({*there} - mine - changed)

    async def _finish(self) -> None:
        report = self._report
        counted = {"devices": report.added + report.resumed, "changed": report.changed, "wrong": report.wrong_count}
        async with self._db.begin() as session:
            await registration.note(session, self._this, registration.DONE, self._now(), {**self._named(), **counted})
            if self._new_targets:
                await schedule.bring_forward(session, schedule.SWEEP, self._now())

    def _named(self) -> dict[str, Any]:
        return {"file": self._source.file.name}


def _given(row: Row) -> dict[str, Any]:
    """As `storage.registration` takes it. A column that the file does not have is left out."""
    values = row.values
    given: dict[str, Any] = {"device_id": row.device_id}
    for name in ("status", "site", "model", "certificate_serial"):
        if name in values:
            given[name] = values[name]
    if "target_config_version" in values:
        given["target"] = values["target_config_version"]
    if "firmware_version" in values:
        given["firmware"], given["firmware_key"] = values["firmware_version"], _key(values["firmware_version"])
    if values.get(MOMENT):
        given[MOMENT] = datetime.fromisoformat(values[MOMENT])
    return given


def _cells(row: Row) -> dict[str, Any]:
    return {**row.values, "tags": row.tags, "groups": row.groups}


def _rejects(stack: ExitStack, file: Path | None) -> Callable[[Wrong], None]:
    """Writes wrong rows as a CSV that can be mended and imported: its columns line and problem are passed over."""
    if file is None:
        return lambda wrong: None
    try:
        opened = stack.enter_context(file.open("w", encoding="utf-8", errors="replace", newline=""))
    except OSError as fault:
        raise BadInput(f"{file} cannot be written: {fault}.") from None
    writer = csv.writer(opened)
    writer.writerow(["line", "problem", *COLUMNS])

    def write(wrong: Wrong) -> None:
        writer.writerow([wrong.line, wrong.problem, *(cell(wrong.cells.get(name)) for name in COLUMNS)])

    return write


def _chunks(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(rows)
    while chunk := list(itertools.islice(source, size)):
        yield chunk


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as fault:
        raise BadInput(f"{file} cannot be read: {fault.strerror or fault}.") from None
