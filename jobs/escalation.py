"""From a case that does not mend to the people who mend it: the alert, and then rung by rung whom it calls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog

from fleet.alert import AlertKind, Call, next_rung
from fleet.grouping import Found, group_key
from fleet.lifecycle import ALERTS_PAUSED
from fleet.message import Message
from fleet.mismatch import Mismatch, mismatch
from fleet.roles import MUSTER
from jobs.spec import Run, job
from storage import alert_opening, alert_suppression, alerts, audit, configs, drift_escalation, outbox
from storage.columns import iso
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

_BATCH = 1000


@job("escalation", every=timedelta(minutes=1), woken_by=("cases",))
async def escalate(run: Run) -> datetime | None:
    """Tell the ops channel about devices that drifted too long, or that refused their configuration."""
    async with run.db.begin(CLOCK) as session:
        found = await drift_escalation.escalating(session, run.now, _BATCH)
        if found:
            known = await configs.known(session, {row.reported_config_version for row in found})
            of = {row.id: _found(row, row.reported_config_version in known) for row in found}
            paused = [of[row.id] for row in found if row.status in ALERTS_PAUSED]
            told = [row for row in found if row.status not in ALERTS_PAUSED]
            await alert_suppression.suppress(session, AlertKind.DRIFT, paused, run.now)
            await drift_escalation.escalated(session, [row.id for row in told], run.now)
            shown = [of[row.id] for row in told]
            channel = run.settings.slack.ops_channel
            await alert_opening.tell(session, AlertKind.DRIFT, shown, channel, run.settings.alerts, run.now)
            devices = {"devices": [row.device_id for row in told], "suppressed": len(paused)}
            await audit.add(session, run.now, MUSTER.id, "drift.escalated", f"{len(told)} devices", devices)
    if found:
        log.warning("drift escalated", devices=len(told), suppressed=len(paused))
    if len(found) == _BATCH:
        return run.now
    async with run.db.read() as session:
        return await drift_escalation.next_escalation(session, run.now)


def _found(row: AnyRow, known: bool) -> Found:
    how = mismatch(row.target_version, row.reported_config_version, known)
    reports = row.reported_config_version or "nothing yet"
    if how is Mismatch.UNKNOWN:
        reports += ", which nobody knows"
    return Found(
        device_id=row.device_id,
        key=group_key(row.state.value, row.site),
        data={**_shown(row), "how": how.value},
        shared={"site": row.site, "cause": row.state.value},
        line=f"reports {reports}, should run {row.target_version}" + (f": {row.error[:100]}" if row.error else ""),
    )


def _shown(row: AnyRow) -> dict[str, Any]:
    return {
        "device_id": row.device_id,
        "site": row.site,
        "model": row.model,
        "firmware": row.firmware_version,
        "target": row.target_version,
        "reported": row.reported_config_version,
        "cause": row.state.value,
        "error": row.error,
        "rounds": row.rounds,
        "attempt": row.attempt,
        "detected_at": iso(row.detected_at),
        "last_seen_at": iso(row.last_seen_at) if row.last_seen_at else None,
    }


@job("call people", every=timedelta(minutes=1), woken_by=("outbox",))
async def call_people(run: Run) -> datetime | None:
    """Call the next people on the ladder where nobody has acknowledged an alert in time."""
    async with run.db.begin(CLOCK) as session:
        for row in await alerts.due(session, run.now, _BATCH):
            call = next_rung(row.state, row.rung, row.ladder, row.ladder_at or row.opened_at, run.now)
            if not isinstance(call, Call) or not await alerts.called(session, row.id, call.rung, call.next_at):
                continue
            said = {"mention": call.mention, "about": alerts.about(row), "opened_at": row.opened_at}
            key = alerts.message_key(row.id)
            await outbox.put(
                session,
                {alerts.call_key(row, call.rung): Message(template="alert/call", data=said)},
                run.settings.slack.ops_channel,
                run.now,
                outbox.ESCALATION,
                thread_key=key,
            )
    async with run.db.read() as session:
        return await alerts.next_due(session)
