"""Processes of a bench: each is `python -m <module> <orders as JSON>` and talks back in lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

_PATIENCE = 20.0  # seconds for a process to end


class Child:
    """`with Child("bench.load", port=1883) as child: child.hear()`; ended when left."""

    def __init__(self, module: str, /, **orders: Any) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(orders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def hear(self, timeout: float = 300.0) -> dict[str, Any]:
        """The next line. Raises RuntimeError when it ended, or said nothing for `timeout` seconds."""
        assert self._process.stdout is not None
        watchdog = threading.Timer(timeout, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise RuntimeError(f"{self._module} ended without an answer (exit code {self._process.wait()})")
        said: dict[str, Any] = json.loads(line)
        return said

    def tell(self) -> None:
        """Let it go on from `wait_for_parent`."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def orders() -> dict[str, Any]:
    """In the child: what it was started with."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    return given


def say(said: Mapping[str, Any]) -> None:
    """In the child: one line for the parent."""
    print(json.dumps(said), flush=True)


def wait_for_parent() -> None:
    """In the child: until the parent tells it to go on."""
    sys.stdin.readline()
