"""Several loops that run until one fails or all are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

CANCEL_AGAIN_AFTER = 1.0  # seconds


async def run_together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of them; when one raises, or this is cancelled, end the others and raise that.

    A task group would cancel each only once. Before Python 3.12 `asyncio.wait_for`, which aiomqtt and others use, loses
    a cancellation that comes together with its result (github.com/python/cpython/issues/86296), and an endless loop
    would then go on for ever: so it is cancelled again until it has ended.
    """
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        pending = {task for task in tasks if not task.done()}
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_AFTER)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # retrieved: the first one is being raised
