"""Socket Mode with the real slack-bolt app and the real client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import APP_TOKEN, FLEET_OPS, OPERATOR, Workspace


async def until(ws: Workspace, kind: str, fits: Callable[[Any], bool], *, count: int = 1) -> None:
    """Until so many journal entries of a kind fit."""
    async with asyncio.timeout(5):
        while len([entry for entry in await ws.journal(kind=kind) if fits(entry)]) < count:
            await ws.state.changes.wait(1)


def answers_at_once(app: AsyncApp) -> None:
    @app.command("/fleet")
    async def fleet(ack: Any, body: Any) -> None:
        await ack(f"you said {body['text']}")


async def test_commands_go_to_the_sockets_in_turn(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    answers_at_once(app)
    await connect(2)
    for number in range(4):
        run = await ws.command(OPERATOR, FLEET_OPS, f"say {number}")
        assert run.words == f"you said say {number}"
    envelopes = await ws.journal(kind="envelope")
    assert sorted(one["socket"] for one in envelopes) == [1, 1, 2, 2]
    assert all(one["outcome"] == "acked" and one["ack_ms"] < 3000 for one in envelopes)


async def test_hello_tells_how_many_sockets_there_are(ws: Workspace, client: AsyncWebClient) -> None:
    async with aiohttp.ClientSession() as session:
        for count in (1, 2):
            url = (await client.apps_connections_open(app_token=APP_TOKEN))["url"]
            socket = await session.ws_connect(url)
            hello = await socket.receive_json()
            assert (hello["type"], hello["num_connections"]) == ("hello", count)
            assert hello["debug_info"]["approximate_connection_time"] > 0


async def test_a_ticket_is_for_one_use_and_thirty_seconds(ws: Workspace, client: AsyncWebClient, clock: Any) -> None:
    used = (await client.apps_connections_open(app_token=APP_TOKEN))["url"]
    late = (await client.apps_connections_open(app_token=APP_TOKEN))["url"]
    async with aiohttp.ClientSession() as session:
        await session.ws_connect(used)
        clock.forward(31)
        for url in (used, late):
            with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
                await session.ws_connect(url)
            assert raised.value.status == 408


async def test_an_eleventh_socket_is_sent_away(ws: Workspace, client: AsyncWebClient) -> None:
    async with aiohttp.ClientSession() as session:
        urls = [(await client.apps_connections_open(app_token=APP_TOKEN))["url"] for _ in range(10)]
        sockets = [await session.ws_connect(url) for url in urls]
        assert [(await socket.receive_json())["num_connections"] for socket in sockets] == list(range(1, 11))
        extra = await session.ws_connect((await client.apps_connections_open(app_token=APP_TOKEN))["url"])
        assert (await extra.receive_json())["reason"] == "too_many_websockets"


@pytest.mark.parametrize("how", ["warning", "refresh_requested", "cut"])
async def test_the_app_comes_back_after_a_disconnect(app: AsyncApp, ws: Workspace, connect: Any, how: str) -> None:
    answers_at_once(app)
    await connect(2)
    assert await ws.disconnect(how) == 2
    await until(ws, "socket", lambda entry: entry["event"] == "opened", count=4)
    run = await ws.command(OPERATOR, FLEET_OPS, "still there")
    assert run.words == "you said still there"


async def test_an_unacknowledged_command_fails_before_its_typist(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    ws.sockets.ack_within = 0.2

    @app.command("/fleet")
    async def fleet() -> None:
        await asyncio.sleep(5)

    await connect()
    run = await ws.command(OPERATOR, FLEET_OPS, "status")
    assert (run.error, run.words) == ("operation_timeout", "/fleet failed with the error operation_timeout")
    envelopes = await ws.journal(kind="envelope")
    assert [one["outcome"] for one in envelopes] == ["ack_timeout"], "a command is not sent again"


async def test_a_command_fails_when_no_app_is_connected(ws: Workspace) -> None:
    run = await ws.command(OPERATOR, FLEET_OPS, "status")
    assert (run.error, run.words) == ("dispatch_failed", "/fleet failed with the error dispatch_failed")


async def test_a_socket_closed_with_an_open_envelope_is_a_failure(ws: Workspace, client: AsyncWebClient) -> None:
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect((await client.apps_connections_open(app_token=APP_TOKEN))["url"])
        assert (await socket.receive_json())["type"] == "hello"
        typing = asyncio.create_task(ws.command(OPERATOR, FLEET_OPS, "status"))
        assert (await socket.receive_json())["type"] == "slash_commands"
        await socket.close()
        assert (await typing).error == "dispatch_failed"
    assert (await ws.journal(kind="envelope"))[0]["outcome"] == "closed"


async def test_an_event_is_sent_again_at_once_after_a_minute_and_after_five(
    ws: Workspace, client: AsyncWebClient, clock: Any
) -> None:
    ws.sockets.ack_within = 0.2
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect((await client.apps_connections_open(app_token=APP_TOKEN))["url"])
        await socket.receive_json()
        await ws.write(OPERATOR, FLEET_OPS, "@Muster hello")
        seen = []
        for pause in (0, 0, 60, 300):
            clock.forward(pause)
            seen.append(await socket.receive_json(timeout=2))
            await until(ws, "envelope", lambda entry: entry["outcome"] == "ack_timeout", count=len(seen))
        assert [(one["retry_attempt"], one["retry_reason"]) for one in seen] == [
            (0, ""), (1, "timeout"), (2, "timeout"), (3, "timeout"),
        ]  # fmt: skip
        assert len({one["payload"]["event_id"] for one in seen}) == 1
        assert len({one["envelope_id"] for one in seen}) == 4


async def test_what_happened_while_the_app_was_away_arrives_when_it_is_back(
    app: AsyncApp, ws: Workspace, connect: Any, clock: Any
) -> None:
    heard: list[str] = []

    @app.event("message")
    async def message(event: Any, say: Any) -> None:
        heard.append(event["text"])

    await ws.write(OPERATOR, "@muster", "hello?")
    await until(ws, "envelope", lambda entry: entry["outcome"] == "no_socket", count=2)
    await connect()
    clock.forward(60)
    await until(ws, "envelope", lambda entry: entry["outcome"] == "acked")
    assert heard == ["hello?"]
    last = (await ws.journal(kind="envelope"))[-1]
    assert (last["retry_attempt"], last["retry_reason"]) == (2, "connection_failed")


async def test_an_acknowledged_event_is_not_sent_again(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    heard: list[str] = []

    @app.event("app_mention")
    async def mention(event: Any, say: Any) -> None:
        heard.append(event["text"])
        await say("yes?", thread_ts=event["ts"])

    await connect()
    written = await ws.write(OPERATOR, FLEET_OPS, "@Muster diag ping dev-1")
    answer = await ws.wait_for_answer(OPERATOR, contains="yes?")
    assert answer.thread_ts == written.ts
    assert heard == ["<@U0MUSTER> diag ping dev-1"]
    assert [one["outcome"] for one in await ws.journal(kind="envelope")] == ["acked"]


async def test_a_late_ack_is_noted_and_has_no_effect(ws: Workspace, client: AsyncWebClient) -> None:
    ws.sockets.ack_within = 0.2
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect((await client.apps_connections_open(app_token=APP_TOKEN))["url"])
        await socket.receive_json()
        run = asyncio.create_task(ws.command(OPERATOR, FLEET_OPS, "status"))
        envelope = await socket.receive_json()
        assert (await run).error == "operation_timeout"
        await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": {"text": "sorry"}})
        await socket.send_str("not json")
        await socket.send_json({"envelope_id": "unknown"})
        await until(ws, "socket", lambda entry: entry["event"] == "unknown_ack")
    assert (await ws.journal(kind="envelope"))[0]["late_ack"]
    assert not [one for one in await ws.messages(FLEET_OPS) if one.says("sorry")]
