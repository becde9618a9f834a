"""Diagnostic requests by the clock: asked when the device is back, put together in time, given up in the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from fleet import diagnostic_message
from fleet.diagnostics import (
    Assembly,
    DiagnosticKind,
    Fault,
    Parts,
    RequestState,
    Verdict,
    assemble,
    joined,
    verdict,
)
from fleet.log_text import summary
from fleet.message import Message
from fleet.operation import OperationState
from fleet.redaction import Redaction
from jobs.spec import Run, job
from storage import diagnostic_chunks, diagnostics, fences, operations, outbox
from storage.db import CLOCK, AnyRow
from storage.outbox import Attachment, Place

log = structlog.get_logger(__name__)

_BATCH = 200
_AT_ONCE = 16 * 1024 * 1024  # bytes of logs that are put together at a time
_LOOK_FOR_RETURNED = timedelta(seconds=2)
_ENDED = {
    RequestState.ANSWERED: OperationState.DONE,
    RequestState.INCOMPLETE: OperationState.DONE,
    RequestState.FAULTY: OperationState.DONE,
    RequestState.SILENT: OperationState.EXPIRED,
    RequestState.EXPIRED: OperationState.EXPIRED,
}


@job("diagnostics", every=timedelta(seconds=5), woken_by=("diagnostics",))
async def settle(run: Run) -> datetime | None:
    """Put together the logs that are here, give up on devices that do not answer, ask those that are back."""
    async with run.db.read() as session:
        due = _bounded(await diagnostics.due(session, run.now, _BATCH))
        waiting = await diagnostics.any_waiting(session)
        texts = await diagnostic_chunks.texts(session, [row.id for row in due if row.chunks])
    if due:
        made = await asyncio.to_thread(_made, due, texts, run)
        await _record(run, made)
    if waiting:
        await _ask_returned(run)
    async with run.db.read() as session:
        again = await diagnostics.next_due(session)
    look = run.now + _LOOK_FOR_RETURNED if waiting else None
    return min((each for each in (again, look) if each), default=None)


def _bounded(due: Sequence[AnyRow]) -> Sequence[AnyRow]:
    """As many as fit into memory together, and at least one."""
    size = 0
    for at, row in enumerate(due):
        size += row.size
        if at and size > _AT_ONCE:
            return due[:at]
    return due


@dataclass(frozen=True, slots=True)
class _Made:
    """What a request has become: its columns, the chunks that are missing, and its text if it is a log."""

    row: AnyRow
    verdict: Verdict
    assembly: Assembly
    text: str


def _made(due: Sequence[AnyRow], texts: Mapping[str, Mapping[int, str]], run: Run) -> list[_Made]:
    redaction = Redaction(run.settings.diagnostics.redact)
    made = []
    for row in due:
        chunks = texts.get(row.id, {})
        digests = dict.fromkeys(chunks, "")
        parts = Parts(row.total_chunks, row.size, Fault(row.fault) if row.fault else None, digests)
        assembly = assemble(chunks, row.total_chunks)
        text = joined(assembly, [redaction.piece(piece) for piece in assembly.pieces], row.total_chunks or 0)
        made.append(_Made(row, verdict(parts, row.sent_at is not None, row.expires_at, run.now), assembly, text))
    return made


async def _record(run: Run, made: Sequence[_Made]) -> None:
    async with run.db.begin(CLOCK) as session:
        won = await diagnostics.write(session, [_change(each) for each in made])
        settled = [each for each in made if each.row.id in won]
        final = [each.row.id for each in settled if each.row.chunks and each.verdict.due_at is None]
        if final:
            await diagnostic_chunks.drop(session, final)
        for state in (OperationState.DONE, OperationState.EXPIRED):
            ended = [each.row.id for each in settled if _ENDED.get(each.verdict.state) is state]
            await operations.close(session, ended, state, run.now)
        messages: dict[str, Message] = {}
        stopped = await fences.told(session, run.now)
        for each in (each for each in settled if each.row.fan_out_id is None):
            key = diagnostics.message_key(each.row.id)
            row, inline = each.row._asdict(), run.settings.diagnostics.inline_lines
            file = diagnostic_message.file_name(row, each.text, inline)
            messages[key] = _message(each, run.now, file).knowing(stopped if each.row.sent_at is None else {})
            if file:
                note = Message(template="diag/file", data=messages[key].data)
                files = {f"{key}:{each.row.chunks}": (Attachment(file, each.text.encode("utf-8", "replace")), note)}
                place = Place(each.row.channel, each.row.thread_ts, each.row.requested_by)
                await outbox.attach(session, files, place, run.now, thread_key=key)
        await outbox.revise(session, messages, run.now)
    for each in settled:
        if each.verdict.state in (RequestState.INCOMPLETE, RequestState.FAULTY):
            _log_incomplete(each)


def _change(made: _Made) -> dict[str, Any]:
    row = made.row
    change: dict[str, Any] = {"id": row.id, "before": row.state, "seen": row.chunks, "chunks": row.chunks}
    change |= {"total_chunks": row.total_chunks, "size": row.size, "fault": row.fault}
    change |= {"state": made.verdict.state, "due_at": made.verdict.due_at}
    if row.chunks:
        found = summary(made.text)
        told = {"lines": found.lines, "levels": found.levels, "first": found.first, "last": found.last}
        told["gaps"] = made.assembly.gaps
        change |= {"text": made.text, "result": json.dumps(told)}
    elif row.state is RequestState.WAITING:
        change["result"] = '{"waited": true}'
    return change


def _message(made: _Made, now: datetime, file: str | None) -> Message:
    moved = {**made.row._asdict(), "state": made.verdict.state, "due_at": made.verdict.due_at}
    if made.row.state is RequestState.WAITING:
        moved["result"] = {"waited": True}
    more = {"text": made.text, "gaps": made.assembly.gaps, "file": file} if made.row.kind is DiagnosticKind.LOGS else {}
    return diagnostic_message.of(moved, now, **more)


def _log_incomplete(made: _Made) -> None:
    log.warning(
        "a log did not come whole",
        request=made.row.id,
        device=made.row.device_id,
        chunks=made.row.chunks,
        of=made.row.total_chunks,
        gaps=made.assembly.gaps,
        fault=made.row.fault,
    )


async def _ask_returned(run: Run) -> None:
    policy = run.settings.diagnostics
    expires_at, due_at = run.now + policy.expires_after, run.now + policy.chunk_timeout
    async with run.db.begin(CLOCK) as session:
        rows = await diagnostics.returned(session, run.now, expires_at, due_at, _BATCH)
        stopped = await fences.told(session, run.now)
        messages = {
            diagnostics.message_key(row.id): diagnostic_message.of(row._asdict(), run.now).knowing(stopped)
            for row in rows
        }
        await outbox.revise(session, messages, run.now)
