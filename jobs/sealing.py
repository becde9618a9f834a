"""The audit's chain: new entries are sealed right after their commit, and its head is published once a day."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from fleet import audit as rule
from fleet.audit import Seal
from fleet.message import Message
from jobs.spec import Run, job
from storage import audit_chain, audit_heads, outbox, schedule
from storage.columns import iso
from storage.db import CLOCK

log = structlog.get_logger(__name__)

_BATCH = 1000
_AT_MOST = timedelta(seconds=1)
"""A burst of entries is sealed once a second: each time is a transaction of its own."""
_A_DAY = timedelta(days=1)


@job("audit sealing", every=timedelta(seconds=10), woken_by=("audit",))
async def seal(run: Run) -> datetime | None:
    """Give new entries of the audit their place in its chain."""
    key = run.settings.audit.key
    if key is None:
        return None
    async with run.db.read() as session:
        if not await audit_chain.anything_unsealed(session):
            return None
        _, sealed_at = await audit_chain.head(session)
    if sealed_at and timedelta(0) <= run.now - sealed_at < _AT_MOST:
        return sealed_at + _AT_MOST
    async with run.db.begin(CLOCK) as session:
        if not await audit_chain.leads(session):
            return None
        before, _ = await audit_chain.head(session)
        entries = await audit_chain.unsealed(session, _BATCH)
        seals = rule.chain(key.get_secret_value().encode(), entries, before)
        ids = [entry.id for entry in entries]
        if not ids or not await audit_chain.seal(session, before, list(zip(ids, seals, strict=True)), run.now):
            return run.now + _AT_MOST  # another replica was faster; what it did not see is there yet
    return run.now + _AT_MOST if len(entries) == _BATCH else None


@job("audit head", every=timedelta(minutes=10))
async def publish(run: Run) -> datetime | None:
    """Publish the head of the audit's chain once a day, where nobody who can reach the database can change it."""
    if run.settings.audit.key is None:
        return None
    async with run.db.read() as session:
        head, _ = await audit_chain.head(session)
        due_at = await schedule.due_at(session, schedule.AUDIT_HEAD, run.now)
    if head == rule.EMPTY or due_at > run.now:
        return due_at if due_at > run.now else None
    await asyncio.to_thread(_append, run, head)
    async with run.db.begin(CLOCK) as session:
        await schedule.ran(session, schedule.AUDIT_HEAD, run.now, run.now + _A_DAY)
        said = Message(template="audit/head", data={"seq": head.seq, "mac": head.mac, "at": iso(run.now)})
        await outbox.put(session, {f"audit:head:{run.now:%Y-%m-%d}": said}, run.settings.slack.ops_channel, run.now)
    return run.now + _A_DAY


def _append(run: Run, head: Seal) -> None:
    path = run.settings.audit.head_file
    if path is None:
        return
    try:
        audit_heads.append(path, head, run.now)
    except OSError as fault:
        log.error("the audit's head was not written to its file; it is in Slack alone", file=str(path), why=str(fault))
