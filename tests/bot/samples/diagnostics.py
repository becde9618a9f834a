"""Messages of diagnostics, made as the jobs make them: nobody writes their data by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fleet import diagnostic_message, fan_out_message
from fleet.diagnostics import DiagnosticKind, Fault, RequestState
from fleet.fan_out import report
from fleet.message import Message
from tests.conftest import NOW

STOPPED = {"stopped_by": "U0ADA", "stopped_at": NOW - timedelta(minutes=20), "now": NOW}
_METRICS = {
    "cpu_percent": 97.0,
    "ram_used_bytes": 1_200_000_000,
    "ram_total_bytes": 2_000_000_000,
    "disk_used_bytes": 7_000_000_000,
    "disk_total_bytes": 16_000_000_000,
    "uptime_seconds": 300.0,
    "mqtt_connections": 2,
}
_LOG = (
    "2026-03-19T10:23:11Z ERROR MQTT reconnect failed: connection refused\n2026-03-19T10:23:41Z WARN ``` <!channel>\n"
)


def _request(kind: DiagnosticKind, state: RequestState, **columns: Any) -> dict[str, Any]:
    params = {"lines": 200, "level": "error"} if kind is DiagnosticKind.LOGS else {}
    return {
        "id": "diag-20260319-5X0FKQ2M9RZT7H3A",
        "kind": kind,
        "state": state,
        "device_id": "dev-1",
        "model": "gw2",
        "params": params,
        "requested_by": "U0ANN",
        "created_at": NOW,
        "expires_at": NOW + timedelta(minutes=5),
        "due_at": None,
        "sent_at": NOW,
        "answered_at": NOW,
        "skew_s": 0.2,
        "result": {},
        "chunks": 0,
        "total_chunks": None,
        "size": 1_234,
        "fault": "",
        "rtt_ms": None,
        "approximate": False,
        **columns,
    }


def _said(kind: DiagnosticKind, state: RequestState, more: dict[str, Any] | None = None, **columns: Any) -> Message:
    return diagnostic_message.of(_request(kind, state, **columns), NOW, **(more or {}))


_PING, _READ, _LOGS = DiagnosticKind.PING, DiagnosticKind.METRICS, DiagnosticKind.LOGS
_ANSWERED, _PARTLY = RequestState.ANSWERED, {"chunks": 2, "total_chunks": 3}
_OFFLINE = {
    "now": NOW,
    "device_id": "dev-1",
    "what": "its metrics",
    "last_seen_at": NOW - timedelta(hours=3),
    "online_within": 300.0,
}
_HISTORY = {"now": NOW, "device_id": "dev-1", "trips": [41.6, 300.2], "p50": 41.6, "p95": 300.2, "kept": 2_592_000.0}
_MANY = {
    "id": "many-20260319-5X0FKQ2M9RZT7H3A",
    "kind": _PING,
    "params": {},
    "selector": "site:oslo",
    "total": 4,
    "requested_by": "U0ANN",
    "created_at": NOW - timedelta(seconds=42),
}
_FOUR = [
    _request(_PING, _ANSWERED, device_id="dev-1", rtt_ms=41.6),
    _request(_PING, _ANSWERED, device_id="dev-2", rtt_ms=1_234.5, skew_s=4_000.0),
    _request(_PING, RequestState.SILENT, device_id="dev-3", skew_s=None),
    _request(_PING, RequestState.OFFLINE, device_id="dev-4", skew_s=None),
]
_NEVER = [_request(_PING, RequestState.EXPIRED, device_id=f"dev-{number}", skew_s=None) for number in (1, 2)]
_COUNTS = {_ANSWERED: 2, RequestState.ASKED: 1, RequestState.OFFLINE: 1}
_FULL = [_request(_READ, _ANSWERED, device_id=f"dev-{number}", result=_METRICS) for number in (1, 2)]
_ERRORS = [
    _request(_LOGS, _ANSWERED, device_id="dev-1", result={"lines": 9, "levels": {"error": 7}}),
    _request(_LOGS, RequestState.INCOMPLETE, device_id="dev-2", **_PARTLY),
]
_OFF = timedelta(minutes=5)

DIAG = {
    "diag/asking": _said(_PING, RequestState.ASKED),
    "diag/asking.logs": _said(_LOGS, RequestState.ANSWERING),
    "diag/asking.waiting": _said(_READ, RequestState.WAITING, sent_at=None),
    "diag/asking.stuck": _said(_PING, RequestState.ASKED, sent_at=None, due_at=NOW + timedelta(minutes=5)),
    "diag/asking.stopped": _said(_PING, RequestState.ASKED, sent_at=None).knowing(STOPPED),
    "diag/silent.stopped": _said(_LOGS, RequestState.EXPIRED, sent_at=None).knowing(STOPPED),
    "diag/silent": _said(_PING, RequestState.SILENT),
    "diag/silent.not-back": _said(_READ, RequestState.EXPIRED, sent_at=None, result={"waited": True}),
    "diag/silent.no-broker": _said(_LOGS, RequestState.EXPIRED, sent_at=None),
    "diag/ping": _said(_PING, _ANSWERED, {"trips": [41.6]}, rtt_ms=41.6),
    "diag/ping.approximate": _said(
        _PING, _ANSWERED, {"trips": [1_500.0, 40.0, 41.0]}, rtt_ms=1_500.0, approximate=True, skew_s=-400.0
    ),
    "diag/metrics": _said(
        _READ, _ANSWERED, {"peers": [{**_METRICS, "cpu_percent": 5.0 + n} for n in range(6)]}, result=_METRICS
    ),
    "diag/metrics.alone": _said(_READ, _ANSWERED, result={"cpu_percent": 12.0}, skew_s=None),
    "diag/logs": _said(_LOGS, _ANSWERED, {"text": _LOG}, chunks=1, total_chunks=1),
    "diag/logs.file": _said(_LOGS, _ANSWERED, {"text": _LOG * 150, "file": "dev-1-x.log"}, chunks=3, total_chunks=3),
    "diag/logs.empty": _said(_LOGS, _ANSWERED, chunks=1, total_chunks=1, size=0),
    "diag/logs.incomplete": _said(
        _LOGS,
        RequestState.INCOMPLETE,
        {"text": f"{_LOG}\n[… chunk 3 of 3 did not come …]\n", "gaps": [(3, 3)]},
        due_at=NOW + timedelta(minutes=4),
        **_PARTLY,
    ),
    "diag/logs.faulty": _said(
        _LOGS, RequestState.FAULTY, {"text": _LOG, "gaps": [(3, 3)]}, fault=Fault.CONFLICT.value, **_PARTLY
    ),
    "diag/file": Message(template="diag/file", data=_said(_LOGS, _ANSWERED, {"text": _LOG}).data),
    "diag/offline": Message(template="diag/offline", data=_OFFLINE),
    "diag/offline.never": Message(template="diag/offline", data={**_OFFLINE, "last_seen_at": None}),
    "diag/history": Message(
        template="diag/history",
        data={**_HISTORY, "rows": [[NOW, "ping", "answered", "42 ms", "diag-20260319-5X0FKQ2M9RZT7H3A"]]},
    ),
    "diag/history.nothing": Message(template="diag/history", data={**_HISTORY, "rows": [], "trips": []}),
    "diag/progress": fan_out_message.progress(_MANY, _COUNTS, NOW),
    "diag/progress.stopped": fan_out_message.progress(_MANY, _COUNTS, NOW, unsent=1).knowing(STOPPED),
    "diag/progress.given-up": fan_out_message.progress(_MANY, {RequestState.EXPIRED: 4}, NOW),
    "diag/report": fan_out_message.closed(_MANY, report(_PING, _FOUR, _OFF), NOW),
    "diag/report.all": fan_out_message.closed(_MANY, report(_PING, _FOUR[:1], _OFF), NOW),
    "diag/report.given-up": fan_out_message.closed(_MANY, report(_PING, _NEVER, _OFF), NOW),
    "diag/report.stopped": fan_out_message.closed(_MANY, report(_PING, _NEVER, _OFF), NOW).knowing(STOPPED),
    "diag/report.metrics": fan_out_message.closed({**_MANY, "kind": _READ}, report(_READ, _FULL, _OFF), NOW),
    "diag/report.logs": fan_out_message.closed(
        {**_MANY, "kind": _LOGS, "params": {"lines": 200}}, report(_LOGS, _ERRORS, _OFF), NOW
    ),
    "diag/picture": Message(template="diag/picture", data={"answered": 980}),
    "diag/table": Message(template="diag/table", data={"devices": 1_000}),
}
