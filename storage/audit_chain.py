"""The chain of the audit: what is not sealed yet, the end of the chain, and pages of it for whoever verifies.

Entries are inserted by whoever acts, in any order of commit; their place in the chain is the order in which they were
sealed. Whoever seals moves the one row of `audit_head` from what was read: of two that seal at once one has lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.audit import EMPTY, Entry, Seal
from storage import batch
from storage.db import AnyRow
from storage.tables import audit, audit_head

_NAME = "audit"
_LEADER = 0x5345414C  # "SEAL": an advisory lock that saves the second replica the work, and nothing more
_UNSEALED = text("audit.seq IS NULL")  # as the partial index has it


async def leads(session: AsyncSession) -> bool:
    """True unless another replica seals just now. Held until the end of the transaction."""
    if session.get_bind().dialect.name == "sqlite":
        return True
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(_LEADER))))


async def head(session: AsyncSession) -> tuple[Seal, datetime | None]:
    """The end of the chain, and when it was sealed."""
    row = (await session.execute(select(audit_head).where(audit_head.c.name == _NAME))).first()
    return (Seal(row.seq, row.mac), row.sealed_at) if row else (EMPTY, None)


async def anything_unsealed(session: AsyncSession) -> bool:
    """Does any entry wait for its place? A look that reads none of them."""
    return (await session.execute(select(audit.c.id).where(_UNSEALED).limit(1))).first() is not None


async def unsealed(session: AsyncSession, limit: int) -> list[Entry]:
    """Entries that wait for their place, in order of id."""
    statement = select(audit).where(_UNSEALED).order_by(audit.c.id).limit(limit)
    return [entry(row) for row in await session.execute(statement)]


async def waiting(session: AsyncSession) -> tuple[int, datetime | None]:
    """How many entries wait for their place, and since when the oldest does."""
    row = (await session.execute(select(func.count(), func.min(audit.c.at)).where(_UNSEALED))).one()
    return row[0], row[1]


async def seal(session: AsyncSession, before: Seal, sealed: Sequence[tuple[str, Seal]], now: datetime) -> bool:
    """Give these entries (by id) the seals that follow `before`. False, and nothing done, if somebody was faster."""
    if before == EMPTY:
        first = {"name": _NAME, "seq": EMPTY.seq, "mac": EMPTY.mac, "sealed_at": now}
        await session.execute(batch.insert(session, audit_head).values(first).on_conflict_do_nothing())
    last = sealed[-1][1]
    moved = (
        update(audit_head)
        .where(audit_head.c.name == _NAME, audit_head.c.seq == before.seq, audit_head.c.mac == before.mac)
        .values(seq=last.seq, mac=last.mac, sealed_at=now)
        .returning(audit_head.c.seq)
    )
    if (await session.execute(moved)).first() is None:
        return False
    given = batch.rows(session, {"id": batch.TEXT, "seq": batch.INTEGER, "mac": batch.TEXT})
    statement = (
        update(audit)
        .where(audit.c.id == given.c.id, batch.and_not_guessed(_UNSEALED))
        .values(seq=given.c.seq, mac=given.c.mac)
    )
    rows = ({"id": entry_id, "seq": each.seq, "mac": each.mac} for entry_id, each in sealed)
    await session.execute(statement, {"given": batch.dump(rows)})
    return True


async def page(session: AsyncSession, after: int, limit: int) -> Sequence[AnyRow]:
    """Up to `limit` sealed entries after that number, in order: the columns of `audit`."""
    statement = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    return (await session.execute(statement)).all()


async def span(session: AsyncSession, since: datetime, until: datetime, after: str, limit: int) -> Sequence[AnyRow]:
    """Up to `limit` entries of that time, in order of id, after that id; sealed or not."""
    within = (audit.c.at >= since, audit.c.at < until, audit.c.id > after)
    return (await session.execute(select(audit).where(*within).order_by(audit.c.id).limit(limit))).all()


def entry(row: AnyRow) -> Entry:
    """What is sealed of a row of `audit`."""
    return Entry(id=row.id, at=row.at, actor=row.actor, action=row.action, subject=row.subject, data=row.data)
