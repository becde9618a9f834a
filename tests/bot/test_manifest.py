from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_sdk.web.async_client import AsyncWebClient
from typer.testing import CliRunner

import commands
from bot import scopes
from bot.cli import cli
from bot.manifest import manifest
from fleet.errors import BadInput
from fleet.settings import SlackMode

ROOT = Path(__file__).parents[2]


def called() -> dict[str, str]:
    """Every method of slack_sdk's client that is called below bot/, and where."""
    found = {}
    for path in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                if hasattr(AsyncWebClient, name) and "_" in name.strip("_"):
                    found[name] = f"{path.relative_to(ROOT)}:{node.lineno}"
    return found


def test_every_web_api_method_that_is_called_is_in_the_table_of_scopes() -> None:
    assert {name: where for name, where in called().items() if name not in scopes.METHODS} == {}


def test_the_table_of_scopes_has_no_method_that_nobody_calls() -> None:
    assert set(scopes.METHODS) - set(called()) == set()


def made(mode: SlackMode = SlackMode.SOCKET, url: str = "") -> dict[str, Any]:
    return manifest(commands.ALL, "/fleet", mode, url)


def test_the_manifest_asks_for_the_scopes_of_the_methods_and_events_and_no_more() -> None:
    uses = [*scopes.METHODS.values(), *scopes.RECEIVED.values()]
    assert set(made()["oauth_config"]["scopes"]["bot"]) == {
        scope for use in uses for scope in (*use.scopes, *use.private)
    }


def test_the_manifest_has_the_command_with_a_hint_of_every_registered_one() -> None:
    (slash,) = made()["features"]["slash_commands"]
    assert slash["command"] == "/fleet"
    assert all(each.words in slash["usage_hint"] for each in commands.ALL[:3])
    assert len(slash["usage_hint"]) <= 1000
    assert "url" not in slash


def test_the_manifest_opens_sockets_events_and_buttons() -> None:
    settings = made()["settings"]
    assert settings["socket_mode_enabled"] is True
    assert {"app_mention", "message.im"} <= set(settings["event_subscriptions"]["bot_events"])
    assert settings["interactivity"] == {"is_enabled": True}


def test_with_http_mode_every_address_is_given() -> None:
    given = made(SlackMode.HTTP, "https://muster.example.com/")
    address = "https://muster.example.com/slack/events"
    assert given["features"]["slash_commands"][0]["url"] == address
    assert given["settings"]["event_subscriptions"]["request_url"] == address
    assert given["settings"]["interactivity"]["request_url"] == address
    assert given["settings"]["socket_mode_enabled"] is False
    with pytest.raises(BadInput, match="--url"):
        made(SlackMode.HTTP)


def test_the_command_line_prints_it_before_there_are_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MUSTER_SLACK_BOT_TOKEN", "MUSTER_SLACK_APP_TOKEN", "MUSTER_OPS_CHANNEL"):
        monkeypatch.delenv(name, raising=False)
    words = ["manifest", "--settings", str(ROOT / "app.yaml")]
    as_yaml, as_json = (CliRunner().invoke(cli, each) for each in (words, [*words, "--json"]))
    assert as_yaml.exit_code == as_json.exit_code == 0
    assert yaml.safe_load(as_yaml.output) == json.loads(as_json.output) == made()
