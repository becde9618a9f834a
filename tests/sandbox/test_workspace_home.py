"""The Home tab: published for a person, opened, clicked in."""

from __future__ import annotations

from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import APPROVER1, BOT_USER, OPERATOR, Workspace


def home(words: str) -> dict[str, Any]:
    button = {"type": "button", "action_id": "approve", "value": "ap-1", "text": {"type": "plain_text", "text": "Yes"}}
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": words}},
            {"type": "actions", "elements": [button]},
        ],
    }


async def test_home_is_published_when_it_is_opened(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    events: list[dict[str, Any]] = []

    @app.event("app_home_opened")
    async def opened(event: Any, client: Any) -> None:
        events.append(event)
        await client.views_publish(user_id=event["user"], view=home(f"Opened {len(events)} times"))

    await connect()
    assert await ws.home(OPERATOR) is None
    await ws.open_home(OPERATOR)
    first = await ws.wait_for_home(OPERATOR, contains="Opened 1 times")
    await ws.open_home(OPERATOR)
    second = await ws.wait_for_home(OPERATOR, contains="Opened 2 times")
    assert first.id == second.id
    assert [(one["tab"], one["channel"], "view" in one) for one in events] == [
        ("home", "D0OPERATOR", False),
        ("home", "D0OPERATOR", True),
    ]
    assert await ws.home(APPROVER1) is None, "each person has a Home of their own"


async def test_a_click_on_home_arrives_and_can_open_a_modal(
    app: AsyncApp, client: AsyncWebClient, ws: Workspace, connect: Any
) -> None:
    bodies: list[dict[str, Any]] = []

    @app.action("approve")
    async def approve(ack: Any, body: Any) -> None:
        await ack()
        bodies.append(body)
        title = {"type": "plain_text", "text": "Sure?"}
        await client.views_open(trigger_id=body["trigger_id"], view={"type": "modal", "title": title, "blocks": []})

    await connect()
    await client.views_publish(user_id=APPROVER1, view=home("Approvals"))
    shown = await ws.wait_for_home(APPROVER1)
    assert shown.buttons == ["Yes"]
    run = await ws.click(APPROVER1, shown.id, "Yes")
    assert run.error is None
    assert (bodies[0]["view"]["type"], bodies[0]["actions"][0]["value"]) == ("home", "ap-1")
    assert bodies[0]["container"] == {"type": "view", "view_id": shown.id}
    await ws.wait_for_modal(APPROVER1, contains="Sure?")


async def test_publishing_is_refused_for_nobody_and_for_an_old_hash(client: AsyncWebClient, ws: Workspace) -> None:
    first = (await client.views_publish(user_id=OPERATOR, view=home("One")))["view"]
    await client.views_publish(user_id=OPERATOR, view=home("Two"), hash=first["hash"])
    for user, stamp, error in (
        (OPERATOR, first["hash"], "hash_conflict"),
        ("U0NOBODY", "", "invalid_arguments"),
        (BOT_USER, "", "invalid_arguments"),
    ):
        with pytest.raises(SlackApiError, match=error):
            await client.views_publish(user_id=user, view=home("Three"), hash=stamp)
    assert (await ws.wait_for_home(OPERATOR)).says("Two")
