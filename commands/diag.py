"""Asking devices how they are: one, or many at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, TypedDict, Unpack

from commands.spec import Call, command
from fleet import diagnostic_message, fan_out_message
from fleet.diagnostics import DiagnosticKind, LogLevel, RequestState
from fleet.drift import is_online
from fleet.errors import BadInput, NotAllowed, Refused
from fleet.message import Audience, Button, Message
from fleet.roles import Role
from fleet.selector import Selector
from storage import audit, devices, diagnostics, fan_outs, fences, groups, outbox
from storage.outbox import Place
from storage.tables import Device

_AT_ONCE = timedelta(milliseconds=200)
"""An answer that comes within this is one post with its question, which nobody would have had the time to read."""

_MOST_LINES = 10_000


class Offline(TypedDict, total=False):
    """The flags that say what becomes of a device that is offline."""

    wait: Annotated[bool, "ask offline devices when they are heard again"]
    anyway: Annotated[bool, "ask offline devices now"]


@command("diag ping", role=Role.VIEWER, example="diag ping dev-1")
async def ping(call: Call, which: Selector, **offline: Unpack[Offline]) -> Message:
    """Ask a device, or all that a selector means, for a sign of life: how long it takes, and how its clock stands.

    An offline device is not asked: `--wait` asks it when it is heard again, `--anyway` asks it now.
    Several devices at a time need the role operator.
    """
    return await _ask(call, DiagnosticKind.PING, which, {}, offline)


@command("diag metrics", role=Role.VIEWER, example="diag metrics dev-1")
async def metrics(call: Call, which: Selector, **offline: Unpack[Offline]) -> Message:
    """Ask for CPU, memory, disk, uptime and MQTT connections, beside the median of the device's model.

    An offline device is not asked: `--wait` asks it when it is heard again, `--anyway` asks it now.
    Several devices at a time need the role operator.
    """
    return await _ask(call, DiagnosticKind.METRICS, which, {}, offline)


@command("diag logs", role=Role.OPERATOR, example="diag logs dev-1 --lines 200 --level error")
async def logs(
    call: Call,
    which: Selector,
    *,
    lines: Annotated[int | None, "how many of the newest lines"] = None,
    level: Annotated[LogLevel | None, "from this severity on"] = None,
    **offline: Unpack[Offline],
) -> Message:
    """Ask for the last lines of the log. A long one comes as a file into the thread; secrets are masked.

    `--level error` asks only for lines of that level and worse.
    An offline device is not asked: `--wait` asks it when it is heard again, `--anyway` asks it now.
    """
    wanted = call.settings.diagnostics.log_lines if lines is None else lines
    if not 1 <= wanted <= _MOST_LINES:
        raise BadInput(f"--lines takes 1 to {_MOST_LINES:,}; {wanted:,} is outside of that.")
    params: dict[str, Any] = {"lines": wanted, **({"level": level.value} if level else {})}
    return await _ask(call, DiagnosticKind.LOGS, which, params, offline)


async def _ask(call: Call, kind: DiagnosticKind, which: Selector, params: dict[str, Any], offline: Offline) -> Message:
    wait, anyway = offline.get("wait", False), offline.get("anyway", False)
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
        fan_out = _fan_out(call, kind, which, params, total)
        await fan_outs.begin(session, fan_out)
        message = fan_out_message.progress(fan_out, {}, call.now).knowing(await fences.told(session, call.now))
        place = Place(call.channel, call.thread_ts, call.person.id)
        await outbox.answer(session, fan_outs.message_key(fan_out["id"]), message, place, call.now)
        told = {"request": fan_out["id"], "selector": str(which), "devices": total, "params": params}
        await audit.add(session, call.now, call.person.id, f"diag.{kind.value}", f"{total} devices", told)
    return message.model_copy(update={"audience": Audience.POSTED})


def _fan_out(call: Call, kind: DiagnosticKind, which: Selector, params: dict[str, Any], total: int) -> dict[str, Any]:
    return {
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
