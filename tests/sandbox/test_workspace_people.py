"""People at work: commands, clicks, answers by response_url, mentions, direct messages."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import APPROVER1, FLEET_OPS, OPERATOR, RANDOM, VIEWER, SlackError, Workspace

CONTENT = [
    {"type": "section", "block_id": "what", "text": {"type": "mrkdwn", "text": "*dev-1* drifted"}},
    {
        "type": "actions",
        "block_id": "do",
        "elements": [
            {
                "type": "button",
                "action_id": "ack",
                "value": "al-1",
                "style": "primary",
                "text": {"type": "plain_text", "text": "Acknowledge"},
            },
            {
                "type": "static_select",
                "action_id": "snooze",
                "options": [
                    {"text": {"type": "plain_text", "text": "1 hour"}, "value": "1h"},
                    {"text": {"type": "plain_text", "text": "1 day"}, "value": "1d"},
                ],
            },
        ],
    },
]


def keeping(app: AsyncApp, kind: str, name: str) -> list[dict[str, Any]]:
    """Everything that arrives for one command or action, acknowledged at once."""
    bodies: list[dict[str, Any]] = []

    async def keep(ack: Any, body: Any) -> None:
        await ack()
        bodies.append(body)

    getattr(app, kind)(name)(keep)
    return bodies


async def post(url: str, **body: Any) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        return answer.status, await answer.json()


async def test_a_command_arrives_as_slack_sends_it(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    bodies = keeping(app, "command", "/fleet")
    await connect()
    await ws.command(OPERATOR, "#fleet-ops", "/fleet find firmware:<1.4 @kim #random", wait=0)
    [body] = bodies
    assert body["text"] == "find firmware:&lt;1.4 <@U0ONCALL|kim> <#C0RANDOM|random>"
    assert (body["command"], body["user_name"], body["channel_name"]) == ("/fleet", "olga", "fleet-ops")
    assert body.keys() >= {"token", "team_id", "team_domain", "channel_id", "user_id", "api_app_id", "trigger_id"}
    assert body["response_url"].startswith(ws.url)


async def test_the_answers_to_a_command_come_together(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    @app.command("/fleet")
    async def fleet(ack: Any, respond: Any) -> None:
        await ack()
        await respond("for you")
        await respond("for all", response_type="in_channel")

    await connect()
    run = await ws.command(OPERATOR, "#fleet-ops", "status")
    await ws.wait_for_answer(OPERATOR, contains="for all")
    answers = (await ws.answers(run)).answers
    assert [(one.text, one.ephemeral_to) for one in answers] == [("for you", OPERATOR), ("for all", None)]
    assert [one.text for one in await ws.messages(FLEET_OPS, user=VIEWER)] == ["for all"]


async def test_commands_do_not_work_in_threads(ws: Workspace) -> None:
    run = await ws.command(OPERATOR, FLEET_OPS, "status", thread_ts="1.2")
    assert run.words == "/fleet is not supported in threads. Sorry!"
    run = await ws.command(OPERATOR, FLEET_OPS, "/giphy cats")
    assert run.error == "invalid_command"


async def test_a_click_arrives_as_slack_sends_it(
    app: AsyncApp, client: AsyncWebClient, ws: Workspace, connect: Any
) -> None:
    bodies = keeping(app, "action", "ack")
    await connect()
    metadata = {"event_type": "alert", "event_payload": {}}
    posted = await client.chat_postMessage(channel=FLEET_OPS, text="x", blocks=CONTENT, metadata=metadata)
    run = await ws.click(APPROVER1, posted["ts"], "Acknowledge")
    assert run.error is None
    [body] = bodies
    [action] = body["actions"]
    assert (action["action_id"], action["block_id"], action["value"], action["style"]) == (
        "ack",
        "do",
        "al-1",
        "primary",
    )
    assert body["container"] == {
        "type": "message", "message_ts": posted["ts"], "channel_id": FLEET_OPS, "is_ephemeral": False,
    }  # fmt: skip
    assert (body["user"]["id"], body["channel"]["name"]) == (APPROVER1, "fleet-ops")
    assert body["message"]["blocks"] == CONTENT
    assert "metadata" not in body["message"]
    assert body["state"]["values"]["do"]["snooze"]["selected_option"] is None


async def test_a_menu_sends_the_option_that_was_chosen(
    app: AsyncApp, client: AsyncWebClient, ws: Workspace, connect: Any
) -> None:
    bodies = keeping(app, "action", "snooze")
    await connect()
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="x", blocks=CONTENT))["ts"]
    await ws.click(OPERATOR, ts, "snooze", value="1d")
    assert bodies[0]["actions"][0]["selected_option"]["value"] == "1d"
    assert bodies[0]["state"]["values"]["do"]["snooze"]["selected_option"]["value"] == "1d"
    with pytest.raises(SlackError, match="option_not_found"):
        await ws.click(OPERATOR, ts, "snooze", value="1y")
    with pytest.raises(SlackError, match="action_not_found"):
        await ws.click(OPERATOR, ts, "Explode")


async def test_of_buttons_with_one_action_id_the_block_or_the_value_tells_which(
    app: AsyncApp, client: AsyncWebClient, ws: Workspace, connect: Any
) -> None:
    bodies = keeping(app, "action", "retry")
    await connect()

    def row(device: str) -> dict[str, Any]:
        retry = {
            "type": "button",
            "action_id": "retry",
            "value": device,
            "text": {"type": "plain_text", "text": "Retry"},
        }
        return {"type": "actions", "block_id": f"row-{device}", "elements": [retry]}

    rows = [row("dev-1"), row("dev-2"), row("dev-3")]
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="x", blocks=rows))["ts"]
    await ws.click(OPERATOR, ts, "Retry")
    await ws.click(OPERATOR, ts, "Retry", value="dev-2")
    await ws.click(OPERATOR, ts, "retry", block="row-dev-3")
    assert [body["actions"][0]["value"] for body in bodies] == ["dev-1", "dev-2", "dev-3"]


async def test_a_click_on_an_ephemeral_message_can_replace_it(
    app: AsyncApp, client: AsyncWebClient, ws: Workspace, connect: Any
) -> None:
    bodies = keeping(app, "action", "ack")
    await connect()
    sent = await client.chat_postEphemeral(channel=FLEET_OPS, user=OPERATOR, text="x", blocks=CONTENT)
    ts = sent["message_ts"]
    with pytest.raises(SlackError, match="message_not_found"):
        await ws.click(VIEWER, ts, "ack")
    await ws.click(OPERATOR, ts, "ack")
    assert bodies[0]["container"]["is_ephemeral"]
    assert "message" not in bodies[0]
    assert await post(bodies[0]["response_url"], text="done", replace_original=True) == (200, {"ok": True})
    assert [one.words for one in await ws.messages(FLEET_OPS, user=OPERATOR)] == ["done"]
    await post(bodies[0]["response_url"], delete_original=True)
    assert await ws.messages(FLEET_OPS) == []


async def test_a_response_url_works_five_times(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    bodies = keeping(app, "command", "/fleet")
    await connect()
    await ws.command(OPERATOR, FLEET_OPS, "status", wait=0)
    url = bodies[0]["response_url"]
    for number in range(5):
        assert (await post(url, text=str(number)))[0] == 200
    assert await post(url, text="6") == (404, {"ok": False, "error": "used_url"})
    assert len(await ws.messages(FLEET_OPS)) == 5


async def test_a_response_url_works_for_thirty_minutes(app: AsyncApp, ws: Workspace, connect: Any, clock: Any) -> None:
    bodies = keeping(app, "command", "/fleet")
    await connect()
    await ws.command(OPERATOR, FLEET_OPS, "status", wait=0)
    url = bodies[0]["response_url"]
    clock.forward(30 * 60)
    assert (await post(url, text="just in time"))[0] == 200
    clock.forward(1)
    assert await post(url, text="late") == (404, {"ok": False, "error": "expired_url"})


async def test_a_response_url_refuses_what_slack_refuses(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    bodies = keeping(app, "command", "/fleet")
    await connect()
    await ws.command(OPERATOR, FLEET_OPS, "status", wait=0)
    url = bodies[0]["response_url"]
    assert (await post(url))[1]["error"] == "no_text"
    status, body = await post(url, blocks=[{"type": "section"}])
    assert (status, body["error"]) == (400, "invalid_blocks")
    await ws.inject("response_url", status=500)
    assert (await post(url, text="x"))[0] == 500


async def test_a_direct_message_is_an_event_and_is_answered_there(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    @app.event("message")
    async def message(event: Any, say: Any) -> None:
        await say(f"{event['channel_type']}: {event['text']}")

    await connect()
    await ws.write(OPERATOR, "@muster", "status & more")
    answer = await ws.wait_for_answer(OPERATOR)
    assert (answer.channel, answer.words) == ("D0OPERATOR", "im: status & more")


async def test_only_a_mention_where_the_bot_is_a_member_is_an_event(ws: Workspace) -> None:
    await ws.write(OPERATOR, RANDOM, "@Muster hello")
    await ws.write(OPERATOR, FLEET_OPS, "hello all")
    assert await ws.journal(kind="envelope") == []


async def test_a_click_that_nobody_acknowledges_says_so(client: AsyncWebClient, ws: Workspace) -> None:
    ts = (await client.chat_postMessage(channel=FLEET_OPS, text="x", blocks=CONTENT))["ts"]
    run = await ws.click(OPERATOR, ts, "ack")
    assert run.error == "dispatch_failed"
    assert run.notice is not None
