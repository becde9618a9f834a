"""A workspace with a clock of its own, and real slack-bolt apps that talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import APP_TOKEN, BOT_TOKEN, Workspace

Connect = Callable[..., Awaitable[list[AsyncSocketModeHandler]]]


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ws(clock: Clock) -> AsyncIterator[Workspace]:
    async with Workspace.start(clock=clock, monotonic=clock) as workspace:
        yield workspace


@pytest.fixture
def client(ws: Workspace) -> AsyncWebClient:
    return AsyncWebClient(token=BOT_TOKEN, base_url=ws.base_url, retry_handlers=[])


@pytest.fixture
def app(client: AsyncWebClient) -> AsyncApp:
    return AsyncApp(client=client)


@pytest.fixture
async def connect(app: AsyncApp, ws: Workspace) -> AsyncIterator[Connect]:
    """`await connect()` opens a socket for the app, `await connect(2)` two; they are closed at the end."""
    handlers: list[AsyncSocketModeHandler] = []

    async def connect(count: int = 1) -> list[AsyncSocketModeHandler]:
        for _ in range(count):
            handler = AsyncSocketModeHandler(app, APP_TOKEN, ping_interval=0.2)
            await handler.connect_async()
            handlers.append(handler)
        await ws.wait_for_connections(len(handlers))
        return handlers

    yield connect
    for handler in handlers:
        await handler.close_async()
