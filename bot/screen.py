"""What the command line shows: progress bars and reports on standard error, doctor's list on standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from bot import doctor, settings_file
from bot.doctor import Finding, Level
from bot.importing import Report
from fleet.errors import BadInput

_COLOURS = {Level.FINE: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}
_MADE_UP = {
    "MUSTER_SLACK_BOT_TOKEN": "xoxb-unset",
    "MUSTER_SLACK_APP_TOKEN": "xapp-unset",
    "MUSTER_SLACK_SIGNING_SECRET": "unset",
    "MUSTER_OPS_CHANNEL": "C0UNSET",
}


def with_made_up_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with something in place of what app.yaml needs for Slack: to read all the rest of it."""
    return {**_MADE_UP, **{name: value for name, value in environment.items() if value}}


@contextmanager
def bars(name: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is being done: call it with what, how much is done, and of how much."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(doing: str, done: int, total: int) -> None:
            if doing not in tasks:
                tasks[doing] = progress.add_task(f"{doing} {escape(name)}", total=total)
            progress.update(tasks[doing], completed=done, total=total)

        yield tell


def imported(console: Console, file: Path, report: Report) -> None:
    said = [f"{report.added + report.resumed:,} devices registered from {file}"]
    if report.resumed:
        said.append(f"{report.resumed:,} of them by the import that was ended before")
    if report.changed:
        said.append(f"{report.changed:,} changed")
    if report.gone:
        said.append(f"{report.gone:,} left as they are, because they are decommissioned")
    console.print(", ".join(said) + ".", markup=False, highlight=False, soft_wrap=True)
    if report.wrong_count:
        skipped = f"{report.wrong_count:,} rows are wrong and were skipped:\n{report.listed()}"
        console.print(skipped, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if report.meanwhile:
        names = ", ".join(report.meanwhile[:10])
        said_so = f"{len(report.meanwhile):,} were registered by somebody else meanwhile, and left as they are: {names}"
        console.print(said_so, style="yellow", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def whole_file(path: Path | None) -> Iterator[IO[str]]:
    """To write to: standard output, or a file that appears under its name only when it is whole."""
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as opened:
            yield opened
        part.replace(path)
    except OSError as fault:
        raise BadInput(f"{path} cannot be written: {fault.strerror or fault}.") from None
    finally:
        part.unlink(missing_ok=True)


async def examined(console: Console, file: Path, environment: Mapping[str, str], now: Callable[[], datetime]) -> int:
    """Doctor's findings, each as soon as it is known. Returns the exit code.

    With secrets missing, what can be looked at without them is looked at all the same.
    """
    fault, settings = "", None
    try:
        settings = settings_file.load(file, environment)
    except BadInput as wrong:
        fault = str(wrong)
    found = [doctor.of_settings(file.name, fault)]
    show(console, found[0])
    if settings is None:
        try:
            settings = settings_file.load(file, with_made_up_secrets(environment))
        except BadInput:
            return doctor.exit_code(found)
    async for finding in doctor.examine(settings, now, slack_too=not fault):
        found.append(finding)
        show(console, finding)
    _sum_up(console, found)
    return doctor.exit_code(found)


def show(console: Console, finding: Finding) -> None:
    """One line for what was found, and one below it for what to do."""
    colour = _COLOURS[finding.level]
    said = escape(finding.said[:1].upper() + finding.said[1:]).rstrip(".")
    console.print(f"[{colour}]{finding.level}[/] {finding.part:<12} {said}.", highlight=False, soft_wrap=True)
    if finding.mend:
        console.print(f"  {'':<12} → {escape(finding.mend)}", highlight=False, soft_wrap=True)


def _sum_up(console: Console, found: list[Finding]) -> None:
    problems = sum(each.level is Level.PROBLEM for each in found)
    warnings = sum(each.level is Level.WARNING for each in found)
    said = f"{problems} to mend, {warnings} to know of." if problems or warnings else "All is fine."
    console.print(f"\n{said}", highlight=False)
