"""One question to many devices: asked at a pace, shown as it goes, and reported with who did not answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import diagnostic_message, fan_out_message, selector, table_file
from fleet.diagnostics import DiagnosticKind
from fleet.drift import is_online
from fleet.fan_out import SLICE_EVERY, Report, Step, next_step, report, slice_of
from fleet.message import Message
from jobs import histogram
from jobs.spec import Run, job
from storage import diagnostics, fan_outs, fences, outbox
from storage.db import CLOCK, AnyRow
from storage.outbox import Attachment, Place

log = structlog.get_logger(__name__)

_LOOKED_AT = 20
_PAGE = 1_000
_CLOCK_OFF = timedelta(minutes=5)
_COLUMNS = ("device_id", "model", "state", "answer", "rtt_ms", "clock_skew_s", "request_id")


@job("fan-outs", every=timedelta(seconds=5), woken_by=("fan-outs",))
async def ask_many(run: Run) -> datetime | None:
    """Ask the next devices of each question to many, show how far it is, and report it in the end."""
    async with run.db.read() as session:
        due = await fan_outs.due(session, run.now, _LOOKED_AT)
        counts = {row.id: await diagnostics.counts(session, row.id) for row in due}
    for row in due:
        match next_step(row.done_at, counts[row.id], run.now, run.settings.diagnostics):
            case Step.ASK:
                await _ask(run, row)
            case Step.WAIT:
                await _show(run, row)
            case Step.CLOSE:
                await _close(run, row)
    async with run.db.read() as session:
        return await fan_outs.next_due(session)


async def _ask(run: Run, row: AnyRow) -> None:
    policy, within = run.settings.diagnostics, run.settings.drift.online_within
    which, many = selector.parse(row.selector), slice_of(policy)
    times = {"expires_at": run.now + policy.expires_after}
    async with run.db.begin(CLOCK) as session:
        found = await fan_outs.targets(session, which, row.created_at, within, row.after, many)
        asked = []
        for target in found:
            online = is_online(target.last_seen_at, run.now, within)
            due_at = run.now + policy.chunk_timeout if online else None
            request_id = diagnostics.new_id("diag", run.now)
            asked.append(fan_outs.request(row, target, request_id, online, run.now, due_at=due_at, **times))
        done = len(found) < many
        after = found[-1].device_id if found else row.after
        moved: dict[str, Any] = {"after": after, "due_at": run.now + SLICE_EVERY, "done_at": run.now if done else None}
        if await fan_outs.move(session, row, run.now, **moved):
            await diagnostics.ask(session, asked, run.now)
            await _revise(run, session, row)


async def _show(run: Run, row: AnyRow) -> None:
    async with run.db.begin(CLOCK) as session:
        if await fan_outs.move(session, row, run.now, due_at=run.now + SLICE_EVERY):
            await _revise(run, session, row)


async def _revise(run: Run, session: AsyncSession, row: AnyRow) -> None:
    """Edits pile up to one in `fan_out_edit_every`, which then shows the newest numbers."""
    counts = await diagnostics.counts(session, row.id)
    unsent = await diagnostics.unsent(session, row.id)
    message = fan_out_message.progress(row._asdict(), counts, run.now, unsent=unsent)
    message = message.knowing(await fences.told(session, run.now))
    every = run.settings.diagnostics.fan_out_edit_every
    await outbox.revise(session, {fan_outs.message_key(row.id): message}, run.now, every)


async def _close(run: Run, row: AnyRow) -> None:
    requests = await _requests(run, row.id)
    found = report(row.kind, requests, _CLOCK_OFF)
    files = await _files(row, requests, found)
    message = fan_out_message.closed(row._asdict(), found, run.now)
    key = fan_outs.message_key(row.id)
    async with run.db.begin(CLOCK) as session:
        if await fan_outs.move(session, row, run.now, due_at=None, closed_at=run.now):
            stopped = await fences.told(session, run.now)
            await outbox.revise(session, {key: message.knowing(stopped)}, run.now)
            place = Place(row.channel, row.thread_ts, row.requested_by)
            await outbox.attach(session, files, place, run.now, thread_key=key)
    log.info("a question to many is closed", fan_out=row.id, asked=found.asked, answered=found.answered)


async def _requests(run: Run, fan_out_id: str) -> list[dict[str, Any]]:
    """All of them, a page in each transaction: a reader that stays long keeps SQLite's log from being cut back."""
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["device_id"] if found else ""
        async with run.db.read() as session:
            rows = await diagnostics.of_fan_out(session, fan_out_id, _PAGE, after)
        found += [row._asdict() for row in rows]
        if len(rows) < _PAGE:
            return found


async def _files(
    row: AnyRow, requests: Sequence[Mapping[str, Any]], found: Report
) -> dict[str, tuple[Attachment, Message]]:
    key = fan_outs.message_key(row.id)
    files = {}
    if len(found.latencies) > 1:
        title = f"{found.answered:,} of {found.asked:,} devices answered"
        drawn = await histogram.png(found.latencies, title, "ms")
        note = Message(template="diag/picture", data={"answered": found.answered})
        files[f"{key}:picture"] = (Attachment(f"{row.id}.png", drawn), note)
    content = table_file.whole(_COLUMNS, (_line(each) for each in requests))
    note = Message(template="diag/table", data={"devices": len(requests)})
    files[f"{key}:table"] = (Attachment(f"{row.id}.csv", content), note)
    return files


def _line(request: Mapping[str, Any]) -> list[object]:
    kind: DiagnosticKind = request["kind"]
    rtt_ms = None if request["rtt_ms"] is None else round(request["rtt_ms"], 1)
    skew_s = None if request["skew_s"] is None else round(request["skew_s"], 1)
    answer = "" if kind is DiagnosticKind.PING else diagnostic_message.in_short(request)
    return [request["device_id"], request["model"], request["state"].value, answer, rtt_ms, skew_s, request["id"]]
