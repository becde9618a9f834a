"""Slack's side of commands: acknowledge alone, answer lazily.

In slack-bolt an acknowledgement that is followed within milliseconds by a raise is lost, and the person sees a
time-out: so every listener here acks on its own, and the work happens in a lazy function that never raises.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from bot.people import Members, People
from bot.render import Rendered, render
from bot.router import Router, safely
from fleet.message import Audience, Message
from fleet.settings import SlackSettings

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
    """The app and its sockets."""

    def __init__(
        self,
        settings: SlackSettings,
        client: AsyncWebClient,
        router: Router,
        people: People,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._router = router
        self._people = people
        self._now = now
        self._handlers: list[AsyncSocketModeHandler] = []
        self._opening: list[asyncio.Task[None]] = []
        self.app = AsyncApp(client=client, logger=logging.getLogger("slack_bolt"))
        self.app.command(settings.command)(ack=_ack_alone, lazy=[self._command])
        self.app.command(re.compile(".*"))(ack=_ack_alone, lazy=[self._other_command])
        self.app.action(re.compile(".*"))(ack=_ack_alone, lazy=[self._click])
        self.app.event(re.compile(".*"))(_ack_alone)

    async def _command(self, body: dict[str, Any], respond: AsyncRespond) -> None:
        await self._answer(str(body.get("text") or ""), body["user_id"], body["channel_id"], respond)

    async def _other_command(self, body: dict[str, Any], respond: AsyncRespond) -> None:
        said = {
            "text": f"Muster listens to {self._settings.command}, not to {body.get('command')}. "
            f"Begin with {self._settings.command} help.",
            "reference": None,
        }
        await self._respond(respond, Message(template="problem", data=said))

    async def _click(self, body: dict[str, Any], respond: AsyncRespond) -> None:
        channel = str((body.get("channel") or {}).get("id") or "")
        for action in body.get("actions") or []:
            if line := action.get("value"):
                await self._answer(line, body["user"]["id"], channel, respond)

    async def _answer(self, line: str, user: str, channel: str, respond: AsyncRespond) -> None:
        now = self._now()
        person = await self._people.person(user, now)
        await self._respond(respond, await self._router.answer(line, person, channel, now))

    async def _rendered(self, message: Message) -> Rendered:
        return self._shown(message)

    def _shown(self, message: Message) -> Rendered:
        return render(message, root=self._settings.command)

    async def _respond(self, respond: AsyncRespond, message: Message) -> None:
        rendered = await safely(self._rendered(message), self._shown, template=message.template)
        public = message.audience is Audience.CHANNEL
        try:
            await respond(
                text=rendered.text,
                blocks=rendered.blocks,
                response_type="in_channel" if public else "ephemeral",
                replace_original=False,
            )
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as lost:
            # The work is done and in the registry; only the words did not arrive.
            log.warning("an answer could not be given", template=message.template, why=str(lost))

    async def connect(self) -> None:
        """Open the sockets, one after the other; each is tried until Slack can be reached."""
        for number in range(self._settings.sockets):
            task = asyncio.create_task(self._open(number * _STAGGER), name=f"Slack socket {number + 1}")
            self._opening.append(task)

    async def _open(self, after: float) -> None:
        await asyncio.sleep(after)
        wait = 1.0
        while True:
            handler = AsyncSocketModeHandler(self.app, self._settings.app_token.get_secret_value())
            try:
                await handler.connect_async()  # type: ignore[no-untyped-call]
            except (SlackApiError, SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as lost:
                log.warning("Slack cannot be reached, tried again", why=_why(lost), again_in_s=wait)
                await handler.close_async()  # type: ignore[no-untyped-call]
            else:
                self._handlers.append(handler)
                log.info("Slack socket open", sockets=len(self._handlers))
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    @property
    def connected(self) -> bool:
        """True if at least one socket has been opened; slack_sdk keeps it open from then on."""
        return bool(self._handlers)

    async def close(self) -> None:
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for handler in self._handlers:
            await handler.close_async()  # type: ignore[no-untyped-call]


async def _ack_alone(ack: AsyncAck) -> None:
    await ack()


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
