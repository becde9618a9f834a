"""Loops that run together also end together."""

import asyncio
import contextlib

import pytest

from link import together
from link.together import run_together


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def test_when_one_fails_the_others_end_and_its_error_is_raised() -> None:
    async def fails() -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await run_together(_for_ever(), fails(), _for_ever())
    assert len(asyncio.all_tasks()) == 1


async def test_a_loop_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "CANCEL_AGAIN_AFTER", 0.01)
    lost = 0
    began = asyncio.Event()

    async def loses_two() -> None:
        nonlocal lost
        while True:
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    running = asyncio.create_task(run_together(loses_two(), _for_ever()))
    await began.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(running, 5)
    assert running.cancelled()
    assert lost == 2
