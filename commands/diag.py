"""Asking devices how they are: one, or many at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call, command
from fleet import diagnostic_message, fan_out_message
from fleet.diagnostics import DiagnosticKind, LogLevel, RequestState, percentile
from fleet.drift import is_online
from fleet.errors import BadInput, NotAllowed, Refused
from fleet.message import Audience, Button, Message
from fleet.roles import Role
from fleet.selector import Selector
from storage import audit, devices, diagnostic_history, diagnostics, fan_outs, fences, groups, ids, outbox
from storage.outbox import Attachment, Place
from storage.tables import Device, DiagnosticRequest

_HISTORY = 20
_AT_ONCE = timedelta(milliseconds=200)
"""An answer that comes within this is one post with its question, which nobody would have had the time to read."""

_MOST_LINES = 10_000

Wait = Annotated[bool, "ask offline devices when they are heard again"]
Anyway = Annotated[bool, "ask offline devices now"]


@command("diag ping", role=Role.VIEWER, example="diag ping dev-1")
async def ping(
    call: Call,
    which: Selector,
    *,
    wait: Wait = False,
    anyway: Anyway = False,
) -> Message:
    """Ask a device, or all that a selector means, for a sign of life: how long it takes, and how its clock stands.

    An offline device is not asked: `--wait` asks it when it is heard again, `--anyway` asks it now.
    Several devices at a time need the role operator.
    """
    return await _ask(call, DiagnosticKind.PING, which, {}, wait, anyway)


@command("diag metrics", role=Role.VIEWER, example="diag metrics dev-1")
async def metrics(
    call: Call,
    which: Selector,
    *,
    wait: Wait = False,
    anyway: Anyway = False,
) -> Message:
    """Ask for CPU, memory, disk, uptime and MQTT connections, beside the median of the device's model.

    An offline device is not asked: `--wait` asks it when it is heard again, `--anyway` asks it now.
    Several devices at a time need the role operator.
    """
    return await _ask(call, DiagnosticKind.METRICS, which, {}, wait, anyway)


@command("diag logs", role=Role.OPERATOR, example="diag logs dev-1 --lines 200 --level error")
async def logs(
    call: Call,
    which: Selector,
    *,
    lines: Annotated[int | None, "how many of the newest lines"] = None,
    level: Annotated[LogLevel | None, "from this severity on"] = None,
    wait: Wait = False,
    anyway: Anyway = False,
) -> Message:
    """Ask for the last lines of the log. A long one comes as a file into the thread; secrets are masked.

    `--level error` asks only for lines of that level and worse.
    An offline device is not asked: `--wait` asks it when it is heard again, `--anyway` asks it now.
    """
    wanted = call.settings.diagnostics.log_lines if lines is None else lines
    if not 1 <= wanted <= _MOST_LINES:
        raise BadInput(f"--lines takes 1 to {_MOST_LINES:,}; {wanted:,} is outside of that.")
    params: dict[str, Any] = {"lines": wanted, **({"level": level.value} if level else {})}
    return await _ask(call, DiagnosticKind.LOGS, which, params, wait, anyway)


async def _ask(
    call: Call, kind: DiagnosticKind, which: Selector, params: dict[str, Any], wait: bool, anyway: bool
) -> Message:
    device_id = which.only_id
    if device_id is None:
        return await _ask_many(call, kind, which, params, wait or anyway)
    async with call.db.begin() as session:
        device = await devices.get(session, device_id)
        if device.status in fan_outs.NOT_ASKED:
            raise Refused(f"{device_id} is {device.status.value}: nobody is at the other end. It was not asked.")
        online = is_online(device.last_seen_at, call.now, call.settings.drift.online_within)
        request = _request(call, kind, device, params, waiting=not online and wait and not anyway)
        if not online and not wait and not anyway:
            return _offline(call, device, request)
        message = diagnostic_message.of(request, call.now).knowing(await fences.told(session, call.now))
        await diagnostics.ask(session, [request], call.now)
        place = Place(call.channel, call.thread_ts, call.person.id)
        await outbox.answer(session, diagnostics.message_key(request["id"]), message, place, call.now, _AT_ONCE)
        told = {"request": request["id"], "params": params, "waits": request["state"] is RequestState.WAITING}
        await audit.add(session, call.now, call.person.id, f"diag.{kind.value}", device_id, told)
    return message.model_copy(update={"audience": Audience.POSTED})


async def _ask_many(
    call: Call, kind: DiagnosticKind, which: Selector, params: dict[str, Any], for_one: bool
) -> Message:
    """The devices are taken up by a job, a slice at a time; here it is only said which."""
    policy, within = call.settings.diagnostics, call.settings.drift.online_within
    if for_one:
        raise BadInput(
            "--wait and --anyway are for one device. Of many, those that are offline are left out and named."
        )
    if not call.person.role.reaches(Role.OPERATOR):
        why = f"Asking several devices at a time needs the role operator; yours is {call.person.role}."
        raise NotAllowed(f"{why} You may ask one device at a time.")
    async with call.db.begin() as session:
        await groups.refuse_unknown(session, which)
        total = await fan_outs.count(session, which, call.now, within)
        if not total:
            raise Refused(f"No device that could answer is meant by {which}. /fleet find {which} shows what there is.")
        if total > policy.fan_out_most:
            limit = f"{policy.fan_out_most:,} (setting diagnostics.fan_out_most)"
            raise Refused(f"{which} means {total:,} devices; at most {limit} are asked at a time. Ask for fewer.")
        if (running := await fan_outs.running(session)) >= policy.fan_out_running:
            limit = f"{running} of {policy.fan_out_running} (setting diagnostics.fan_out_running)"
            raise Refused(f"Requests to many devices are under way already: {limit}. Ask again when one has ended.")
        fan_out: dict[str, Any] = {
            "id": diagnostics.new_id("many", call.now),
            "kind": kind,
            "selector": str(which),
            "params": params,
            "requested_by": call.person.id,
            "channel": call.channel,
            "thread_ts": call.thread_ts,
            "total": total,
            "after": "",
            "created_at": call.now,
            "due_at": call.now,
        }
        await fan_outs.begin(session, fan_out)
        message = fan_out_message.progress(fan_out, {}, call.now).knowing(await fences.told(session, call.now))
        place = Place(call.channel, call.thread_ts, call.person.id)
        await outbox.answer(session, fan_outs.message_key(fan_out["id"]), message, place, call.now)
        told = {"request": fan_out["id"], "selector": str(which), "devices": total, "params": params}
        await audit.add(session, call.now, call.person.id, f"diag.{kind.value}", f"{total} devices", told)
    return message.model_copy(update={"audience": Audience.POSTED})


def _request(call: Call, kind: DiagnosticKind, device: Device, params: dict[str, Any], waiting: bool) -> dict[str, Any]:
    policy = call.settings.diagnostics
    return {
        "id": diagnostics.new_id("diag", call.now),
        "kind": kind,
        "device_id": device.device_id,
        "model": device.model,
        "state": RequestState.WAITING if waiting else RequestState.ASKED,
        "params": params,
        "requested_by": call.person.id,
        "channel": call.channel,
        "thread_ts": call.thread_ts,
        "fan_out_id": None,
        "created_at": call.now,
        "expires_at": call.now + (policy.return_within if waiting else policy.expires_after),
        "due_at": call.now + (policy.return_within if waiting else policy.chunk_timeout),
        "sent_at": None,
        "answered_at": None,
        "skew_s": None,
        "result": {},
    }


def _offline(call: Call, device: Device, request: dict[str, Any]) -> Message:
    again = diagnostic_message.line(request["kind"], device.device_id, request["params"])
    return Message(
        template="diag/offline",
        data={
            "now": call.now,
            "device_id": device.device_id,
            "what": diagnostic_message.what(request["kind"], request["params"]),
            "last_seen_at": device.last_seen_at,
            "online_within": call.settings.drift.online_within.total_seconds(),
        },
        buttons=(
            Button(text="Ask when it comes back", run=f"{again} --wait"),
            Button(text="Ask anyway", run=f"{again} --anyway"),
            Button(text="Show device", run=f"device show {device.device_id}"),
        ),
    )


@command("diag history", role=Role.VIEWER, example="diag history dev-1")
async def history(call: Call, device: str) -> Message:
    """What a device was asked, and what it answered: the newest requests first."""
    policy = call.settings.diagnostics
    async with call.db.read() as session:
        await devices.get(session, device)
        rows = await diagnostic_history.of_device(session, device, _HISTORY)
        trips = (await diagnostic_history.round_trips(session, [device], policy.pings_shown))[device]
    return Message(
        template="diag/history",
        data={
            "now": call.now,
            "device_id": device,
            "rows": [
                [row.created_at, row.kind.value, row.state.value, diagnostic_message.in_short(row._asdict()), row.id]
                for row in rows
            ],
            "trips": trips,
            "p50": percentile(trips, 0.5) if trips else None,
            "p95": percentile(trips, 0.95) if trips else None,
            "kept": policy.kept.total_seconds(),
        },
        buttons=(
            Button(text="Ping", run=f"diag ping {device}"),
            Button(text="Show device", run=f"device show {device}"),
        ),
    )


@command("diag show", role=Role.VIEWER, example="diag show diag-20260319-5X0FKQ2M9RZT7H3A")
async def show(call: Call, request: str) -> Message:
    """One request and its answer again. Logs need the role operator."""
    async with call.db.begin() as session:
        row = await diagnostics.get(session, request)
        if row.kind is DiagnosticKind.LOGS and not call.person.role.reaches(Role.OPERATOR):
            raise NotAllowed(f"Logs are for the role operator and above; yours is {call.person.role}.")
        more: dict[str, Any] = {}
        if row.kind is DiagnosticKind.PING:
            limit = call.settings.diagnostics.pings_shown
            more["trips"] = (await diagnostic_history.round_trips(session, [row.device_id], limit))[row.device_id]
        elif row.kind is DiagnosticKind.METRICS:
            others = await diagnostic_history.metrics_of_model(session, row.model, 1_000)
            more["peers"] = [each for device_id, each in others.items() if device_id != row.device_id]
        else:
            more |= {"text": row.text, "gaps": row.result.get("gaps", ())}
            more["file"] = diagnostic_message.file_name(
                row.model_dump(), row.text, call.settings.diagnostics.inline_lines
            )
        message = diagnostic_message.of(row.model_dump(), call.now, **more)
        if more.get("file"):
            await _attach(call, session, row, message, more["file"])
    return message


async def _attach(call: Call, session: AsyncSession, row: DiagnosticRequest, message: Message, name: str) -> None:
    """A log that is too long for the message: each time under a key of its own, and so anew."""
    key = f"{diagnostics.message_key(row.id)}:{ids.new('shown', call.now)}"
    content = row.text.encode("utf-8", "replace")
    files = {key: (Attachment(f"{key[-6:]}-{name}", content), Message(template="diag/file", data=message.data))}
    await outbox.attach(session, files, Place(call.channel, call.thread_ts, call.person.id), call.now)
