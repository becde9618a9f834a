"""The control API from another process."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import aiohttp

from sandbox.workspace.control import LONGEST_WAIT
from sandbox.workspace.errors import SlackError
from sandbox.workspace.handle import Handle


class WorkspaceClient(Handle):
    """`async with WorkspaceClient("http://127.0.0.1:8090/") as ws:` has the methods of `Workspace`."""

    def __init__(self, url: str) -> None:
        self.url = url if url.endswith("/") else f"{url}/"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> WorkspaceClient:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2 * LONGEST_WAIT + 10))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, verb: str, /, **arguments: Any) -> Any:
        if self._session is None:
            raise RuntimeError("use WorkspaceClient in `async with`")
        async with self._session.post(f"{self.url}control/{verb}", json=arguments) as response:
            body = await response.json()
        if body.pop("ok"):
            return body["result"]
        raise SlackError(body.pop("error"), extra=body)
