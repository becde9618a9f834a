"""Long reads in pages, each in a transaction of its own: a file of a million devices keeps nobody waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from storage.db import AnyRow, Database

Read = Callable[[AsyncSession, str], Awaitable[Sequence[AnyRow]]]


async def by_device(db: Database, read: Read) -> AsyncIterator[Sequence[AnyRow]]:
    """What `read(session, after)` gives, until nothing: rows behind the device `after`, in order of device_id."""
    after = ""
    while True:
        async with db.read() as session:
            rows = await read(session, after)
        if not rows:
            return
        yield rows
        after = rows[-1].device_id
