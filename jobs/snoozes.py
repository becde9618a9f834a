"""Alerts that were silenced for a while come back when the time is over."""

from __future__ import annotations

from datetime import datetime, timedelta

from fleet.message import Message
from fleet.roles import MUSTER
from jobs.spec import Run, job
from storage import alert_snooze, alerts, audit, outbox
from storage.columns import iso
from storage.db import CLOCK

_BATCH = 200


@job("snoozes", every=timedelta(minutes=1), woken_by=("alerts",))
async def wake_up(run: Run) -> datetime | None:
    """Bring back the alerts whose snooze is over: they call people again, from the first rung."""
    async with run.db.read() as session:
        due = await alert_snooze.over(session, run.now, 1)
    if due:
        async with run.db.begin(CLOCK) as session:
            over = await alert_snooze.over(session, run.now, _BATCH)
            back = await alert_snooze.reopen(session, over, run.now)
            for row in over:
                if row.id in back:
                    key = alerts.message_key(row.id)
                    said = {"about": alerts.about(row), "why": "snoozed", "by": row.snoozed_by}
                    note = {f"{key}:back:{iso(run.now)}": Message(template="alert/again", data=said)}
                    channel = run.settings.slack.ops_channel
                    await outbox.put(session, note, channel, run.now, outbox.ESCALATION, thread_key=key)
                    await audit.add(session, run.now, MUSTER.id, "alert.back", row.id)
    async with run.db.read() as session:
        return await alert_snooze.next_over(session)
