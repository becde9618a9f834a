"""The manifest of the Slack app, made from what Muster registers and calls: `muster manifest` prints it.

Limits are Slack's: name 35 characters, description 140, a command's usage hint 1,000 and description 2,000.
Source: Slack's "App manifest reference".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot import scopes, slack_http
from commands.spec import AnyCommand
from fleet.errors import BadInput
from fleet.settings import SlackMode

_MOST_HINT, _MOST_DESCRIPTION = 1000, 2000


def manifest(commands: Sequence[AnyCommand], root: str, mode: SlackMode, url: str = "") -> dict[str, Any]:
    """`url` is Muster's public https address, for `mode: http`. Raises BadInput without one there."""
    socket = mode is SlackMode.SOCKET
    if not socket and not url.startswith("https://"):
        raise BadInput("With slack.mode http Slack must know where to post: add --url https://muster.example.com")
    reached = {} if socket else {"url": url.rstrip("/") + slack_http.PATH}
    requests = {} if socket else {"request_url": reached["url"]}
    slash = {
        "command": root,
        "description": _first(f"The fleet: {', '.join(_nouns(commands))}, help", _MOST_DESCRIPTION),
        "usage_hint": _first(" | ".join(["help", *(each.words for each in commands)]), _MOST_HINT),
        "should_escape": True,
        **reached,
    }
    return {
        "display_information": {
            "name": "Muster",
            "description": "Fleet operations: drift, diagnostics, lifecycle and bulk work.",
            "background_color": "#1f3a5f",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "Muster", "always_online": True},
            "slash_commands": [slash],
        },
        "oauth_config": {"scopes": {"bot": list(scopes.needed())}},
        "settings": {
            "event_subscriptions": {**requests, "bot_events": list(scopes.EVENTS)},
            "interactivity": {"is_enabled": True, **requests},
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket,
            "token_rotation_enabled": False,
        },
    }


def _nouns(commands: Sequence[AnyCommand]) -> list[str]:
    """The first words, each once, in order."""
    return list(dict.fromkeys(each.words.split()[0] for each in commands))


def _first(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
