"""What devices answer to diagnostic requests: pings and metrics at once, logs chunk by chunk.

A log is put together by `jobs.diagnostics`, outside of the transaction that the broker's acknowledgement waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from fleet import diagnostic_message
from fleet.diagnostics import DiagnosticKind, Fault, Parts, RequestState, Taken, digest, round_trip
from fleet.operation import OperationState
from jobs import measurements
from jobs.spec import Heard, Intake
from link.topics import Kind
from link.wire import LogResponse, MetricsResponse, PingResponse, Response
from storage import diagnostic_chunks, diagnostic_history, diagnostics, operations, outbox
from storage.db import AnyRow, wake
from storage.dead_letters import Letter

UNKNOWN, LATE, CHUNKED = "unknown request", "late answer", "bad field: total_chunks"

_PEERS = 1_000  # answers of one model that a device's metrics are compared with
_TOPICS = {
    DiagnosticKind.PING: Kind.PING_RESPONSE,
    DiagnosticKind.METRICS: Kind.METRICS_RESPONSE,
    DiagnosticKind.LOGS: Kind.LOG_RESPONSE,
}

Read = Callable[[Intake, AnyRow, Heard], dict[str, Any]]


async def pings(intake: Intake, heard: Sequence[Heard]) -> None:
    """Echoes: how long they took, and how far the device's clock is off."""
    await _whole(intake, heard, DiagnosticKind.PING, _ping)


async def metrics(intake: Intake, heard: Sequence[Heard]) -> None:
    """Metrics, to be shown beside those of the device's model, and held against the alert rules."""
    await _whole(intake, heard, DiagnosticKind.METRICS, _metrics)
    payloads = {each.device_id: each.said.payload for each in heard if isinstance(each.said, MetricsResponse)}
    measured = {device_id: payload.model_dump() for device_id, payload in payloads.items()}
    await measurements.take(intake.session, measured, intake.now, intake.settings)


async def _whole(intake: Intake, heard: Sequence[Heard], kind: DiagnosticKind, read: Read) -> None:
    """Answers that come in one piece."""
    rows = await diagnostics.lock(intake.session, sorted({_said(each).request_id for each in heard}))
    changes: dict[str, dict[str, Any]] = {}
    for each in heard:
        row = _asked(intake, rows, each, kind)
        if row is None or row.id in changes or row.state is RequestState.ANSWERED:
            continue  # an answer that comes twice says nothing new
        if _said(each).total_chunks != 1:
            _letter(intake, each, kind, CHUNKED)
        elif not diagnostics.takes_answers(row, intake.now):
            _letter(intake, each, kind, LATE)
        else:
            changes[row.id] = {**_standing(row), **read(intake, row, each)}
    won = await diagnostics.write(intake.session, list(changes.values()))
    await operations.close(intake.session, sorted(won), OperationState.DONE, intake.now)
    answered = [{**rows[each]._asdict(), **_as_stored(changes[each])} for each in sorted(won)]
    await _show(intake, kind, [each for each in answered if each["fan_out_id"] is None])


def _ping(intake: Intake, row: AnyRow, heard: Heard) -> dict[str, Any]:
    trip = round_trip(intake.departures.of(row.id), heard.at, row.sent_at or row.created_at, intake.now)
    half = timedelta(milliseconds=trip.ms / 2)
    skew = (intake.now - half - heard.said.device_ts).total_seconds() if heard.said.device_ts else None
    return {"rtt_ms": trip.ms, "approximate": int(trip.approximate), "skew_s": skew, **_answered(intake)}


def _metrics(intake: Intake, row: AnyRow, heard: Heard) -> dict[str, Any]:
    assert isinstance(heard.said, MetricsResponse)
    skew = (intake.now - heard.said.device_ts).total_seconds() if heard.said.device_ts else None
    return {"result": heard.said.payload.model_dump_json(exclude_none=True), "skew_s": skew, **_answered(intake)}


def _answered(intake: Intake) -> dict[str, Any]:
    return {"state": RequestState.ANSWERED, "due_at": None, "answered_at": intake.now, "total_chunks": 1, "chunks": 1}


def _as_stored(change: Mapping[str, Any]) -> dict[str, Any]:
    """What was written, as it is read back."""
    parsed = {"result": diagnostic_message.parsed(change["result"])} if "result" in change else {}
    return {**change, **parsed}


