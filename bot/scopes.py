"""Every Slack Web API method that Muster calls, and the scope it needs: what the manifest asks for, and doctor checks.

A test finds the calls in `bot/` and compares: a method that is not listed here is one that fails in production.
Source: Slack's reference of each method.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """`scopes` of the bot token (none: any token will do); `purpose` is what does not work without them.

    `private` scopes are needed for the same in private channels.
    """

    purpose: str
    scopes: tuple[str, ...] = ()
    private: tuple[str, ...] = ()


METHODS: dict[str, Use] = {
    "apps_connections_open": Use("Socket Mode; the app-level token has the scope connections:write for it"),
    "auth_test": Use("to learn who Muster is in the workspace"),
    "chat_postEphemeral": Use("to answer one person in a channel", ("chat:write",)),
    "chat_postMessage": Use("to post", ("chat:write",)),
    "chat_update": Use("to edit what was posted", ("chat:write",)),
    "conversations_history": Use("to find a post whose answer was lost", ("channels:history",), ("groups:history",)),
    "conversations_info": Use("to look at the ops channel", ("channels:read",), ("groups:read",)),
    "conversations_open": Use("to send somebody a file, or a direct message", ("im:write",)),
    "conversations_replies": Use("to find a post whose answer was lost", ("channels:history",), ("groups:history",)),
    "files_completeUploadExternal": Use("to send lists as files", ("files:write",)),
    "files_getUploadURLExternal": Use("to send lists as files", ("files:write",)),
    "usergroups_users_list": Use("to give roles by user group", ("usergroups:read",)),
    "users_info": Use("to check that the people named in app.yaml exist", ("users:read",)),
    "views_open": Use("to open a form for who pressed a button"),
    "views_publish": Use("to show somebody their Home tab"),
    "views_update": Use("to fill a form that was opened"),
}
"""By the name of the client's method in slack_sdk: `chat_postMessage` is chat.postMessage."""

RECEIVED: dict[str, Use] = {
    "slash command": Use("to be called by its slash command", ("commands",)),
    "app_home_opened": Use("to show the Home tab when it is opened"),
    "app_mention": Use("to be called by a mention", ("app_mentions:read",)),
    "message.im": Use("to be written to directly", ("im:history",)),
}
"""What Slack sends to Muster. All but the slash command are names of events."""

EVENTS: tuple[str, ...] = tuple(name for name in RECEIVED if name != "slash command")

OPTIONAL = frozenset({"users:read", "usergroups:read", "groups:history", "groups:read", "files:write", "im:write"})
"""Without these Muster works, but for what the use says."""


def needed() -> dict[str, str]:
    """Every scope of the bot token, and what for, in order of name."""
    purposes: dict[str, str] = {}
    for use in _uses():
        for scope in use.scopes:
            purposes.setdefault(scope, use.purpose)
        for scope in use.private:
            purposes.setdefault(scope, f"{use.purpose}, in a private channel")
    return dict(sorted(purposes.items()))


def _uses() -> Iterable[Use]:
    return [*METHODS.values(), *RECEIVED.values()]
