"""Slack's side of the outbox: posts, edits, and finds a post whose answer was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot import files
from bot.render import Rendered, render
from bot.slack_errors import LOST
from fleet.errors import Unavailable
from fleet.settings import SlackSettings
from jobs.ports import Delivered, Gone, Letter, NoEntry, NotYet, Stands
from storage.outbox import Attachment

log = structlog.get_logger(__name__)

_EVENT = "muster_message"
_NO_ENTRY = frozenset({"not_in_channel", "channel_not_found", "is_archived", "restricted_action"})
_GONE = frozenset({"message_not_found", "edit_window_closed", "cant_update_message"})
_PAGES, _PAGE = 10, 200
_CLOCKS_DIFFER = timedelta(minutes=1)


@dataclass(slots=True)
class Pace:
    """At most `burst` at once and one more each `interval` after that (GCRA)."""

    interval: timedelta
    burst: int = 1
    _full_at: dict[str, datetime] = field(default_factory=dict)
    _closed_until: dict[str, datetime] = field(default_factory=dict)

    def take_turn(self, who: str, now: datetime) -> datetime:
        """When `who` may go. Not later than `now`: the turn is taken."""
        full_at = max(self._full_at.get(who, now), now)
        free_at = max(full_at - self.interval * (self.burst - 1), self._closed_until.get(who, now))
        if free_at <= now:
            self._full_at[who] = full_at + self.interval
        return free_at

    def close(self, who: str, until: datetime) -> None:
        """Nobody goes before `until`: the other side said so."""
        self._closed_until[who] = until


class SlackDelivery:
    """The `Deliver` protocol over the Web API.

    The client must not retry by itself: a post that is repeated after a lost answer would stand twice.
    """

    def __init__(self, client: AsyncWebClient, settings: SlackSettings) -> None:
        self._client = client
        self._root = settings.command
        self._posts = Pace(timedelta(seconds=1 / settings.channel_per_second))
        self._edits = Pace(timedelta(minutes=1 / settings.updates_per_minute), burst=10)
        self._direct: dict[str, str] = {}

    def take_turn(self, channel: str, editing: bool, now: datetime) -> datetime:
        return self._edits.take_turn("workspace", now) if editing else self._posts.take_turn(channel, now)

    async def deliver(self, letter: Letter, now: datetime) -> Delivered:
        rendered = render(letter.message, late=letter.late, moved_from=letter.moved_from, root=self._root)
        if letter.file:
            return await self._upload(letter, letter.file, rendered.text)
        outcome = await self._send(letter, rendered)
        if isinstance(outcome, NotYet) and outcome.why.startswith("invalid_blocks"):
            log.error("Slack refused the blocks of a message, sent as text", key=letter.key, why=outcome.why)
            outcome = await self._send(letter, Rendered(rendered.text, []))
        if isinstance(outcome, NotYet) and outcome.after:
            pace, who = (self._edits, "workspace") if letter.ts else (self._posts, letter.channel)
            pace.close(who, now + outcome.after)
        return outcome

    async def _send(self, letter: Letter, rendered: Rendered) -> Delivered:
        metadata = {"event_type": _EVENT, "event_payload": {"key": letter.key}}
        said: dict[str, Any] = {"text": rendered.text, "blocks": rendered.blocks, "metadata": metadata}
        try:
            said["channel"] = await self._channel(letter.channel)
            if letter.ts:
                answer = await self._client.chat_update(ts=letter.ts, **said)
            else:
                answer = await self._client.chat_postMessage(
                    thread_ts=letter.thread_ts, unfurl_links=False, unfurl_media=False, **said
                )
        except SlackApiError as refused:
            return _refusal(refused, editing=letter.ts is not None)
        except LOST as lost:
            return NotYet(f"Slack cannot be reached: {lost or type(lost).__name__}", uncertain=True)
        return Stands(str(answer["ts"]), str(answer.get("channel") or letter.channel))

    async def _channel(self, channel: str) -> str:
        """The channel to post into. A person's id stands for the direct messages with them, which have an id of their
        own: posts could go without it, but edits and searches cannot."""
        if channel[:1] not in ("U", "W"):
            return channel
        if channel not in self._direct:
            opened: Any = await self._client.conversations_open(users=channel)
            self._direct[channel] = str(opened["channel"]["id"])
        return self._direct[channel]

    async def _upload(self, letter: Letter, file: Attachment, comment: str) -> Delivered:
        try:
            channel = await self._channel(letter.channel)
            place = (channel, letter.thread_ts)
            file_id = await files.upload(self._client, file.content, len(file.content), file.name, comment, place)
        except SlackApiError as refused:
            return _refusal(refused, editing=False)
        except Unavailable as not_taken:
            return NotYet(str(not_taken))
        except LOST as lost:
            return NotYet(f"Slack cannot be reached: {lost or type(lost).__name__}", uncertain=True)
        return Stands(file_id, channel)

    async def find(self, letter: Letter, since: datetime) -> Stands | NotYet | None:
        oldest = f"{(since - _CLOCKS_DIFFER).timestamp():.6f}"
        cursor = ""
        try:
            for _ in range(_PAGES):
                page = await self._page(letter, oldest, cursor)
                for message in page["messages"] or []:
                    if letter.file and (file_id := _file(message, letter.file.name)):
                        return Stands(file_id)
                    if _key(message) == letter.key:
                        return Stands(str(message["ts"]))
                cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
                if not cursor:
                    return None
        except SlackApiError as refused:
            outcome = _refusal(refused, editing=False)
            if isinstance(outcome, NotYet) and outcome.why.startswith("missing_scope"):
                log.error("cannot look for a lost post without the history scope, posted again", key=letter.key)
                return None
            return NotYet(outcome.why, uncertain=True, after=outcome.after if isinstance(outcome, NotYet) else None)
        except LOST as lost:
            return NotYet(f"Slack cannot be reached: {lost or type(lost).__name__}", uncertain=True)
        return None

    async def _page(self, letter: Letter, oldest: str, cursor: str) -> Any:
        asked: dict[str, Any] = {
            "channel": await self._channel(letter.channel),
            "oldest": oldest,
            "limit": _PAGE,
            "include_all_metadata": True,
        }
        if cursor:
            asked["cursor"] = cursor
        if letter.thread_ts:
            return await self._client.conversations_replies(ts=letter.thread_ts, **asked)
        return await self._client.conversations_history(**asked)


def _key(message: Mapping[str, Any]) -> str | None:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != _EVENT:
        return None
    return str((metadata.get("event_payload") or {}).get("key"))


def _file(message: Mapping[str, Any], name: str) -> str | None:
    """The id of the file by that name in the message."""
    return next((str(each["id"]) for each in message.get("files") or [] if each.get("name") == name), None)


def _refusal(refused: SlackApiError, editing: bool) -> Gone | NotYet | NoEntry:
    response: Any = refused.response
    status = getattr(response, "status_code", None)
    data = getattr(response, "data", None)
    error = str(data.get("error")) if isinstance(data, dict) else f"HTTP {status}"
    if status == 429 or error == "ratelimited":
        after = int(response.headers.get("Retry-After", 1))
        return NotYet("Slack asks to slow down", after=timedelta(seconds=after))
    if editing and error in _GONE:
        return Gone(error)
    if not editing and error in _NO_ENTRY:
        return NoEntry(error)
    if status is not None and status >= 500:
        return NotYet(f"Slack answers HTTP {status}", uncertain=not editing)
    detail = "; ".join((data.get("response_metadata") or {}).get("messages") or []) if isinstance(data, dict) else ""
    return NotYet(f"{error} {detail}".strip())
