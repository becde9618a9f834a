"""When a campaign has ended: what came of it, said in its thread, with every device as a file and its course drawn."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from fleet import table_file
from fleet.campaign_message import buttons
from fleet.message import Message
from fleet.roles import is_person
from jobs.spec import Run, job
from storage import campaign_devices, campaign_news, campaigns, outbox
from storage.db import CLOCK
from storage.outbox import Attachment, Place
from storage.tables import Campaign

log = structlog.get_logger(__name__)

_PAGE = 5000
_GROUPS = 10  # of failures
_COLUMNS = ("device_id", "state", "wave", "site", "model", "firmware", "tries", "dispatched_at", "settled_at", "why")


@job("campaign reports", every=timedelta(minutes=1), woken_by=("campaigns",))
async def report(run: Run) -> datetime | None:
    """Report campaigns that have ended."""
    async with run.db.read() as session:
        found = await campaigns.to_report(session, 1)
    if not found:
        return None
    row = found[0]
    rows = await _rows(run, row.id)
    async with run.db.read() as session:
        course = await campaign_devices.course(session, row.id)
    picture = await asyncio.to_thread(_drawn, course, row.title) if len(course) > 1 else None
    await _post(run, row, await asyncio.to_thread(table_file.whole, _COLUMNS, rows), picture)
    log.info("a campaign is reported", campaign=row.id, devices=len(rows))
    return run.now  # perhaps another one has ended too


async def _post(run: Run, row: Campaign, table: bytes, picture: bytes | None) -> None:
    key = campaigns.message_key(row.id)
    run_key = f"{key}:{int((row.ended_at or run.now).timestamp())}"  # one that was retried ends more than once
    async with run.db.begin(CLOCK) as session:
        if not await campaigns.reported(session, row.id, run.now):
            return
        facts = await campaign_news.facts(session, row, run.now)
        failures = await campaign_news.failures(session, row.id, _GROUPS)
        said = Message(
            template="bulk/report",
            data={**facts, "status": row.status.value, "failures": failures},
            buttons=buttons(row.status, row.id, failures),
        )
        channel = row.channel or run.settings.slack.ops_channel
        await outbox.put(session, {f"{run_key}:report": said}, channel, run.now, thread_key=key)
        if is_person(row.created_by):
            ended = Message(template="bulk/ended", data={**said.data, "channel": channel}, buttons=said.buttons)
            await outbox.put(session, {f"{run_key}:ended": ended}, row.created_by, run.now)
        note = Message(template="bulk/report_file", data={"title": row.title})
        files = {f"{run_key}:table": (Attachment(f"{run_key.replace(':', '-')}.csv", table), note)}
        if picture:
            files[f"{run_key}:picture"] = (Attachment(f"{run_key.replace(':', '-')}.png", picture), note)
        place = Place(channel, None, row.created_by)
        await outbox.attach(session, files, place, run.now, thread_key=key)


async def _rows(run: Run, campaign_id: str) -> list[list[object]]:
    """A page in each transaction: a reader that stays long keeps SQLite's log from being cut back."""
    found: list[list[object]] = []
    while True:
        after = str(found[-1][0]) if found else ""
        async with run.db.read() as session:
            page = await campaign_devices.page(session, campaign_id, after, _PAGE)
        found += [[getattr(row, name) for name in _COLUMNS] for row in page]
        if len(page) < _PAGE:
            return found


def _drawn(course: Sequence[tuple[datetime, bool]], title: str) -> bytes:
    """Devices over time, those that succeeded and those that did not. matplotlib takes a second to load."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    began = course[0][0]
    for good, name, colour in ((True, "succeeded", "#27ae60"), (False, "failed", "#c0392b")):
        minutes = [(at - began).total_seconds() / 60 for at, was_good in course if was_good is good]
        over = (course[-1][0] - began).total_seconds() / 60
        devices = [*range(len(minutes) + 1), len(minutes)]
        axes.step([0.0, *minutes, over], devices, where="post", color=colour, label=f"{name}: {len(minutes):,}")
    axes.set(title=title, ylabel="devices", xlabel="minutes since the first answer")
    axes.legend(loc="upper left")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