async def _show(intake: Intake, kind: DiagnosticKind, answered: Sequence[Mapping[str, Any]]) -> None:
    session, now, policy = intake.session, intake.now, intake.settings.diagnostics
    if not answered:
        return
    if kind is DiagnosticKind.PING:
        trips = await diagnostic_history.round_trips(
            session, [each["device_id"] for each in answered], policy.pings_shown
        )
        more: dict[str, dict[str, Any]] = {each["id"]: {"trips": trips[each["device_id"]]} for each in answered}
    else:
        models = {each["model"] for each in answered}
        known = {model: await diagnostic_history.metrics_of_model(session, model, _PEERS) for model in models}
        more = {each["id"]: {"peers": _others(known[each["model"]], each["device_id"])} for each in answered}
    messages = {
        diagnostics.message_key(each["id"]): diagnostic_message.of(each, now, **more[each["id"]]) for each in answered
    }
    await outbox.revise(session, messages, now)


def _others(by_device: Mapping[str, Mapping[str, Any]], device_id: str) -> list[Mapping[str, Any]]:
    return [metrics for each, metrics in by_device.items() if each != device_id]


async def logs(intake: Intake, heard: Sequence[Heard]) -> None:
    """Chunks of logs: kept as they come, until all are here or the next one does not come in time."""
    ids = sorted({_said(each).request_id for each in heard})
    rows = await diagnostics.lock(intake.session, ids)
    digests = await diagnostic_chunks.digests(intake.session, sorted(rows))
    parts = {each: _parts(row, digests[each]) for each, row in rows.items()}
    chunks: list[dict[str, Any]] = []
    moved: dict[str, dict[str, Any]] = {}
    for each in heard:
        said = each.said
        assert isinstance(said, LogResponse)
        row = _asked(intake, rows, each, DiagnosticKind.LOGS)
        if row is None or row.state is RequestState.ANSWERED:
            continue
        if not diagnostics.takes_answers(row, intake.now):
            _letter(intake, each, DiagnosticKind.LOGS, LATE)
            continue
        taken = parts[row.id].take(said.chunk, said.total_chunks, said.payload)
        if taken is Taken.KEPT:
            told = {"request_id": row.id, "chunk": said.chunk, "digest": digest(said.payload), "text": said.payload}
            chunks.append(told)
        if taken is not Taken.AGAIN:
            moved[row.id] = _moved(intake, row, parts[row.id], each)
    await diagnostic_chunks.keep(intake.session, chunks)
    await diagnostics.write(intake.session, list(moved.values()))
    if any(each["due_at"] and each["due_at"] <= intake.now for each in moved.values()):
        wake(intake.session, "diagnostics")


def _parts(row: AnyRow, digests: dict[int, str]) -> Parts:
    return Parts(row.total_chunks, row.size, Fault(row.fault) if row.fault else None, digests)


def _moved(intake: Intake, row: AnyRow, parts: Parts, heard: Heard) -> dict[str, Any]:
    """Where the request stands with this chunk: due at once when there is something to put together."""
    ready = parts.complete or parts.fault is not None
    wait = intake.now if ready else intake.now + intake.settings.diagnostics.chunk_timeout
    stays = row.state is RequestState.INCOMPLETE and not ready
    skew = (intake.now - heard.said.device_ts).total_seconds() if heard.said.device_ts else None
    return {
        **_standing(row),
        "state": RequestState.INCOMPLETE if stays else RequestState.ANSWERING,
        "due_at": row.due_at if stays else wait,
        "answered_at": intake.now,
        "total_chunks": parts.total,
        "chunks": len(parts.digests),
        "size": parts.size,
        "fault": parts.fault or "",
        "skew_s": skew,
    }


def _standing(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "before": row.state,
        "seen": row.chunks,
        "state": row.state,
        "due_at": row.due_at,
        "total_chunks": row.total_chunks,
        "chunks": row.chunks,
        "size": row.size,
        "fault": row.fault,
    }


def _said(heard: Heard) -> Response:
    assert isinstance(heard.said, PingResponse | MetricsResponse | LogResponse)
    return heard.said


def _asked(intake: Intake, rows: Mapping[str, AnyRow], heard: Heard, kind: DiagnosticKind) -> AnyRow | None:
    """The request that this answers. Nobody may answer for another device, or another question."""
    row = rows.get(_said(heard).request_id)
    if row is not None and row.device_id == heard.device_id and row.kind is kind:
        return row
    _letter(intake, heard, kind, UNKNOWN)
    return None


def _letter(intake: Intake, heard: Heard, kind: DiagnosticKind, reason: str) -> None:
    """A log that nobody asked for is not kept: who knows what is in it."""
    said = _said(heard)
    detail = f"request {said.request_id}, chunk {said.chunk} of {said.total_chunks}"
    topic = f"{heard.device_id}/{_TOPICS[kind]}"
    payload = b"" if kind is DiagnosticKind.LOGS else said.encode()
    intake.letters.append(Letter(heard.device_id, topic, reason, detail, payload, intake.now))
