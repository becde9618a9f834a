"""The workspace as a server: everything put together behind one loopback address."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.workspace import ids
from sandbox.workspace.control import Control, stopped
from sandbox.workspace.errors import SlackError
from sandbox.workspace.events import RETRIES
from sandbox.workspace.faults import Faults
from sandbox.workspace.files import LARGEST, Files
from sandbox.workspace.handle import Handle
from sandbox.workspace.journal import Journal
from sandbox.workspace.limits import RateLimiter, RateLimits
from sandbox.workspace.live import Live
from sandbox.workspace.methods import Api
from sandbox.workspace.people import People
from sandbox.workspace.responses import ResponseUrls
from sandbox.workspace.socket_mode import SocketMode
from sandbox.workspace.state import Clock, State
from sandbox.workspace.web_api import WebApi


class Workspace(Handle):
    """A stand-in Slack workspace. See the package for an example.

    `clock` gives seconds since the epoch (ts values, tickets, triggers, response_urls and redelivery follow it);
    `monotonic` is the clock of the rate limits; `ack_within` is how long an app has for an ack, in real seconds;
    `retries` are the pauses before an unacknowledged event is sent again.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        limits: RateLimits | None = None,
        ack_within: float = 3.0,
        retries: tuple[float, ...] = RETRIES,
        slash: str = "/fleet",
        scopes: tuple[str, ...] = ids.SCOPES,
        journal_size: int = 50_000,
    ) -> None:
        _refuse_others(host)
        self.host, self.port = host, port
        self.state = State(clock)
        self.records = Journal(clock, journal_size, self.state.changes.wake)
        self.faults = Faults()
        self.limiter = RateLimiter(limits or RateLimits(), monotonic)
        self.sockets = SocketMode(clock, self.records, self.state.changes, ack_within=ack_within)
        self._responses = ResponseUrls(self.state)
        self._tasks: set[asyncio.Task[None]] = set()
        self.people = People(
            self.state, self.sockets, self._responses, self.records, self._spawn, slash=slash, retries=retries
        )
        self._api = Api(self.state, self.limiter, self.sockets, self.people, scopes=set(scopes))
        self._web = WebApi(self._api, self.faults, self.records)
        self._control = Control(self.state, self.people, self.sockets, self.faults, self.limiter, self.records)
        self._live = Live(self.state)
        self._files = Files(self.state, self.faults, self.records)
        self._runner: web.AppRunner | None = None

    @classmethod
    def start(cls, **settings: Any) -> Workspace:
        """The arguments of the constructor; for `async with Workspace.start(…) as ws:`."""
        return cls(**settings)

    @property
    def url(self) -> str:
        """The page, and the root of everything else."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    @property
    def base_url(self) -> str:
        """For `AsyncWebClient(base_url=…)`."""
        return f"{self.url}api/"

    async def open(self) -> Workspace:
        """Listens; with port 0 on any free port, which `port` then tells."""
        app = web.Application(middlewares=[_only_own_pages], client_max_size=LARGEST)
        app.router.add_route("*", "/api/{method}", self._web.call)
        app.router.add_post("/response/{path:.+}", self._web.respond)
        app.router.add_get("/link/", self.sockets.link)
        app.router.add_post("/upload/v1/{ticket}", self._files.upload)
        app.router.add_get("/files/{file}/{name}", self._files.download)
        app.router.add_post("/control/{verb}", self._controlled)
        app.router.add_get("/live", self._live.listen)
        app.router.add_get("/", self._live.index)
        app.router.add_get("/archives/{channel}/{ts}", self._live.index)
        app.router.add_get("/page/{name}", self._live.file)
        app.on_shutdown.append(self._shut_down)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._api.url = self._responses.base = self.state.url = self.url
        return self

    async def close(self) -> None:
        await stopped(self._tasks)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Workspace:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def call(self, verb: str, /, **arguments: Any) -> Any:
        return await self._control.call(verb, arguments)

    async def _controlled(self, request: web.Request) -> web.Response:
        try:
            # A page of another site can post plain forms but not JSON: asking for the type keeps such pages out.
            if request.content_type != "application/json":
                raise SlackError("invalid_content_type", status=415)
            arguments = await request.json() if request.can_read_body else {}
            if not isinstance(arguments, dict):
                raise SlackError("invalid_arguments")
            result = await self._control.call(request.match_info["verb"], arguments)
        except json.JSONDecodeError:
            return web.json_response({"ok": False, "error": "invalid_json"}, status=400)
        except SlackError as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        return web.json_response({"ok": True, "result": result})

    async def _shut_down(self, app: web.Application) -> None:
        self._web.closing.set()
        await self.sockets.close()
        await self._live.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _refuse_others(host: str) -> None:
    """Anyone who reaches the port may act as anyone: only this machine may."""
    if not _is_loopback(host):
        raise ValueError(f"the sandbox workspace listens on loopback only, not on {host!r}")


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


@web.middleware
async def _only_own_pages(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuses other sites' pages: a foreign name in Host (DNS rebinding) or a foreign Origin."""
    origin = request.headers.get("Origin")
    named = urlsplit(f"//{request.headers.get('Host', '')}").hostname
    if not _is_loopback(named) or (origin is not None and urlsplit(origin).netloc != request.headers.get("Host")):
        raise web.HTTPForbidden(text="The sandbox answers this machine's own pages only.")
    return await handler(request)
