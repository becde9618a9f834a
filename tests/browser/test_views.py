"""Modals, the Home tab, user groups and pictures in a real browser, with a small app that opens them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import (
    APP_TOKEN,
    APPROVER1,
    APPROVER2,
    BOT_TOKEN,
    FLEET_OPS,
    GROUP_APPROVERS,
    OPERATOR,
    RateLimits,
    Workspace,
)
from tests.browser.chromium import Chromium, Page, require_chromium

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def asks(block_id: str, label: str, **element: Any) -> dict[str, Any]:
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": {"action_id": "it", **element}}


MORE = {"type": "button", "action_id": "more", "text": plain("Approve…")}
FORM = {
    "type": "modal",
    "callback_id": "approve",
    "title": plain("Decommission 25"),
    "submit": plain("Approve"),
    "blocks": [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"at *oslo* {HOSTILE.replace('<', '&lt;')}"}},
        asks("count", "Type the number of devices", type="plain_text_input"),
        asks("who", "Who watches", type="users_select"),
    ],
}


HOME = {
    "type": "home",
    "blocks": [{"type": "header", "text": plain("Your approvals")}, {"type": "actions", "elements": [MORE]}],
}


@pytest.fixture
async def ws() -> AsyncIterator[Workspace]:
    async with Workspace.start(limits=RateLimits(enabled=False)) as workspace:
        yield workspace


@pytest.fixture
async def submitted(ws: Workspace) -> AsyncIterator[list[Any]]:
    """What arrives from the form of an app that publishes a Home and opens the form from it."""
    app = AsyncApp(client=AsyncWebClient(token=BOT_TOKEN, base_url=ws.base_url))
    values: list[Any] = []

    @app.event("app_home_opened")
    async def opened(event: Any, client: Any) -> None:
        if event["tab"] == "home":  # not twice: a click on a button that is drawn anew just then is lost
            await client.views_publish(user_id=event["user"], view=HOME)

    @app.action("more")
    async def more(ack: Any, body: Any, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @app.view("approve")
    async def approve(ack: Any, view: Any) -> None:
        given = view["state"]["values"]
        if given["count"]["it"]["value"] != "25":
            await ack(response_action="errors", errors={"count": "The plan holds 25 devices."})
            return
        await ack()
        values.append(given)

    handler = AsyncSocketModeHandler(app, APP_TOKEN)
    await handler.connect_async()
    yield values
    await handler.close_async()


@pytest.fixture
async def page(ws: Workspace, submitted: list[Any], tmp_path: Path) -> AsyncIterator[Page]:
    async with Chromium(require_chromium(), tmp_path / "profile") as browser:
        page = await browser.open(ws.url)
        await page.sees("Muster is connected")
        yield page
        assert page.complaints == []


async def test_a_form_is_opened_from_home_corrected_and_submitted(
    page: Page, ws: Workspace, submitted: list[Any]
) -> None:
    await page.press("Muster", "#ims")
    await page.press("Home", "#tabs")
    await page.sees("Your approvals", "#home")
    await page.press("Approve…", "#home")
    await page.sees(HOSTILE, "#modal")
    await page.type("24", "#input-count")
    await page.press("Approve", "#modal")
    await page.sees("Please complete this required field.", "#modal")
    await page.choose(APPROVER2, "#input-who")
    await page.press("Approve", "#modal")
    await page.sees("The plan holds 25 devices.", "#modal")
    assert await page.run("document.querySelector('#input-count').value") == "24", "what was typed stays"
    await page.run("document.querySelector('#input-count').value = ''")
    await page.type("25", "#input-count")
    await page.press("Approve", "#modal")
    await page.until("!document.querySelector('#modal').open")
    [values] = submitted
    assert values["who"]["it"]["selected_user"] == APPROVER2
    assert await ws.modals(OPERATOR) == []


async def test_a_modal_is_there_for_one_person_and_closes_by_its_cross(page: Page, ws: Workspace) -> None:
    await ws.open_home(OPERATOR)
    home = await ws.wait_for_home(OPERATOR)
    await ws.click(OPERATOR, home.id, "more")
    await page.sees("Who watches", "#modal")
    await page.become(APPROVER1)
    await page.until("!document.querySelector('#modal').open")
    await page.become(OPERATOR)
    await page.press("✕", "#modal")
    await ws.wait_for_no_modal(OPERATOR)


async def test_groups_are_changed_and_pictures_are_shown(page: Page, ws: Workspace) -> None:
    client = AsyncWebClient(token=BOT_TOKEN, base_url=ws.base_url)
    await client.files_upload_v2(content=PIXEL, filename="latency.png", title="Latency", channel=FLEET_OPS)
    await page.until("document.querySelector('.file img').naturalWidth === 1")
    await page.run("document.querySelectorAll('#groups details')[1].open = true")
    await page.run("[...document.querySelectorAll('#groups details')[1].querySelectorAll('input')][0].click()")
    await page.until("document.querySelectorAll('#groups summary')[1].innerText === '@approvers 3'")
    assert (await client.usergroups_users_list(usergroup=GROUP_APPROVERS))["users"][-1] == OPERATOR
