"""Slack over HTTP: only what Slack signed, and only while it is fresh."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import pytest
from pydantic import ValidationError
from slack_sdk.signature import SignatureVerifier

from bot import slack_http
from bot.app import Muster
from fleet.settings import Settings
from sandbox.workspace import BOT_TOKEN, FLEET_OPS, OPERATOR, RateLimits, Workspace
from sandbox.workspace.runs import Run
from tests.brokers import RunningBroker, embedded_broker
from tests.conftest import NOW, settings_for

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SOON = 10.0


def http_settings(base_url: str, url: str, port: int) -> Settings:
    slack = {
        "mode": "http",
        "bot_token": BOT_TOKEN,
        "signing_secret": SECRET,
        "base_url": base_url,
        "ops_channel": FLEET_OPS,
    }
    web = {"enabled": True, "port": 0}
    return settings_for(url, slack=slack, web=web, mqtt={"port": port}, roles={"operator": {"users": [OPERATOR]}})


@pytest.fixture(scope="module")
def broker() -> Iterator[RunningBroker]:
    with embedded_broker() as running:
        yield running


@asynccontextmanager
async def a_house(url: str, port: int) -> AsyncIterator[tuple[Muster, Workspace, str]]:
    """The bot in HTTP mode, the workspace, and the address that Slack posts to."""
    async with Workspace.start(limits=RateLimits(enabled=False)) as ws:
        muster = Muster(http_settings(ws.base_url, url, port), now=lambda: NOW)
        try:
            await muster.start()
            yield muster, ws, f"http://127.0.0.1:{muster.web.port}{slack_http.PATH}"
        finally:
            await muster.stop()


def signed(
    body: str, secret: str = SECRET, at: float | None = None, kind: str = "x-www-form-urlencoded"
) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body)
    assert signature is not None
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature,
        "Content-Type": f"application/{kind}",
    }


async def post(address: str, body: str, headers: dict[str, str]) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(address, data=body, headers=headers) as answer:
        return answer.status, await answer.text()


def typed(ws: Workspace, text: str) -> str:
    """The form that Slack posts for a slash command."""
    run = Run("run-http", OPERATOR, FLEET_OPS, f"/fleet {text}")
    ws.people.runs.by_id[run.id] = run
    form = {
        "command": "/fleet",
        "text": text,
        "user_id": OPERATOR,
        "channel_id": FLEET_OPS,
        "team_id": "T0SANDBOX",
        "response_url": ws.people.responses.issue(run, kind="commands"),
        "trigger_id": "1.2.3",
    }
    return urlencode(form)


async def test_a_signed_command_is_acknowledged_and_answered_by_its_response_url(
    sqlite_url: str, broker: RunningBroker
) -> None:
    async with a_house(sqlite_url, broker.port) as (_, ws, address):
        body = typed(ws, "status")
        assert await post(address, body, signed(body)) == (200, "")
        call = await ws.wait_for_call("response_url", timeout=SOON)
        assert call["status"] == 200
        assert "0 devices" in str(call["args"])


async def test_what_is_not_signed_by_slack_is_refused_unread(sqlite_url: str, broker: RunningBroker) -> None:
    async with a_house(sqlite_url, broker.port) as (_, ws, address):
        body = typed(ws, "status")
        right = signed(body)
        wrong = [
            signed(body, secret="another"),
            signed(body, at=time.time() - 301),  # heard once, and played again
            signed(body, at=time.time() + 360),  # it is looked at only when those before are answered
            {**right, "X-Slack-Signature": ""},
            {**right, "X-Slack-Signature": "v0=é"},
            {**right, "X-Slack-Request-Timestamp": "soon"},
            {**right, "X-Slack-Request-Timestamp": "9" * 5000},
            {},
        ]
        assert [(await post(address, body, headers))[0] for headers in wrong] == [401] * len(wrong)
        assert (await post(address, f"{body}&text=drift+sweep", right))[0] == 401
        assert (await post(address, "{not json", {**right, "Content-Type": "application/json"}))[0] == 401
        await asyncio.sleep(0.05)
        assert await ws.journal(kind="response_url") == []


async def test_slacks_challenge_is_answered(sqlite_url: str, broker: RunningBroker) -> None:
    async with a_house(sqlite_url, broker.port) as (_, _ws, address):
        body = '{"type":"url_verification","challenge":"3eZbrw1aB"}'
        status, said = await post(address, body, signed(body, kind="json"))
        assert (status, "3eZbrw1aB" in said) == (200, True)


async def test_it_is_ready_without_a_socket_once_slack_knows_it(sqlite_url: str, broker: RunningBroker) -> None:
    async with a_house(sqlite_url, broker.port) as (muster, ws, address):
        await asyncio.wait_for(muster.connection.wait_connected(), SOON)
        await ws.wait_for_call("auth.test", timeout=SOON)
        async with asyncio.timeout(SOON), aiohttp.ClientSession() as session:
            while True:
                async with session.get(address.replace(slack_http.PATH, "/readyz")) as answer:
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.01)
        assert not await ws.journal(method="apps.connections.open")


@pytest.mark.parametrize(
    ("slack", "web", "words"),
    [
        ({"mode": "http"}, {"enabled": True}, "signing_secret must be set with mode http"),
        ({"mode": "http", "signing_secret": "x"}, {}, "slack.mode http needs web.enabled"),
        ({"mode": "socket"}, {}, "app_token must be set with mode socket"),
    ],
)
def test_each_mode_asks_for_what_it_needs(slack: dict[str, str], web: dict[str, bool], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings_for(slack={"bot_token": "x", "ops_channel": "C1", **slack}, web=web)
