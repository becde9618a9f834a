"""The bot's side of a stand-in workspace."""

from __future__ import annotations

from typing import Any

from sandbox.workspace import APP_TOKEN, BOT_TOKEN, FLEET_OPS, Workspace


def slack_for(ws: Workspace, **more: Any) -> dict[str, Any]:
    """The section `slack` of the settings of a bot that is connected to it by one socket."""
    return {
        "bot_token": BOT_TOKEN,
        "app_token": APP_TOKEN,
        "base_url": ws.base_url,
        "ops_channel": FLEET_OPS,
        "sockets": 1,
        **more,
    }
