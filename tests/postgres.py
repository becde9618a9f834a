"""What PostgreSQL believes of its tables, and how much of them it reads."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from storage.db import Database


async def analyze(db: Database) -> None:
    """Its statistics are of this moment (SQLite's too)."""
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE"))


async def rows_read(session: AsyncSession) -> int:
    """By this transaction so far."""
    counted = "SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_xact_user_tables"
    return int(await session.scalar(text(counted)) or 0)
