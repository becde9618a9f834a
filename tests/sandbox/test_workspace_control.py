"""The control API from another process, the page's door, and what keeps strangers out."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import FLEET_OPS, OPERATOR, VIEWER, RateLimits, SlackError, Workspace, WorkspaceClient
from sandbox.workspace.state import Message, State


async def test_the_client_has_the_methods_of_the_workspace(ws: Workspace, client: AsyncWebClient) -> None:
    async with WorkspaceClient(ws.url) as remote:
        await remote.inject("chat.update", error="edit_window_closed")
        assert [one["error"] for one in await remote.pending_faults(clear=True)] == ["edit_window_closed"]
        waiting = asyncio.create_task(remote.wait_for_message("#fleet-ops", lambda one: one.from_bot, contains="hi"))
        posted = await client.chat_postMessage(channel=FLEET_OPS, text="hi")
        assert (await waiting).ts == posted["ts"]
        assert (await remote.command(OPERATOR, FLEET_OPS, "status")).error == "dispatch_failed"
        assert (await remote.wait_for_call("chat.postMessage"))["status"] == 200
        with pytest.raises(SlackError, match="channel_not_found"):
            await remote.messages("#nowhere")
        with pytest.raises(SlackError, match="invalid_arguments"):
            await remote.call("messages", channels="#fleet-ops")
        with pytest.raises(SlackError, match="unknown_verb"):
            await remote.call("__init__")
        await remote.clear()
        assert await remote.messages(FLEET_OPS) == []


async def test_waiting_in_vain_tells_what_was_seen(ws: Workspace, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel=FLEET_OPS, text="something else")
    with pytest.raises(TimeoutError, match="something else"):
        await ws.wait_for_message(contains="never", timeout=0.05)


async def test_an_edit_is_news_again(ws: Workspace, client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="open"))["ts"]
    before = await ws.wait_for_message(contains="open")
    await client.chat_update(channel=FLEET_OPS, ts=ts, text="resolved")
    after = await ws.wait_for_message(after=before.change)
    assert (after.ts, after.text, after.edited) == (ts, "resolved", True)


async def test_seeded_people_and_channels_are_there(ws: Workspace, client: AsyncWebClient) -> None:
    await ws.seed(
        users=[{"id": "U0NEW", "name": "nils", "real_name": "Nils New"}],
        channels=[{"id": "C0NEW", "name": "new"}],
        groups=[{"id": "S0NEW", "handle": "new", "name": "New", "users": ["U0NEW"]}],
    )
    await client.chat_postMessage(channel="#new", text="x")
    assert (await client.users_info(user="U0NEW"))["user"]["real_name"] == "Nils New"
    assert (await client.usergroups_users_list(usergroup="S0NEW"))["users"] == ["U0NEW"]


async def test_unread_counts_follow_what_was_read(ws: Workspace, client: AsyncWebClient) -> None:
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="x"))["ts"]
    await client.chat_postMessage(channel=FLEET_OPS, text="y")

    async def unread() -> int:
        return next(one["unread"] for one in (await ws.overview(OPERATOR))["channels"] if one["id"] == FLEET_OPS)

    assert await unread() == 2
    await ws.call("mark_read", user=OPERATOR, channel=FLEET_OPS, ts=ts)
    assert await unread() == 1


async def test_a_deleted_parent_leaves_a_tombstone_and_a_plain_message_nothing(
    ws: Workspace, client: AsyncWebClient
) -> None:
    parent = (await client.chat_postMessage(channel=FLEET_OPS, text="parent"))["ts"]
    await client.chat_postMessage(channel=FLEET_OPS, text="reply", thread_ts=parent)
    other = (await client.chat_postMessage(channel=FLEET_OPS, text="other"))["ts"]
    await ws.delete(parent)
    await ws.delete(other)
    found = (await client.conversations_history(channel=FLEET_OPS))["messages"]
    assert [one["subtype"] for one in found] == ["tombstone"]


async def test_the_page_hears_only_what_its_person_may_see(ws: Workspace, client: AsyncWebClient) -> None:
    async with aiohttp.ClientSession() as session:
        live = await session.ws_connect(f"{ws.url}live?user={VIEWER}")
        assert (await live.receive_json())["kind"] == "hello"
        await client.chat_postEphemeral(channel=FLEET_OPS, user=OPERATOR, text="secret")
        await client.chat_postMessage(channel=FLEET_OPS, text="public")
        heard = await live.receive_json()
        assert (heard["kind"], heard["message"]["text"]) == ("message", "public")
        await live.close()


async def test_the_page_and_its_files_come_from_here_alone(ws: Workspace) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(ws.url) as page:
            html = await page.text()
        assert "http://" not in html
        assert "https://" not in html
        async with session.get(f"{ws.url}page/..%2fserver.py") as stolen:
            assert stolen.status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_pages_of_other_sites_are_kept_out(ws: Workspace, headers: dict[str, str], status: int) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{ws.url}control/clear", data=b"{}", headers=headers) as answer:
            assert answer.status == status


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Workspace(host=host)


def test_a_channel_forgets_its_oldest_messages() -> None:
    state = State(lambda: 1_700_000_000.0, kept_messages=3)
    for number in range(5):
        state.post(Message(FLEET_OPS, state.next_ts(), OPERATOR, str(number)))
    assert [one.text for one in state.channels[FLEET_OPS].messages.values()] == ["2", "3", "4"]


async def test_limits_can_be_switched_off(clock: Any) -> None:
    async with Workspace.start(limits=RateLimits(enabled=False), monotonic=clock) as ws:
        client = AsyncWebClient(token="xoxb-sandbox", base_url=ws.base_url)
        for number in range(20):
            await client.chat_postMessage(channel=FLEET_OPS, text=str(number))
