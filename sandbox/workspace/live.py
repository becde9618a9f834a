"""The page: its files, and a websocket on which it hears what changes for one person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.workspace import shapes
from sandbox.workspace.changes import Change
from sandbox.workspace.control import visible
from sandbox.workspace.state import State

PAGE = Path(__file__).parent / "page"

#: Nothing from elsewhere, nothing inline: what a device says stays text, whatever it says.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

#: A page that reads more slowly than this is cut off; it connects again and reads everything anew.
BACKLOG = 5000


class Live:
    def __init__(self, state: State) -> None:
        self._state = state
        self._open: set[web.WebSocketResponse] = set()

    async def index(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / "index.html", headers=HEADERS)

    async def file(self, request: web.Request) -> web.StreamResponse:
        path = PAGE / Path(request.match_info["name"]).name
        if not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers=HEADERS)

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """GET /live?user=…: one JSON object per change that this person may see."""
        user = request.query.get("user", "")
        ws = web.WebSocketResponse(heartbeat=20)
        await ws.prepare(request)
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(BACKLOG)

        def hear(change: Change) -> None:
            shown = _shown(self._state, change, user)
            if shown is None:
                return
            if queue.full():
                self._state.changes.listeners.discard(hear)
                while not queue.empty():
                    queue.get_nowait()
                shown = None
            queue.put_nowait(shown)

        self._state.changes.listeners.add(hear)
        self._open.add(ws)
        reader = asyncio.create_task(_until_closed(ws, queue))
        try:
            await ws.send_json({"kind": "hello", "change": self._state.changes.number})
            while (shown := await queue.get()) is not None:
                await ws.send_json(shown)
        except ConnectionError:
            pass  # the page was closed while something was on its way
        finally:
            self._state.changes.listeners.discard(hear)
            self._open.discard(ws)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await ws.close()
        return ws

    async def close(self) -> None:
        for ws in list(self._open):
            await ws.close()


async def _until_closed(ws: web.WebSocketResponse, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
    """The page sends nothing; reading notices that it went away."""
    async for _ in ws:
        pass
    while queue.full():
        queue.get_nowait()
    queue.put_nowait(None)


def _shown(state: State, change: Change, user: str) -> dict[str, Any] | None:
    if change.message is not None:
        if not visible(change.message, user):
            return None
        return {"kind": change.kind, "change": change.number, "message": shapes.seen(state, change.message)}
    facts = change.facts or {}
    if facts.get("user", user) != user:
        return None
    return {"kind": change.kind, "change": change.number, **facts}
