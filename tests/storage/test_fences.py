"""The row of a stop-all."""

from __future__ import annotations

from datetime import datetime

from storage import fences
from storage.db import Database


async def test_what_was_counted_is_not_told_of_a_stop_that_somebody_has_lifted_meanwhile(
    db: Database, now: datetime
) -> None:
    async with db.begin() as session:
        fence = await fences.put(session, "U0OLGA", "", now)
        numbers = await fences.out_there(session, now)
        assert await fences.tell(session, fence, numbers)
        await fences.lift(session, "U0OLGA", now)
        assert not await fences.tell(session, fence, numbers)
