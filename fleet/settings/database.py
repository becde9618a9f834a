"""`database`: where the rows are."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import Field, SecretStr

from fleet.settings.values import Duration, Section


class Synchronous(StrEnum):
    FULL = "full"
    NORMAL = "normal"


class DatabaseSettings(Section):
    url: SecretStr = Field(
        default=SecretStr("sqlite+aiosqlite:///muster.db"),
        description="sqlite+aiosqlite:///file or postgresql+asyncpg://user@host/name",
    )
    synchronous: Synchronous = Field(
        default=Synchronous.FULL,
        description="SQLite: `full` survives a power cut, `normal` only a crash of the process",
    )
    pool_size: int = Field(default=10, ge=2, description="PostgreSQL connections, or SQLite readers")
    lock_timeout: Duration = Field(default=timedelta(seconds=10), description="how long a lock is waited for")
    claim_for: Duration = Field(default=timedelta(minutes=1), description="after this a claim is taken over")
    dead_letters_kept: int = Field(default=10_000, ge=100, description="newest dead letters kept for inspection")
