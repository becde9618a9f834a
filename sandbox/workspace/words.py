"""Text as Slack's clients send it: control characters escaped, names turned into references."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.workspace.state import State

_REFERENCE = re.compile(r"(?<![\w<])([@#])([A-Za-z0-9][\w.-]*)")
_URL = re.compile(r"(?<![<|\w])(https?://[^\s<>|]+)")


def escaped(text: str) -> str:
    """Slack's three control characters as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def typed(state: State, text: str, *, named: bool = False) -> str:
    """What a person typed, as an app receives it: `@kim` -> `<@U0ONCALL>`, `#random` -> `<#C0RANDOM|random>`,
    an address -> `<https://…>`. `named` is the longer form of slash commands: `<@U0ONCALL|kim>`.
    """

    def reference(match: re.Match[str]) -> str:
        sign, word = match[1], match[2]
        trailing = word[len(word.rstrip(".-")) :]
        name = word.rstrip(".-").lower()
        if sign == "#":
            channel = state.channel(name)
            return f"<#{channel.id}|{channel.name}>{trailing}" if channel else match[0]
        for user in state.users.values():
            if user.name == name:
                return (f"<@{user.id}|{user.name}>" if named else f"<@{user.id}>") + trailing
        for group in state.groups.values():
            if group.handle == name:
                return f"<!subteam^{group.id}|@{group.handle}>{trailing}"
        return match[0]

    linked = escaped(text) if named else _URL.sub(r"<\1>", escaped(text))
    return _REFERENCE.sub(reference, linked)


def plain(words: str) -> str:
    """Entities undone; for looking things up in text that was sent."""
    return words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
