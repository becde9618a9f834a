"""Files as slack_sdk uploads them, and as the page shows them."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import BOT_USER, FLEET_OPS, OPERATOR, RANDOM, Workspace
from tests.sandbox.conftest import Connect

TABLE = "device,site\ndev-1,oslo\n"


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as raised:
        await call
    return str(raised.value.response["error"])


async def test_a_file_is_uploaded_shared_and_found_again(client: AsyncWebClient, ws: Workspace) -> None:
    parent = await client.chat_postMessage(channel=FLEET_OPS, text="the fleet")
    done = await client.files_upload_v2(
        content=TABLE,
        filename="fleet.csv",
        title="The fleet",
        channel=FLEET_OPS,
        thread_ts=str(parent["ts"]),
        initial_comment="as asked",
    )
    shared = (await client.conversations_replies(channel=FLEET_OPS, ts=str(parent["ts"])))["messages"][1]
    assert (shared["text"], shared["user"]) == ("as asked", BOT_USER)
    assert [(file["id"], file["title"]) for file in shared["files"]] == [(done["file"]["id"], "The fleet")]
    found = (await client.files_info(file=done["file"]["id"]))["file"]
    assert (found["mimetype"], found["size"], found["preview"], found["lines"]) == ("text/csv", len(TABLE), TABLE, 2)
    assert found["channels"] == [FLEET_OPS]


async def test_a_file_for_one_person_goes_by_their_direct_messages(client: AsyncWebClient, ws: Workspace) -> None:
    opened = await client.conversations_open(users=OPERATOR)
    done = await client.files_upload_v2(content=TABLE, filename="a.csv", channel=opened["channel"]["id"])
    [message] = await ws.messages(opened["channel"]["id"])
    assert message.files[0]["url"].endswith("/a.csv")
    assert (done["file"]["is_public"], done["file"]["ims"]) == (False, ["D0OPERATOR"])


async def test_slack_refuses_what_it_refuses(client: AsyncWebClient, ws: Workspace) -> None:
    assert await refusal(client.files_getUploadURLExternal(filename="a.csv", length=0)) == "invalid_arguments"
    assert await refusal(client.files_getUploadURLExternal(filename="", length=3)) == "invalid_arguments"
    granted = await client.files_getUploadURLExternal(filename="a.csv", length=3)
    files: Any = [{"id": granted["file_id"]}]
    assert await refusal(client.files_completeUploadExternal(files=files)) == "file_not_found"
    assert await refusal(client.files_info(file=granted["file_id"])) == "file_not_found"
    async with aiohttp.ClientSession() as session:
        assert (await session.post(granted["upload_url"], data=b"four")).status == 400
        assert (await session.post(granted["upload_url"], data=b"abc")).status == 200
        assert (await session.post(granted["upload_url"], data=b"abc")).status == 404
    complete = client.files_completeUploadExternal
    assert await refusal(complete(files=files, channel_id=RANDOM)) == "not_in_channel"
    assert await refusal(complete(files=files, channel_id="fleet-ops")) == "channel_not_found"
    assert await refusal(complete(files=files, channel_id=FLEET_OPS, thread_ts="1.2")) == "invalid_thread_ts"
    assert (await complete(files=files, channel_id=FLEET_OPS))["files"][0]["name"] == "a.csv"
    assert await refusal(complete(files=files, channel_id=FLEET_OPS)) == "file_not_found"


async def test_files_need_their_scope(client: AsyncWebClient, ws: Workspace) -> None:
    ws._api.scopes.discard("files:write")
    assert await refusal(client.files_getUploadURLExternal(filename="a.csv", length=3)) == "missing_scope"


async def test_pictures_are_shown_and_everything_else_is_a_download(client: AsyncWebClient, ws: Workspace) -> None:
    async with aiohttp.ClientSession() as session:
        for name, shown in (("a.png", "inline"), ("a.svg", "attachment"), ("a.html", "attachment")):
            done = await client.files_upload_v2(content="<script>", filename=name, channel=FLEET_OPS)
            url = f"{ws.url}files/{done['file']['id']}/{name}"
            answer = await session.get(url)
            assert answer.headers["Content-Disposition"] == shown
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert (await session.get(f"{url}?download=1")).headers["Content-Disposition"] == "attachment"
        assert (await session.get(f"{ws.url}files/F0/none")).status == 404


async def test_hints_are_what_the_apps_own_help_says(app: AsyncApp, connect: Connect, ws: Workspace) -> None:
    @app.command("/fleet")
    async def helped(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack(f"for {body['user_id']}\n`/fleet drift show &lt;device&gt;`  One case.\n`/fleet status`  All.")

    assert await ws.call("hints", user=OPERATOR) == []
    await connect()
    assert await ws.call("hints", user=OPERATOR) == [
        {"words": "drift show", "rest": " <device>", "what": "One case."},
        {"words": "status", "rest": "", "what": "All."},
    ]
    assert await ws.messages("D0OPERATOR") == []


async def test_what_the_bot_says_in_direct_messages_comes_back_and_is_not_heard(
    app: AsyncApp, connect: Connect, ws: Workspace, client: AsyncWebClient
) -> None:
    await connect()
    await client.chat_postMessage(channel=OPERATOR, text="hello")
    [envelope] = await ws.journal(kind="envelope")
    assert envelope["payload"]["event"]["bot_id"]
    assert envelope["payload"]["event"]["channel_type"] == "im"
