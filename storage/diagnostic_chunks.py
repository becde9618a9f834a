"""The chunks in which answers come, until they are put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage import batch
from storage.tables import diagnostic_chunks


async def keep(session: AsyncSession, chunks: Sequence[Mapping[str, Any]]) -> None:
    """Store chunks: request_id, chunk, digest, text."""
    if chunks:
        statement = batch.insert(session, diagnostic_chunks)
        await session.execute(statement.on_conflict_do_nothing(index_elements=["request_id", "chunk"]), list(chunks))


async def digests(session: AsyncSession, ids: Sequence[str]) -> dict[str, dict[int, str]]:
    """What has come of each answer: the digest of each chunk by its number."""
    return await _by_number(session, ids, diagnostic_chunks.c.digest)


async def texts(session: AsyncSession, ids: Sequence[str]) -> dict[str, dict[int, str]]:
    """The text of each chunk that is here, by request and number."""
    return await _by_number(session, ids, diagnostic_chunks.c.text)


async def _by_number(session: AsyncSession, ids: Sequence[str], what: ColumnElement[str]) -> dict[str, dict[int, str]]:
    given = batch.texts(session)
    statement = select(diagnostic_chunks.c.request_id, diagnostic_chunks.c.chunk, what).join(
        given, given.c.value == diagnostic_chunks.c.request_id
    )
    found: dict[str, dict[int, str]] = {each: {} for each in ids}
    for request_id, number, value in await session.execute(statement, {"given": batch.dump(ids)}):
        found[request_id][number] = value
    return found


async def drop(session: AsyncSession, ids: Sequence[str]) -> None:
    """Forget how these answers came: they are put together."""
    given = batch.texts(session)
    statement = delete(diagnostic_chunks).where(diagnostic_chunks.c.request_id.in_(select(given.c.value)))
    await session.execute(statement, {"given": batch.dump(ids)})
