"""What devices were asked and what they answered, seen again."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call, command
from fleet import diagnostic_message
from fleet.diagnostics import DiagnosticKind, percentile
from fleet.errors import NotAllowed
from fleet.message import Button, Message
from fleet.roles import Role
from storage import devices, diagnostic_history, diagnostics, ids, outbox
from storage.outbox import Attachment, Place
from storage.tables import DiagnosticRequest

_LISTED = 20


@command("diag history", role=Role.VIEWER, example="diag history dev-1")
async def history(call: Call, device: str) -> Message:
    """What a device was asked, and what it answered: the newest requests first."""
    policy = call.settings.diagnostics
    async with call.db.read() as session:
        await devices.get(session, device)
        rows = await diagnostic_history.of_device(session, device, _LISTED)
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
