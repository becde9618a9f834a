"""Certificates on their way to their end: an alert in good time, and louder at each threshold."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import structlog

from fleet import alert, certificate
from fleet.alert import AlertKind
from fleet.grouping import Found, group_key
from fleet.message import Message
from fleet.roles import MUSTER
from fleet.settings import CertificateSettings
from jobs.spec import Run, job
from jobs.watch import BATCH, again, device, look
from storage import alert_rules, alert_snooze, alerts, audit, causes, outbox
from storage.columns import iso
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

_A_DAY = timedelta(days=2)  # certificates of one day reach a threshold in the course of a day, not of minutes


@job("certificates", every=timedelta(minutes=10), woken_by=("certificates", "alerts"))
async def expiry(run: Run) -> datetime | None:
    """Tell of certificates before they end: once, and again at each threshold in the same message."""
    policy = run.settings.certificates
    ahead = timedelta(days=max(policy.alert_days, default=0))
    async with run.db.read() as session:
        about = await alert_rules.about_certificates(session, run.now, run.settings.drift.online_within)
    find = partial(causes.expiring, before=run.now + ahead, about=about, limit=BATCH)
    made = partial(_found, now=run.now, policy=policy)
    over = causes.renewed(run.now, about)
    if more := again(run, await look(run, AlertKind.CERTIFICATE, over, find, made, within=_A_DAY)):
        return more
    await _get_louder(run)
    async with run.db.read() as session:
        first = await causes.next_expiring(session, run.now + ahead, ahead)
        louder = await alert_snooze.next_louder(session)
    return min((each for each in (first, louder) if each), default=None)


def _found(row: AnyRow, now: datetime, policy: CertificateSettings) -> Found:
    ends_at: datetime = row.certificate_not_after
    standing = certificate.standing(ends_at, now, policy.alert_days)
    assert standing is not None  # the query finds only those that have reached a threshold
    shared = {"site": row.site, "not_after": iso(ends_at)}
    return Found(
        device_id=row.device_id,
        key=group_key(f"certificate {ends_at:%Y-%m-%d}", row.site),
        data={**device(row), **shared, "serial": row.certificate_serial},
        shared=shared,
        line=f"ends {ends_at:%Y-%m-%d %H:%M} UTC",
        ends_at=ends_at,
        level=standing.level,
        level_at=standing.next_at,
    )


async def _get_louder(run: Run) -> None:
    async with run.db.read() as session:
        if not await alert_snooze.louder(session, run.now, 1):
            return
    async with run.db.begin(CLOCK) as session:
        for row in await alert_snooze.louder(session, run.now, BATCH):
            standing = row.ends_at and certificate.standing(row.ends_at, run.now, run.settings.certificates.alert_days)
            level, level_at = (standing.level, standing.next_at) if standing else (row.level, None)
            if not await alert_snooze.raise_level(session, row, level, level_at, run.now) or not standing:
                continue
            key = alerts.message_key(row.id)
            said = {
                "about": alert.about(row.kind, row.device_id, row.data),
                "why": "louder",
                "level": level,
                "ends_at": iso(row.ends_at),
                "remaining": row.remaining,
            }
            note = {f"{key}:level:{level}": Message(template="alert/again", data=said)}
            channel = run.settings.slack.ops_channel
            await outbox.put(session, note, channel, run.now, outbox.ESCALATION, thread_key=key)
            await audit.add(session, run.now, MUSTER.id, "alert.louder", row.id, {"days": level})
            log.warning("a certificate's alert got louder", alert=row.id, days=level)
