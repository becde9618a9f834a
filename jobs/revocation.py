"""The list of revoked certificates, and the file that the broker reads it from.

    something was revoked, or the list will end ──> a new list, by whoever has the key of the CA
    the file is not that list ──> written anew, and the broker is told, again and again until that worked

A broker refuses every device when the list in its file is over, empty or damaged. So people are told long before.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind
from fleet.pki import Authority, Revoked
from fleet.roles import MUSTER
from jobs.ports import NotPlaced
from jobs.spec import Run, job
from storage import audit, house_alerts, revocation_lists
from storage.columns import iso
from storage.db import CLOCK
from storage.tables import RevocationList

log = structlog.get_logger(__name__)

_A_SECOND = timedelta(seconds=1)
_UNLISTED_FOR = timedelta(minutes=10)


@job("revocation list", every=timedelta(minutes=1), woken_by=("crl",))
async def keep(run: Run) -> datetime | None:
    """Keep the list of revoked certificates new, and the broker's file of it; tell people what is wrong with it."""
    if run.authority is None and run.revocation_file is None:
        return None
    due = await _renew(run, run.authority) if run.authority else None
    async with run.db.read() as session:
        current = await revocation_lists.current(session)
        late = await _unlisted_too_long(session, run.now)
    wrong = await _place(run, current) or late or _ends_soon(run, current)
    await _tell(run, wrong, current)
    return due


async def _renew(run: Run, authority: Authority) -> datetime | None:
    """Make a new list where one is due. Returns when the next one is."""
    policy = run.settings.certificates
    async with run.db.read() as session:
        current = await revocation_lists.current(session)
        unlisted = await revocation_lists.unlisted_since(session)
        if current and not unlisted and run.now < current.next_update - policy.crl_renew_before:
            return current.next_update - policy.crl_renew_before
        # Lists tell time in seconds, and of two that were made in the same one OpenSSL might keep the older.
        made_at = run.now.replace(microsecond=0)
        if current and made_at <= current.made_at:
            return current.made_at + _A_SECOND
        entries = await revocation_lists.entries(session, run.now)
    number, until = (current.number if current else 0) + 1, made_at + policy.crl_valid_for
    revoked = [Revoked(row.serial, row.revoked_at, row.reason) for row in entries]
    pem = await asyncio.to_thread(authority.revocation_list, revoked, number, made_at, until)
    made = {"number": number, "made_at": made_at, "next_update": until, "entries": len(revoked), "pem": pem}
    async with run.db.begin(CLOCK) as session:
        if await revocation_lists.replace(session, made, entries, run.now):
            told = {"entries": len(revoked), "until": iso(until)}
            await audit.add(session, run.now, MUSTER.id, "revocation-list.made", f"list {number}", told)
            log.info("a new revocation list", number=number, entries=len(revoked))
    return until - policy.crl_renew_before


async def _place(run: Run, current: RevocationList | None) -> str:
    """Let the broker's file be the list. Returns what is or was wrong with it, empty if nothing."""
    if run.revocation_file is None or current is None:
        return ""
    try:
        found = await run.revocation_file.place(current.pem)
    except NotPlaced as why:
        return str(why)
    return f"{found} It was written anew, and the broker was told." if found else ""


async def _unlisted_too_long(session: AsyncSession, now: datetime) -> str:
    since = await revocation_lists.unlisted_since(session)
    if since is None or since > now - _UNLISTED_FOR:
        return ""
    return "Certificates were revoked that are not in the list: no replica that runs has the key of the CA."


def _ends_soon(run: Run, current: RevocationList | None) -> str:
    if current is None:
        return "There is no list yet: no replica that runs has the key of the CA."
    if current.next_update - run.now > run.settings.certificates.crl_alert_before:
        return ""
    return "The list is about to end and was not renewed: no replica that runs has the key of the CA."


async def _tell(run: Run, wrong: str, current: RevocationList | None) -> None:
    kind, key = AlertKind.REVOCATION_LIST, run.replica
    async with run.db.read() as session:
        if not wrong and not await house_alerts.stands(session, kind, key):
            return
    channel = run.settings.slack.ops_channel
    data = {
        "replica": run.replica,
        "why": wrong,
        "file": str(run.settings.certificates.crl_file or ""),
        "number": current.number if current else 0,
        "ends_at": iso(current.next_update) if current else None,
    }
    async with run.db.begin(CLOCK) as session:
        if not wrong:
            await house_alerts.end(session, kind, key, MUSTER.id, run.now)
        elif await house_alerts.tell(session, kind, key, data, channel, run.settings.alerts, run.now):
            await audit.add(session, run.now, MUSTER.id, "revocation-list.alert", key, {"why": wrong})
            log.error("the revocation list is in danger", why=wrong)
