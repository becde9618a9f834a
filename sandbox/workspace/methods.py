"""What a Web API method is: a function with a name, a scope and a kind of token. The lists are in the modules
`chat`, `conversations`, `directory`, `files` and `views`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sandbox.workspace import ids
from sandbox.workspace.errors import SlackError
from sandbox.workspace.limits import RateLimiter
from sandbox.workspace.people import People
from sandbox.workspace.socket_mode import SocketMode
from sandbox.workspace.state import Channel, State

Json = dict[str, Any]
Item = TypeVar("Item")


class Arguments:
    """The arguments of one call, from the query, a form or a JSON body alike."""

    def __init__(self, values: Json) -> None:
        self.values = values

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        return default if value is None else str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name)
        return default if value is None else str(value).lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.text(name, str(default)))
        except ValueError as wrong:
            raise SlackError("invalid_arguments") from wrong

    def parsed(self, name: str, error: str) -> Any:
        """A JSON value: as it is in a JSON body, or a JSON text in a form; None when it was not given."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except ValueError as wrong:
            raise SlackError(error) from wrong


@dataclass(slots=True)
class Api:
    """What a method may use."""

    state: State
    limiter: RateLimiter
    sockets: SocketMode
    people: People
    url: str = ""
    scopes: set[str] = field(default_factory=lambda: set(ids.SCOPES))

    def channel(self, args: Arguments, *, member: bool = False) -> Channel:
        """The channel that is named; `member` asks that the bot is one."""
        found = self.state.channel(args.text("channel"))
        if found is None:
            raise SlackError("channel_not_found")
        if member and ids.BOT_USER not in found.members:
            raise SlackError("not_in_channel")
        return found


Answer = Callable[[Api, Arguments], Json]


@dataclass(frozen=True, slots=True)
class Method:
    name: str
    answer: Answer
    scope: str | None
    token: str | None


METHODS: Final[dict[str, Method]] = {}


def method(name: str, *, scope: str | None = None, token: str | None = ids.BOT_TOKEN) -> Callable[[Answer], Answer]:
    """Registers a method; `token=None` needs none."""

    def register(answer: Answer) -> Answer:
        METHODS[name] = Method(name, answer, scope, token)
        return answer

    return register


def paged(items: Sequence[Item], args: Arguments, *, default: int = 100, most: int = 1000) -> tuple[list[Item], Json]:
    """One page and its `response_metadata`; the cursor is opaque to the app."""
    limit = min(args.number("limit", default) or default, most)
    start = _offset(args.text("cursor"))
    rest = start + limit
    cursor = base64.b64encode(f"next:{rest}".encode()).decode() if rest < len(items) else ""
    return list(items[start:rest]), {"next_cursor": cursor}


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        word, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word != "next":
            raise SlackError("invalid_cursor")
        return int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError) as wrong:
        raise SlackError("invalid_cursor") from wrong
