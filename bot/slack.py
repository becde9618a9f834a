"""Slack's side of commands: acknowledge alone, answer lazily.

In slack-bolt an acknowledgement that is followed within milliseconds by a raise is lost, and the person sees a
time-out: so every listener here acks on its own, and the work happens in a lazy function that never raises.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from bot.acknowledge import at_once
from bot.answers import Answers
from bot.files import Files
from bot.home import Home
from bot.interactions import Interactions
from bot.people import Members, People
from bot.router import Router
from bot.slack_errors import LOST
from bot.talk import Talk
from bot.views import Views
from fleet.settings import SlackMode, SlackSettings
from storage.db import Database

log = structlog.get_logger(__name__)

_STAGGER = 2.0  # seconds between opening two sockets, so that Slack does not refresh both at once
_LONGEST_WAIT = 60.0  # seconds between two attempts to reach Slack


def web_client(settings: SlackSettings, session: aiohttp.ClientSession | None, *, retries: bool) -> AsyncWebClient:
    """A Web API client. Without retries for the outbox, which keeps count itself; with both kinds for all else.

    The app's client must have no session: bolt deep-copies it for lazy listeners, and a session cannot be copied.
    """
    handlers = [AsyncConnectionErrorRetryHandler(max_retry_count=2), AsyncRateLimitErrorRetryHandler(max_retry_count=2)]
    return AsyncWebClient(
        token=settings.bot_token.get_secret_value(),
        base_url=settings.base_url,
        session=session,
        retry_handlers=handlers if retries else [],
    )


class Slack:
    """The app, and its sockets or, with `mode: http`, only the app: `bot.slack_http` hands it what Slack posts."""

    def __init__(
        self,
        settings: SlackSettings,
        client: AsyncWebClient,
        router: Router,
        people: People,
        db: Database,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._handlers: list[AsyncSocketModeHandler] = []
        self._opening: list[asyncio.Task[None]] = []
        self._introduced = False
        secret = settings.signing_secret.get_secret_value() if settings.signing_secret else None
        self.app = AsyncApp(client=client, logger=logging.getLogger("slack_bolt"), signing_secret=secret)
        self.answers = Answers(router, people, Files(client, settings.file_max_bytes), settings.command, now)
        home = Home(client, self.answers)
        views = Views(client, self.answers, home)
        Interactions(client, self.answers, views, home, settings.command).listen(self.app)
        home.listen(self.app)
        Talk(client, self.answers, db, now).listen(self.app)
        self.app.event(re.compile(".*"))(at_once)

    async def connect(self) -> None:
        """Open the sockets, one after the other; each is tried until Slack can be reached."""
        if self._settings.mode is SlackMode.HTTP:
            self._opening.append(asyncio.create_task(self._introduce(), name="Slack sign-in"))
            return
        for number in range(self._settings.sockets):
            task = asyncio.create_task(self._open(number * _STAGGER), name=f"Slack socket {number + 1}")
            self._opening.append(task)

    async def _open(self, after: float) -> None:
        await asyncio.sleep(after)
        wait = 1.0
        token = self._settings.app_token.get_secret_value() if self._settings.app_token else None
        while True:
            handler = AsyncSocketModeHandler(self.app, token)
            try:
                await handler.connect_async()  # type: ignore[no-untyped-call]
            except LOST as lost:
                log.warning("Slack cannot be reached, tried again", why=_why(lost), again_in_s=wait)
                await handler.close_async()  # type: ignore[no-untyped-call]
            except BaseException:  # stopped in the middle: the handler has a session of its own
                await handler.close_async()  # type: ignore[no-untyped-call]
                raise
            else:
                self._handlers.append(handler)
                log.info("Slack socket open", sockets=len(self._handlers))
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _introduce(self) -> None:
        """With `mode: http` nothing is opened: ask once whether Slack knows the bot token, until it answers."""
        wait = 1.0
        while not self._introduced:
            try:
                await self.app.client.auth_test()
            except LOST as lost:
                log.warning("Slack cannot be reached, tried again", why=_why(lost), again_in_s=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
            else:
                self._introduced = True
                log.info("Slack knows us, and may post to /slack/events")

    @property
    def connected(self) -> bool:
        """True once a socket has been opened (slack_sdk reopens it); with `mode: http` once Slack knows us."""
        return bool(self._handlers) or self._introduced

    @property
    def opening(self) -> Sequence[asyncio.Task[None]]:
        """The tasks that open the sockets; each ends when its socket is open, and never with an exception."""
        return self._opening

    async def sockets_open(self) -> int:
        """How many sockets are open at this moment: fewer than wanted while one is being reopened."""
        return sum([await each.client.is_connected() for each in self._handlers])

    async def close(self) -> None:
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for handler in self._handlers:
            await handler.close_async()  # type: ignore[no-untyped-call]
        await self.answers.finish()


def _why(lost: Exception) -> str:
    """Slack's own word for it, with what to do about the ones that only a person can mend."""
    error = str(lost.response.get("error")) if isinstance(lost, SlackApiError) else str(lost) or type(lost).__name__
    advice = {
        "invalid_auth": "check slack.bot_token and slack.app_token",
        "not_authed": "set slack.bot_token and slack.app_token",
        "missing_scope": "give the app-level token the scope connections:write",
        "not_allowed_token_type": "slack.app_token must be the xapp-… token",
    }.get(error)
    return f"{error}: {advice}" if advice else error


def members_of(client: AsyncWebClient) -> Members:
    """Reads the members of a user group. Raises what slack_sdk raises."""

    async def members(group_id: str) -> frozenset[str]:
        answer = await client.usergroups_users_list(usergroup=group_id)
        return frozenset(answer["users"] or [])

    return members
