"""The list of revoked certificates: made by whoever has the key, and the same for every replica."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import batch
from storage.db import AnyRow, earliest
from storage.tables import RevocationList, certificates, revocation_lists

_NAME = "crl"
_UNLISTED = text("state = 'revoked' AND listed_at IS NULL")  # as the partial index has it


async def current(session: AsyncSession) -> RevocationList | None:
    """The newest list."""
    return await session.get(RevocationList, _NAME)


async def unlisted_since(session: AsyncSession) -> datetime | None:
    """When the first of those was revoked that are not in the list yet; None if all are."""
    return await earliest(session, select(func.min(certificates.c.revoked_at)).where(_UNLISTED))


async def entries(session: AsyncSession, now: datetime) -> Sequence[AnyRow]:
    """What belongs into it: serial, revoked_at, reason, listed_at of all that are revoked and not over."""
    columns = (certificates.c.serial, certificates.c.revoked_at, certificates.c.reason, certificates.c.listed_at)
    statement = select(*columns).where(text("state = 'revoked'"), certificates.c.not_after > now)
    return (await session.execute(statement.order_by(certificates.c.serial))).all()


async def replace(session: AsyncSession, made: dict[str, Any], listed: Sequence[AnyRow], now: datetime) -> bool:
    """Let this be the list: number, made_at, next_update, entries, pem. False if another one was faster.

    What is in it is marked as listed; so is what is over by itself and therefore belongs into none.
    """
    insert = batch.insert(session, revocation_lists)
    statement = insert.on_conflict_do_update(
        index_elements=["name"], set_=made, where=revocation_lists.c.number == made["number"] - 1
    )
    written = await session.execute(statement.returning(revocation_lists.c.number), [{"name": _NAME, **made}])
    if written.first() is None:
        return False
    given = batch.texts(session)
    new = update(certificates).where(_UNLISTED, certificates.c.serial == given.c.value).values(listed_at=now)
    await session.execute(new, {"given": batch.dump([row.serial for row in listed if row.listed_at is None])})
    await session.execute(update(certificates).where(_UNLISTED, certificates.c.not_after <= now).values(listed_at=now))
    return True
