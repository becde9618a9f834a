"""Transactions: many readers, one writer on SQLite, and what is woken after a commit.

    async with db.begin() as session:      # a write; commits at the end, rolls back on any error
    async with db.read() as session:       # a consistent look; never waits for a writer

On SQLite every write is `BEGIN IMMEDIATE` (a deferred one fails on upgrade whatever the timeout) on one connection
behind one fair lock, people's commands first. A lock file refuses a second bot on the same file.
Durability: with `synchronous=full` whatever was acknowledged to a broker or a person survives a power cut; `normal`
survives only a crash of the process, and saves one fsync a transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock, Timeout
from sqlalchemy import Row, Select, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from fleet.errors import Busy, FleetError, Unavailable
from fleet.settings import DatabaseSettings

AnyRow = Row[*tuple[Any, ...]]
"""A row whose columns are named in the docstring of what returns it."""

log = structlog.get_logger(__name__)

_CHANNEL = "muster_wake"
_WAKES = "wakes"


async def earliest(session: AsyncSession, *statements: Select[Any]) -> datetime | None:
    """The earliest of the moments that these statements give, one each; None if none gives any."""
    moments = [await session.scalar(each) for each in statements]
    return min((moment for moment in moments if moment is not None), default=None)


PEOPLE, DEVICES, CLOCK = 0, 1, 2
"""Who writes first when several wait: people's commands, then what devices said, then work by the clock."""


def wake(session: AsyncSession, *topics: str) -> None:
    """Wake the jobs that serve these topics, in every replica, once this session's transaction has committed."""
    session.info.setdefault(_WAKES, set()).update(topics)


class FairLock:
    """A lock handed over by priority, then by arrival."""

    def __init__(self) -> None:
        self._held = False
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def acquire(self, priority: int) -> None:
        if not self._held:
            self._held = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()  # it was handed to us in the very moment we left
            raise

    def release(self) -> None:
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._held = False


class Database:
    """One registry. `open` it with `connect`, give it back with `close`."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self.url = settings.url.get_secret_value()
        self.is_sqlite = self.url.startswith("sqlite")
        self._listeners: list[Callable[[frozenset[str]], None]] = []
        self._turns = FairLock()
        self._file_lock: FileLock | None = None
        self._listening: asyncio.Task[None] | None = None
        self._writer: AsyncEngine
        self._reader: AsyncEngine
        if self.is_sqlite:
            self._writer = self._sqlite_engine("BEGIN IMMEDIATE", pool_size=1)
            self._reader = self._sqlite_engine("BEGIN", pool_size=settings.pool_size)
        else:
            self._writer = self._reader = create_async_engine(
                self.url,
                pool_size=settings.pool_size,
                max_overflow=0,
                pool_pre_ping=True,
                connect_args={
                    "server_settings": {
                        "lock_timeout": str(int(settings.lock_timeout.total_seconds() * 1000)),
                        # A plan that was kept from when a table was empty reads all of it for each row of a batch.
                        "plan_cache_mode": "force_custom_plan",
                    }
                },
            )

    @property
    def engine(self) -> AsyncEngine:
        """The engine that writes, for migrations."""
        return self._writer

    def _sqlite_engine(self, begin: str, pool_size: int) -> AsyncEngine:
        timeout = self._settings.lock_timeout.total_seconds()
        engine = create_async_engine(
            self.url, pool_size=pool_size, max_overflow=0, connect_args={"timeout": timeout, "isolation_level": None}
        )

        @event.listens_for(engine.sync_engine, "connect")
        def _pragmas(connection: Any, _record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA synchronous={self._settings.synchronous.value}")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA cache_size=-65536")  # 64 MiB a connection
            # A page that is written again before it is checkpointed is copied once: 4,000 pages are 16 MiB of log.
            cursor.execute("PRAGMA wal_autocheckpoint=4000")
            cursor.execute("PRAGMA temp_store=MEMORY")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql(begin)

        return engine

    def claim_file(self) -> None:
        """Refuse to run beside another bot on the same SQLite file. Does nothing on PostgreSQL."""
        path = self._writer.url.database
        if not self.is_sqlite or not path or path == ":memory:":
            return
        lock = FileLock(f"{Path(path).absolute()}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Unavailable(
                f"Another Muster is running on {path}. Stop it first, or move to PostgreSQL to run several."
            ) from None
        self._file_lock = lock

    def on_wake(self, listener: Callable[[frozenset[str]], None]) -> None:
        """Call `listener` with the topics of every committed transaction, of this process and of other replicas."""
        self._listeners.append(listener)

    def _tell(self, topics: Iterable[str]) -> None:
        told = frozenset(topics)
        for listener in self._listeners:
            listener(told)

    @contextlib.asynccontextmanager
    async def begin(self, priority: int = PEOPLE) -> AsyncIterator[AsyncSession]:
        """One write transaction. Raises Busy if it waits for a lock too long, Unavailable if the database is gone."""
        if self.is_sqlite:
            await self._turns.acquire(priority)
        try:
            async with AsyncSession(self._writer, expire_on_commit=False) as session:
                with _said_plainly():
                    async with session.begin():
                        yield session
                        topics: set[str] = session.info.get(_WAKES, set())
                        if topics and not self.is_sqlite:
                            await session.execute(
                                text("SELECT pg_notify(:channel, :topics)"),
                                {"channel": _CHANNEL, "topics": " ".join(sorted(topics))},
                            )
        finally:
            if self.is_sqlite:
                self._turns.release()
        if topics:
            self._tell(topics)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """One transaction that only reads. Raises like `begin`."""
        async with AsyncSession(self._reader, expire_on_commit=False) as session:
            with _said_plainly():
                async with session.begin():
                    yield session

    def listen(self) -> None:
        """Hear the wakes of other replicas (PostgreSQL only): a task that reconnects for ever."""
        if not self.is_sqlite:
            self._listening = asyncio.create_task(self._listen(), name="wakes of other replicas")

    async def _listen(self) -> None:
        while True:
            try:
                async with self._reader.connect() as connection:
                    raw = (await connection.get_raw_connection()).driver_connection
                    assert raw is not None
                    gone = asyncio.Event()
                    raw.add_termination_listener(lambda _connection, gone=gone: gone.set())
                    await raw.add_listener(_CHANNEL, lambda _c, _pid, _ch, said: self._tell(said.split()))
                    await gone.wait()
            except (DBAPIError, OSError) as lost:
                log.warning("wakes of other replicas are not heard", error=str(lost))
            await asyncio.sleep(5)  # a lost wake costs at most a job's interval

    async def close(self) -> None:
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._writer.dispose()
        await self._reader.dispose()
        if self._file_lock:
            self._file_lock.release()


@contextlib.contextmanager
def _said_plainly() -> Any:
    """Database faults that come and go, as FleetErrors; programming errors pass as they are."""
    try:
        yield
    except DBAPIError as fault:
        if plain := _plain(fault):
            raise plain from fault
        raise
    except OSError as gone:
        raise Unavailable("The database cannot be reached just now. Nothing was changed; try again soon.") from gone


def _plain(fault: DBAPIError) -> FleetError | None:
    said = str(fault.orig)
    if "database is locked" in said or getattr(fault.orig, "sqlstate", None) in ("55P03", "40P01"):
        return Busy("The database is busy with another writer. Nothing was changed; try again in a moment.")
    if fault.connection_invalidated or "disk" in said or getattr(fault.orig, "sqlstate", "")[:2] in ("08", "57"):
        return Unavailable(f"The database does not work just now ({said}). Nothing was changed; try again soon.")
    return None
