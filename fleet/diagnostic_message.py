"""A diagnostic request as people see it: one message that is edited from the question to the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fleet.diagnostics import DiagnosticKind, RequestState, gap_map, missing, percentile
from fleet.log_text import summary
from fleet.message import Button, Message
from fleet.peers import beside, readings

INLINE_CHARACTERS = 2_600
"""What fits into one block of a message beside its fence."""

_CLOCKS_AGREE_S = 1.0
_CLOCK_OFF_S = 300.0
_OPEN = (RequestState.WAITING, RequestState.ASKED, RequestState.ANSWERING)
_NOTHING = (RequestState.SILENT, RequestState.EXPIRED)


def of(request: Mapping[str, Any], now: datetime, **more: Any) -> Message:
    """The message of a request (its columns) as it stands.

    A ping may bring `trips` (its last round trips, the newest first), metrics `peers` (those of other devices of its
    model), and a log that has come `text`, `gaps` and whether it is a `file`.
    """
    state, kind = request["state"], request["kind"]
    said = {**_common(request, now), **_of_kind(request, more)}
    if state in _OPEN:
        return Message(template="diag/asking", data=said)
    if state in _NOTHING or state is RequestState.OFFLINE:
        return Message(template="diag/silent", data=said, buttons=(_again(request), _show(request)))
    return Message(template=f"diag/{kind.value}", data=said, buttons=_buttons(request))


def line(kind: DiagnosticKind, target: str, params: Mapping[str, Any]) -> str:
    """The command line that asks this."""
    flags = "".join(f" --{name} {params[name]}" for name in ("lines", "level") if params.get(name))
    return f"diag {kind.value} {target}{flags}"


def what(kind: DiagnosticKind, params: Mapping[str, Any]) -> str:
    """What is asked for, to stand after `asked for`."""
    if kind is DiagnosticKind.PING:
        return "a sign of life"
    if kind is DiagnosticKind.METRICS:
        return "its metrics"
    worse = f" ({params['level']} and worse)" if params.get("level") else ""
    return f"the last {params.get('lines')} lines of its log{worse}"


def in_short(request: Mapping[str, Any]) -> str:
    """The answer in a few words, for a table."""
    if request["state"] is not RequestState.ANSWERED:
        return f"{request['chunks']} of {request['total_chunks']} chunks" if request["chunks"] else ""
    match request["kind"]:
        case DiagnosticKind.PING:
            return f"{'about ' if request['approximate'] else ''}{request['rtt_ms']:,.0f} ms"
        case DiagnosticKind.METRICS:
            numbers = readings(request["result"])
            return ", ".join(f"{name} {numbers[name]:.0f} %" for name in ("cpu", "ram", "disk") if numbers[name])
        case _:
            levels = ", ".join(f"{count:,} {name}" for name, count in (request["result"].get("levels") or {}).items())
            return f"{request['result'].get('lines', 0):,} lines{f': {levels}' if levels else ''}"


def file_name(request: Mapping[str, Any], text: str, inline_lines: int) -> str | None:
    """The file that a log is sent as; None if it is short enough to stand in the message."""
    if text.count("\n") < inline_lines and len(text) <= INLINE_CHARACTERS:
        return None
    whole = request["chunks"] == request["total_chunks"]
    part = "" if whole else f"-{request['chunks']}-of-{request['total_chunks']}"
    return f"{request['device_id']}-{request['id']}{part}.log"


def parsed(text: str) -> dict[str, Any]:
    """What is stored as JSON text."""
    found: dict[str, Any] = json.loads(text)
    return found


def _common(request: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "request_id": request["id"],
        "device_id": request["device_id"],
        "what": what(request["kind"], request["params"]),
        "state": request["state"].value,
        "stuck": request["sent_at"] is None and request["due_at"] == request["expires_at"],
        "waited": bool(request["result"].get("waited")),
        "by": request["requested_by"],
        "lines": request["params"].get("lines"),
        "asked_at": request["created_at"],
        "expires_at": request["expires_at"],
        "clock": _clock(request["skew_s"]),
    }


def _clock(skew_s: float | None) -> str:
    """Positive: what the device says of the time is behind ours."""
    if skew_s is None:
        return "unknown, as it told no time"
    if abs(skew_s) < _CLOCKS_AGREE_S:
        return "right"
    off = f"{abs(skew_s):,.0f} s {'behind' if skew_s > 0 else 'ahead'}"
    return f"{off}, which is too far" if abs(skew_s) > _CLOCK_OFF_S else off


def _of_kind(request: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    if request["state"] in (*_OPEN, *_NOTHING, RequestState.OFFLINE):
        return {}
    match request["kind"]:
        case DiagnosticKind.PING:
            return _ping(request, more.get("trips", ()))
        case DiagnosticKind.METRICS:
            return _metrics(request, more.get("peers", ()))
        case _:
            return _log(request, **more)


def _ping(request: Mapping[str, Any], trips: Sequence[float]) -> dict[str, Any]:
    many = len(trips) > 1
    return {
        "rtt_ms": request["rtt_ms"],
        "approximate": bool(request["approximate"]),
        "pings": len(trips),
        "p50": percentile(trips, 0.5) if many else None,
        "p95": percentile(trips, 0.95) if many else None,
    }


def _metrics(request: Mapping[str, Any], peers: Sequence[Mapping[str, float | None]]) -> dict[str, Any]:
    rows = beside(request["result"], peers)
    return {
        "model": request["model"],
        "peers": max((row.peers for row in rows), default=0),
        "rows": [
            [_NAMES[row.name], _SHOWN[row.name](row.value), _SHOWN[row.name](row.median), row.mark] for row in rows
        ],
        "room": _room(request["result"]),
        "marked": [f"{_NAMES[row.name]} {row.mark}" for row in rows if row.mark],
    }


def _room(metrics: Mapping[str, float | None]) -> list[str]:
    """Memory and disk in bytes, as far as the device tells them."""
    told = []
    for name, title in (("ram", "Memory"), ("disk", "Disk")):
        used, total = metrics.get(f"{name}_used_bytes"), metrics.get(f"{name}_total_bytes")
        if used is not None and total:
            told.append(f"{title} {in_bytes(used)} of {in_bytes(total)}")
    return told


def in_bytes(count: float) -> str:
    """`512 B`, `3.4 KiB`, `1.9 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"


def _days(value: float | None) -> str:
    if value is None:
        return "–"
    for length, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if value >= length:
            return f"{value / length:.1f} {name}"
    return f"{value:.0f} s"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


_NAMES = {"cpu": "CPU", "ram": "Memory", "disk": "Disk", "uptime": "Uptime", "connections": "MQTT connections"}
_SHOWN: dict[str, Callable[[float | None], str]] = {
    "cpu": _percent,
    "ram": _percent,
    "disk": _percent,
    "uptime": _days,
    "connections": _count,
}


def _log(
    request: Mapping[str, Any], text: str = "", gaps: Sequence[tuple[int, int]] = (), file: str | None = None
) -> dict[str, Any]:
    found, total = summary(text), request["total_chunks"] or 0
    return {
        "found": found.lines,
        "levels": [[name, count] for name, count in found.levels.items()],
        "first": found.first,
        "last": found.last,
        "size": in_bytes(request["size"]),
        "chunks": request["chunks"],
        "total": total,
        "map": gap_map(gaps, total) if gaps else "",
        "missing": [missing(first, last) for first, last in gaps],
        "open": request["due_at"] is not None,
        "fault": str(request["fault"]),
        "file": file,
        "text": "" if file else text,
    }


def _buttons(request: Mapping[str, Any]) -> tuple[Button, ...]:
    device = request["device_id"]
    if request["state"] in (RequestState.INCOMPLETE, RequestState.FAULTY):
        return (_again(request, "Ask again for the rest"), _show(request))
    again = _again(request, "Ping again" if request["kind"] is DiagnosticKind.PING else "Ask again")
    others = [kind for kind in DiagnosticKind if kind is not request["kind"]]
    return (again, *(Button(text=kind.value.capitalize(), run=f"diag {kind.value} {device}") for kind in others))


def _again(request: Mapping[str, Any], text: str = "Ask again") -> Button:
    return Button(text=text, run=line(request["kind"], request["device_id"], request["params"]))


def _show(request: Mapping[str, Any]) -> Button:
    return Button(text="Show device", run=f"device show {request['device_id']}")
