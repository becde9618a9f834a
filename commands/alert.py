"""Alerts: what stands open, and taking one."""

from __future__ import annotations

from commands.spec import Call, command
from fleet.message import Button, Message
from fleet.roles import Role
from storage import alerts, audit

_LISTED = 20
_BUTTONS = 5


@command("alert list", role=Role.VIEWER, example="alert list")
async def list_open(call: Call) -> Message:
    """Alerts that are not resolved, the newest first."""
    async with call.db.read() as session:
        rows, total = await alerts.unresolved(session, _LISTED)
    unacknowledged = [row for row in rows if row.acknowledged_at is None]
    return Message(
        template="alert/list",
        data={
            "now": call.now,
            "total": total,
            "rows": [
                [row.id[-6:], row.device_id, row.kind.value, row.state.value, row.opened_at, row.acknowledged_by]
                for row in rows
            ],
        },
        buttons=tuple(
            Button(text=f"Acknowledge {row.device_id}"[:75], run=f"alert ack {row.id}")
            for row in unacknowledged[:_BUTTONS]
        ),
    )


@command("alert ack", role=Role.OPERATOR, example="alert ack 7QK2ZD")
async def ack(call: Call, alert: str) -> Message:
    """Take an alert: it calls nobody further. The id's last characters are enough."""
    async with call.db.begin() as session:
        taken = await alerts.acknowledge(session, alert, call.person.id, call.now)
        await audit.add(session, call.now, call.person.id, "alert.acknowledged", taken.id, {"device": taken.device_id})
    return Message(
        template="alert/acknowledged",
        data={"alert_id": taken.id, "device_id": taken.device_id},
        buttons=(Button(text="Show device", run=f"device show {taken.device_id}"),),
    )
