"""While everything is stopped, its message counts what is at the broker, with devices, and held back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from jobs.spec import Run, job
from storage import fence_news, fences, outbox
from storage.db import CLOCK

_SOON = timedelta(seconds=1)


@job("stop-all", every=timedelta(seconds=15), woken_by=("fences",))
async def recount(run: Run) -> datetime | None:
    """Edit the message of a stop-all when its numbers have changed; looked at again soon while something is leaving."""
    async with run.db.read() as session:
        fence = await fences.standing(session)
        if fence is None:
            return None
        numbers = await fences.out_there(session, run.now)
    if asdict(numbers) != fence.told:
        async with run.db.begin(CLOCK) as session:
            if await fences.tell(session, fence, numbers):
                said = await fence_news.message(session, fence, numbers)
                await outbox.revise(session, {fences.message_key(fence): said}, run.now)
    return run.now + _SOON if numbers.leaving else None
