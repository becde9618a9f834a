"""The Web API as slack_sdk and plain HTTP see it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import (
    APP_TOKEN,
    APPROVER1,
    APPROVER2,
    BOT_TOKEN,
    BOT_USER,
    FLEET_OPS,
    GROUP_APPROVERS,
    ONCALL,
    OPERATOR,
    RANDOM,
    VIEWER,
    SlackError,
    Workspace,
)

EVENT = {"event_type": "alert", "event_payload": {"id": "a-1"}}


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as raised:
        await call
    return str(raised.value.response["error"])


async def test_a_message_is_posted_found_edited_and_deleted(client: AsyncWebClient, ws: Workspace) -> None:
    posted = await client.chat_postMessage(channel="#fleet-ops", text="one")
    assert posted["channel"] == FLEET_OPS
    assert posted["message"]["bot_id"]
    await client.chat_update(channel=FLEET_OPS, ts=posted["ts"], text="two")
    found = (await client.conversations_history(channel=FLEET_OPS))["messages"]
    assert [(one["text"], one["edited"]["user"]) for one in found] == [("two", BOT_USER)]
    await client.chat_delete(channel=FLEET_OPS, ts=posted["ts"])
    assert (await client.conversations_history(channel=FLEET_OPS))["messages"] == []
    assert await refusal(client.chat_update(channel=FLEET_OPS, ts=posted["ts"], text="x")) == "message_not_found"


async def test_ts_values_are_unique_and_increase_even_when_the_clock_stands_still(ws: Workspace) -> None:
    stamps = [ws.state.next_ts() for _ in range(1000)]
    assert stamps == sorted(set(stamps))
    assert stamps[0] == "1700000000.000000"


async def test_metadata_comes_back_only_when_asked_for(client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel=FLEET_OPS, text="x", metadata=EVENT)
    plain = await client.conversations_history(channel=FLEET_OPS)
    asked = await client.conversations_history(channel=FLEET_OPS, include_all_metadata=True)
    assert "metadata" not in plain["messages"][0]
    assert asked["messages"][0]["metadata"] == EVENT


async def test_an_edit_keeps_the_blocks_that_it_does_not_give(client: AsyncWebClient, ws: Workspace) -> None:
    posted = await client.chat_postMessage(channel=FLEET_OPS, text="x", blocks=[{"type": "divider"}], metadata=EVENT)
    await client.chat_update(channel=FLEET_OPS, ts=posted["ts"], text="y")
    assert [block["type"] for block in (await ws.messages(FLEET_OPS))[0].blocks] == ["divider"]
    await client.chat_update(channel=FLEET_OPS, ts=posted["ts"], text="z", blocks=[])
    message = (await ws.messages(FLEET_OPS))[0]
    assert (message.text, message.blocks, message.metadata) == ("z", [], EVENT)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
        ({"channel": RANDOM, "text": "x"}, "not_in_channel"),
        ({"channel": "#old", "text": "x"}, "is_archived"),
        ({"channel": FLEET_OPS, "text": ""}, "no_text"),
        ({"channel": FLEET_OPS, "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": FLEET_OPS, "text": "x", "blocks": "not json"}, "invalid_blocks_format"),
        ({"channel": FLEET_OPS, "text": "x", "metadata": {"event_type": 1}}, "invalid_metadata_format"),
    ],
)
async def test_slack_says_why_a_message_is_not_posted(
    client: AsyncWebClient, ws: Workspace, arguments: dict[str, Any], error: str
) -> None:
    await ws.seed(channels=[{"id": "C0OLD", "name": "old", "is_archived": True}])
    assert await refusal(client.api_call("chat.postMessage", json=arguments)) == error


async def test_the_bot_edits_only_its_own_messages(client: AsyncWebClient, ws: Workspace) -> None:
    written = await ws.write(OPERATOR, FLEET_OPS, "mine")
    assert await refusal(client.chat_update(channel=FLEET_OPS, ts=written.ts, text="x")) == "cant_update_message"
    assert await refusal(client.chat_delete(channel=FLEET_OPS, ts=written.ts)) == "cant_delete_message"


async def test_history_is_newest_first_paged_and_bounded_by_time(client: AsyncWebClient, ws: Workspace) -> None:
    await ws.limits(enabled=False)
    sent = [(await client.chat_postMessage(channel=FLEET_OPS, text=str(n)))["ts"] for n in range(5)]
    first = await client.conversations_history(channel=FLEET_OPS, limit=2)
    assert [one["text"] for one in first["messages"]] == ["4", "3"]
    assert first["has_more"]
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_history(channel=FLEET_OPS, limit=2, cursor=cursor)
    assert [one["text"] for one in second["messages"]] == ["2", "1"]
    since = await client.conversations_history(channel=FLEET_OPS, oldest=sent[3])
    assert [one["text"] for one in since["messages"]] == ["4"]
    between = await client.conversations_history(channel=FLEET_OPS, oldest=sent[1], latest=sent[2], inclusive=True)
    assert [one["text"] for one in between["messages"]] == ["2", "1"]
    assert await refusal(client.conversations_history(channel=FLEET_OPS, cursor="nonsense!")) == "invalid_cursor"


async def test_replies_are_in_the_thread_and_not_in_the_history(client: AsyncWebClient) -> None:
    parent = (await client.chat_postMessage(channel=FLEET_OPS, text="parent"))["ts"]
    await client.chat_postMessage(channel=FLEET_OPS, text="reply", thread_ts=parent)
    history = (await client.conversations_history(channel=FLEET_OPS))["messages"]
    thread = (await client.conversations_replies(channel=FLEET_OPS, ts=parent))["messages"]
    assert [(one["text"], one["reply_count"]) for one in history] == [("parent", 1)]
    assert [one["text"] for one in thread] == ["parent", "reply"]
    assert await refusal(client.conversations_replies(channel=FLEET_OPS, ts="1.2")) == "thread_not_found"


async def test_people_groups_and_channels_can_be_looked_up(client: AsyncWebClient) -> None:
    who = await client.auth_test()
    assert (who["user_id"], "chat:write" in who.headers["X-OAuth-Scopes"]) == (BOT_USER, True)
    assert (await client.users_info(user=OPERATOR))["user"]["name"] == "olga"
    assert (await client.users_lookupByEmail(email="kim@sandbox.example"))["user"]["id"] == ONCALL
    assert len((await client.users_list())["members"]) == 7
    assert len((await client.usergroups_users_list(usergroup=GROUP_APPROVERS))["users"]) == 2
    assert [one["handle"] for one in (await client.usergroups_list())["usergroups"]] == ["oncall", "approvers"]
    listed = (await client.conversations_list(limit=2))["channels"]
    assert [one["name"] for one in listed] == ["fleet-ops", "fleet-reports"]
    mine = (await client.users_conversations())["channels"]
    assert RANDOM not in [one["id"] for one in mine]
    assert (await client.conversations_info(channel=RANDOM))["channel"]["is_member"] is False
    assert OPERATOR in (await client.conversations_members(channel=FLEET_OPS))["members"]
    assert (await client.team_info())["team"]["domain"] == "sandbox"
    assert (await client.bots_info())["bot"]["user_id"] == BOT_USER
    assert await refusal(client.users_info(user="U0NOBODY")) == "user_not_found"


async def test_a_direct_message_goes_to_the_person_alone(client: AsyncWebClient, ws: Workspace) -> None:
    opened = (await client.conversations_open(users=ONCALL))["channel"]["id"]
    posted = await client.chat_postMessage(channel=ONCALL, text="wake up")
    assert posted["channel"] == opened
    assert opened in [one["id"] for one in (await ws.overview(ONCALL))["channels"]]
    assert opened not in [one["id"] for one in (await ws.overview(OPERATOR))["channels"]]


async def test_a_conversation_with_a_person_is_opened_once(client: AsyncWebClient) -> None:
    assert "already_open" not in (await client.conversations_open(users=ONCALL))
    again = await client.conversations_open(users=ONCALL, return_im=True)
    assert (again["already_open"], again["channel"]["user"]) == (True, ONCALL)
    assert await refusal(client.conversations_open(users=BOT_USER)) == "cannot_dm_bot"
    assert await refusal(client.conversations_open(users="U0NOBODY")) == "user_not_found"


async def test_who_is_in_a_user_group_changes(client: AsyncWebClient, ws: Workspace) -> None:
    assert await ws.group("@approvers", add=[ONCALL], remove=[APPROVER1]) == [APPROVER2, ONCALL]
    assert (await client.usergroups_users_list(usergroup=GROUP_APPROVERS))["users"] == [APPROVER2, ONCALL]
    listed = (await client.usergroups_list(include_users=True, include_count=True))["usergroups"]
    assert [(one["handle"], one["user_count"]) for one in listed] == [("oncall", 1), ("approvers", 2)]
    assert "users" not in (await client.usergroups_list())["usergroups"][0]
    for group, users, error in (("@nobody", [], "no_such_subteam"), ("@approvers", ["U0NO"], "user_not_found")):
        with pytest.raises(SlackError, match=error):
            await ws.group(group, add=users)


async def test_a_disabled_user_group_is_not_listed(client: AsyncWebClient, ws: Workspace) -> None:
    await ws.seed(groups=[{"id": "S0OLD", "handle": "old", "name": "Old", "users": [ONCALL], "disabled": True}])
    assert "old" not in [one["handle"] for one in (await client.usergroups_list())["usergroups"]]
    assert await refusal(client.usergroups_users_list(usergroup="S0OLD")) == "no_such_subteam"
    assert (await client.usergroups_users_list(usergroup="S0OLD", include_disabled=True))["users"] == [ONCALL]


async def test_an_ephemeral_message_is_seen_by_one_person(client: AsyncWebClient, ws: Workspace) -> None:
    await client.chat_postEphemeral(channel=FLEET_OPS, user=OPERATOR, text="between us")
    assert [one.text for one in await ws.messages(FLEET_OPS, user=OPERATOR)] == ["between us"]
    assert await ws.messages(FLEET_OPS, user=VIEWER) == []
    assert (await client.conversations_history(channel=FLEET_OPS))["messages"] == []
    assert await refusal(client.chat_postEphemeral(channel=FLEET_OPS, user="U0NO", text="x")) == "user_not_found"


async def test_reactions_are_added_once(client: AsyncWebClient, ws: Workspace) -> None:
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="x"))["ts"]
    await client.reactions_add(channel=FLEET_OPS, timestamp=ts, name="eyes")
    assert (await ws.messages(FLEET_OPS))[0].reactions == {"eyes": [BOT_USER]}
    assert await refusal(client.reactions_add(channel=FLEET_OPS, timestamp=ts, name="eyes")) == "already_reacted"


async def test_a_permalink_opens_the_page(client: AsyncWebClient, ws: Workspace) -> None:
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="x"))["ts"]
    link = (await client.chat_getPermalink(channel=FLEET_OPS, message_ts=ts))["permalink"]
    assert link == f"{ws.url}archives/{FLEET_OPS}/p{ts.replace('.', '')}"
    async with aiohttp.ClientSession() as session, session.get(link) as page:
        assert page.status == 200
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


async def test_the_token_decides_what_may_be_called(client: AsyncWebClient, ws: Workspace) -> None:
    nobody = AsyncWebClient(base_url=ws.base_url)
    assert await refusal(nobody.auth_test()) == "not_authed"
    assert await refusal(client.api_call("auth.test", headers={"Authorization": "Bearer xoxb-no"})) == "invalid_auth"
    assert await refusal(client.apps_connections_open(app_token=BOT_TOKEN)) == "not_allowed_token_type"
    assert await refusal(AsyncWebClient(token=APP_TOKEN, base_url=ws.base_url).auth_test()) == "not_allowed_token_type"


async def test_a_missing_scope_is_named() -> None:
    async with Workspace.start(scopes=("commands",)) as ws:
        client = AsyncWebClient(token=BOT_TOKEN, base_url=ws.base_url)
        with pytest.raises(SlackApiError) as raised:
            await client.chat_postMessage(channel=FLEET_OPS, text="x")
    assert (raised.value.response["error"], raised.value.response["needed"]) == ("missing_scope", "chat:write")


async def test_arguments_may_come_by_query_form_or_json(ws: Workspace) -> None:
    bearer = {"Authorization": f"Bearer {BOT_TOKEN}"}
    blocks = [{"type": "divider"}]
    form = {"token": BOT_TOKEN, "channel": FLEET_OPS, "text": "form", "blocks": json.dumps(blocks)}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{ws.base_url}users.info", params={"user": OPERATOR}, headers=bearer) as answer:
            assert (await answer.json())["user"]["name"] == "olga"
        async with session.post(f"{ws.base_url}chat.postMessage", data=form) as answer:
            assert (await answer.json())["message"]["blocks"][0]["type"] == "divider"
        async with session.post(f"{ws.base_url}api.test", json={"error": "my_error"}) as answer:
            assert (answer.status, (await answer.json())["error"]) == (200, "my_error")
        broken = {"Content-Type": "application/json"}
        async with session.post(f"{ws.base_url}api.test", data=b"{", headers=broken) as answer:
            assert (await answer.json())["error"] == "invalid_json"


async def test_an_unknown_method_says_so(client: AsyncWebClient) -> None:
    assert await refusal(client.api_call("files.upload")) == "unknown_method"


async def test_more_than_a_message_a_second_is_limited_after_a_burst(
    client: AsyncWebClient, ws: Workspace, clock: Any
) -> None:
    for number in range(3):
        await client.chat_postMessage(channel=FLEET_OPS, text=str(number))
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=FLEET_OPS, text="too soon")
    response = raised.value.response
    assert (response.status_code, response["error"], response.headers["Retry-After"]) == (429, "ratelimited", "1")
    await client.chat_postMessage(channel="#fleet-reports", text="another channel")
    clock.forward(1)
    await client.chat_postMessage(channel=FLEET_OPS, text="in time")


async def test_edits_are_limited_to_fifty_a_minute(client: AsyncWebClient, ws: Workspace, clock: Any) -> None:
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="x"))["ts"]
    await ws.limits(updates_per_minute=2)
    for number in range(2):
        await client.chat_update(channel=FLEET_OPS, ts=ts, text=str(number))
    assert await refusal(client.chat_update(channel=FLEET_OPS, ts=ts, text="2")) == "ratelimited"
    clock.forward(60)
    await client.chat_update(channel=FLEET_OPS, ts=ts, text="3")


async def test_an_injected_failure_happens_as_often_as_asked(client: AsyncWebClient, ws: Workspace) -> None:
    await ws.inject("chat.postMessage", status=500)
    with pytest.raises(SlackApiError) as raised:
        await client.chat_postMessage(channel=FLEET_OPS, text="x")
    assert raised.value.response.status_code == 500
    await ws.inject("chat.update", error="edit_window_closed", times=2)
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="x"))["ts"]
    for _ in range(2):
        assert await refusal(client.chat_update(channel=FLEET_OPS, ts=ts, text="y")) == "edit_window_closed"
    await client.chat_update(channel=FLEET_OPS, ts=ts, text="y")
    assert await ws.pending_faults() == []


async def test_the_sdk_s_own_retries_get_over_a_cut_connection(ws: Workspace) -> None:
    handlers = [AsyncConnectionErrorRetryHandler()]
    client = AsyncWebClient(token=BOT_TOKEN, base_url=ws.base_url, retry_handlers=handlers)
    await ws.inject("chat.postMessage", drop=True)
    await client.chat_postMessage(channel=FLEET_OPS, text="after all")
    assert [one.text for one in await ws.messages(FLEET_OPS)] == ["after all"]


async def test_a_message_may_be_accepted_and_its_answer_lost(client: AsyncWebClient, ws: Workspace) -> None:
    await ws.inject("chat.postMessage", accept_then_drop=True)
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=FLEET_OPS, text="posted all the same", metadata=EVENT)
    found = (await client.conversations_history(channel=FLEET_OPS, include_all_metadata=True))["messages"]
    assert [one["metadata"] for one in found] == [EVENT]
    assert (await ws.journal(method="chat.postMessage"))[0]["fault"] == "accept_then_drop"


async def test_a_call_may_never_be_answered(client: AsyncWebClient, ws: Workspace) -> None:
    await ws.inject("chat.postMessage", hang=True, channel="#fleet-ops")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.chat_postMessage(channel=FLEET_OPS, text="x"), 0.1)
    assert await ws.messages(FLEET_OPS) == []


async def test_every_call_is_in_the_journal_without_its_token(client: AsyncWebClient, ws: Workspace) -> None:
    await client.chat_postMessage(channel=FLEET_OPS, text="x")
    entry = await ws.wait_for_call("chat.postMessage", lambda one: one["args"]["text"] == "x")
    assert (entry["status"], entry["response"]["ok"], entry["at"]) == (200, True, 1_700_000_000.0)
    assert "xoxb" not in json.dumps(await ws.journal())
