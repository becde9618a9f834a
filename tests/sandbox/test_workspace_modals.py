"""Modals as a slack-bolt app opens them and a person fills them in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.workspace import APPROVER1, FLEET_OPS, OPERATOR, SlackError, Workspace, WorkspaceClient


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


REASON = {
    "type": "input",
    "block_id": "reason",
    "label": plain("Reason"),
    "element": {"type": "plain_text_input", "action_id": "why", "min_length": 3},
}
UNTIL = {
    "type": "input",
    "block_id": "until",
    "label": plain("Until"),
    "optional": True,
    "element": {
        "type": "static_select",
        "action_id": "when",
        "options": [{"text": plain("An hour"), "value": "1h"}, {"text": plain("A day"), "value": "1d"}],
    },
}
MORE = {
    "type": "actions",
    "block_id": "do",
    "elements": [{"type": "button", "action_id": "more", "value": "2", "text": plain("More")}],
}


def modal(*blocks: dict[str, Any], title: str = "Reject", **more: Any) -> dict[str, Any]:
    frame = {"title": plain(title), "submit": plain("Reject"), "callback_id": "reject", "private_metadata": "ap-1"}
    return {"type": "modal", **frame, "blocks": [*blocks], **more}


FORM = modal(REASON, UNTIL, MORE)


async def refusal(call: Any) -> str:
    with pytest.raises(SlackApiError) as raised:
        await call
    return str(raised.value.response["error"])


@pytest.fixture
async def opens(app: AsyncApp, ws: Workspace, connect: Any) -> list[dict[str, Any]]:
    """`/fleet` opens the form; the bodies of what arrives from it are kept, and submissions close it."""
    bodies: list[dict[str, Any]] = []

    @app.command("/fleet")
    async def fleet(ack: Any, body: Any, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @app.view("reject")
    async def submitted(ack: Any, body: Any) -> None:
        await ack()
        bodies.append(body)

    await connect()
    return bodies


async def opened(ws: Workspace, user: str = OPERATOR) -> Any:
    await ws.command(user, FLEET_OPS, "/fleet reject", wait=0)
    return await ws.wait_for_modal(user)


async def test_a_form_is_filled_in_and_arrives_as_slack_sends_it(ws: Workspace, opens: list[Any]) -> None:
    form = await opened(ws)
    assert (form.title, form.callback_id) == (plain("Reject"), "reject")
    run = await ws.submit(OPERATOR, {"Reason": "too slow", "until": "A day"})
    assert run.error is None
    [body] = opens
    assert (body["type"], body["user"]["id"], body["response_urls"]) == ("view_submission", OPERATOR, [])
    view = body["view"]
    assert (view["id"], view["private_metadata"], view["callback_id"]) == (form.id, "ap-1", "reject")
    assert view["state"]["values"] == {
        "reason": {"why": {"type": "plain_text_input", "value": "too slow"}},
        "until": {"when": {"type": "static_select", "selected_option": UNTIL["element"]["options"][1]}},
    }
    assert await ws.modals(OPERATOR) == []


async def test_a_trigger_opens_one_view_within_three_seconds(
    app: AsyncApp, client: AsyncWebClient, ws: Workspace, connect: Any, clock: Any
) -> None:
    triggers: list[str] = []

    @app.command("/fleet")
    async def fleet(ack: Any, body: Any) -> None:
        await ack()
        triggers.append(body["trigger_id"])

    await connect()
    for _ in range(2):
        await ws.command(OPERATOR, FLEET_OPS, "status", wait=0)
    await client.views_open(trigger_id=triggers[0], view=FORM)
    clock.forward(4)
    for trigger, error in (
        (triggers[0], "exchanged_trigger_id"),
        (triggers[1], "expired_trigger_id"),
        ("nonsense", "invalid_trigger_id"),
    ):
        assert await refusal(client.views_open(trigger_id=trigger, view=FORM)) == error
    assert len(await ws.modals(OPERATOR)) == 1


async def test_slacks_client_does_not_send_what_is_incomplete(ws: Workspace, opens: list[Any]) -> None:
    await opened(ws)
    assert (await ws.submit(OPERATOR)).error == "incomplete"
    assert (await ws.modal(OPERATOR)).errors == {"reason": "Please complete this required field."}
    assert (await ws.submit(OPERATOR, {"why": "no"})).error == "incomplete"
    assert "at least 3" in (await ws.modal(OPERATOR)).errors["reason"]
    assert opens == []
    with pytest.raises(SlackError, match="input_not_found"):
        await ws.fill(OPERATOR, {"Colour": "red"})
    with pytest.raises(SlackError, match="option_not_found"):
        await ws.fill(OPERATOR, {"Until": "1y"})


def answering(app: AsyncApp, **answer: Any) -> None:
    """`/fleet` opens the form, and submissions are answered so."""

    @app.command("/fleet")
    async def fleet(ack: Any, body: Any, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @app.view("reject")
    async def submitted(ack: Any) -> None:
        await ack(**answer)


async def test_errors_are_shown_below_their_inputs(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    answering(app, response_action="errors", errors={"reason": "Say which device."})
    await connect()
    await opened(ws)
    assert (await ws.submit(OPERATOR, {"why": "because"})).error is None
    form = await ws.modal(OPERATOR)
    assert (form.errors, form.values) == ({"reason": "Say which device."}, {"why": "because", "when": None})
    assert "Say which device." in form.words
    await ws.fill(OPERATOR, {"why": "dev-1 is too slow"})
    assert (await ws.modal(OPERATOR)).errors == {}


@pytest.mark.parametrize(
    "answer",
    [
        {"response_action": "errors", "errors": {"do": "no input"}},
        {"response_action": "update", "view": modal(title="t" * 25)},
        {"response_action": "explode"},
    ],
)
async def test_nonsense_for_an_answer_is_trouble(
    app: AsyncApp, ws: Workspace, connect: Any, answer: dict[str, Any]
) -> None:
    answering(app, **answer)
    await connect()
    await opened(ws)
    assert (await ws.submit(OPERATOR, {"why": "because"})).error is not None
    assert (await ws.modal(OPERATOR)).trouble == "We had some trouble connecting. Try again?"


async def test_an_app_that_is_late_leaves_the_form_open(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    ws.sockets.ack_within = 0.1
    answering(app)

    @app.view("late")
    async def late() -> None:
        await asyncio.sleep(5)

    await connect()
    form = await opened(ws)
    await app.client.views_update(view_id=form.id, view={**FORM, "callback_id": "late"})
    run = await ws.submit(OPERATOR, {"why": "because"})
    assert (run.error, run.notice) == ("operation_timeout", "We had some trouble connecting. Try again?")
    assert (await ws.modal(OPERATOR)).values["why"] == "because"


async def test_an_answer_may_update_push_or_clear(app: AsyncApp, ws: Workspace, connect: Any) -> None:
    answers = iter(
        [
            {"response_action": "update", "view": modal(REASON, title="Again")},
            {"response_action": "push", "view": modal(title="Sure?")},
            {"response_action": "clear"},
        ]
    )

    @app.command("/fleet")
    async def fleet(ack: Any, body: Any, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    @app.view("reject")
    async def submitted(ack: Any) -> None:
        await ack(**next(answers))

    await connect()
    first = await opened(ws)
    await ws.submit(OPERATOR, {"why": "because"})
    again = await ws.modal(OPERATOR)
    assert (again.id, again.title, again.values) == (first.id, plain("Again"), {"why": "because"})
    await ws.submit(OPERATOR)
    below, top = await ws.modals(OPERATOR)
    assert (top.title, top.root_view_id, top.previous_view_id) == (plain("Sure?"), below.id, below.id)
    await ws.submit(OPERATOR)
    assert await ws.modals(OPERATOR) == []


async def test_a_click_in_a_modal_can_push_three_deep(
    app: AsyncApp, client: AsyncWebClient, ws: Workspace, opens: list[Any]
) -> None:
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    bodies: list[dict[str, Any]] = []

    @app.action("more")
    async def more(ack: Any, body: Any) -> None:
        await ack()
        bodies.append(body)
        try:
            await client.views_push(trigger_id=body["trigger_id"], view=FORM)
        except SlackApiError as error:
            refused.set_result(error.response["error"])

    await opened(ws)
    await ws.fill(OPERATOR, {"why": "because"})
    for count in (2, 3):
        top = await ws.modal(OPERATOR)
        await ws.click(OPERATOR, top.id, "More")
        await ws.wait_for_modal(OPERATOR, lambda view, below=top: view.previous_view_id == below.id)
        assert len(await ws.modals(OPERATOR)) == count
    assert (await ws.click(OPERATOR, (await ws.modal(OPERATOR)).id, "more")).error is None
    assert await asyncio.wait_for(refused, 5) == "push_limit_reached"
    assert bodies[0]["container"] == {"type": "view", "view_id": bodies[0]["view"]["id"]}
    assert bodies[0]["actions"][0]["value"] == "2"
    assert bodies[0]["view"]["state"]["values"]["reason"]["why"]["value"] == "because"
    assert "message" not in bodies[0]


async def test_an_update_names_the_view_and_may_ask_for_a_hash(
    client: AsyncWebClient, ws: Workspace, opens: list[Any]
) -> None:
    form = await opened(ws)
    await client.views_update(view_id=form.id, hash=form.hash, view={**FORM, "external_id": "ap-1"})
    assert await refusal(client.views_update(view_id=form.id, hash=form.hash, view=FORM)) == "hash_conflict"
    await client.views_update(external_id="ap-1", view={**FORM, "external_id": "ap-1", "title": plain("Newer")})
    assert (await ws.modal(OPERATOR)).title == plain("Newer")
    assert await refusal(client.views_update(view_id="V0", view=FORM)) == "not_found"
    assert await refusal(client.api_call("views.update", json={"view": FORM})) == "invalid_arguments"
    await ws.close_modal(OPERATOR)
    assert await refusal(client.views_update(view_id=form.id, view=FORM)) == "not_found"


async def test_an_external_id_is_used_once_at_a_time(client: AsyncWebClient, ws: Workspace, opens: list[Any]) -> None:
    forms = [await opened(ws, user) for user in (OPERATOR, APPROVER1)]
    named = {**FORM, "external_id": "ap-1"}
    await client.views_update(view_id=forms[0].id, view=named)
    assert await refusal(client.views_update(view_id=forms[1].id, view=named)) == "duplicate_external_id"


@pytest.mark.parametrize("whole", [False, True])
async def test_closing_is_told_to_those_who_asked(app: AsyncApp, ws: Workspace, connect: Any, whole: bool) -> None:
    closed: list[tuple[str, bool]] = []

    @app.command("/fleet")
    async def fleet(ack: Any, body: Any, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view={**FORM, "notify_on_close": True})

    @app.view("reject")
    async def submitted(ack: Any) -> None:
        await ack(response_action="push", view=modal(title="Sure?", notify_on_close=True))

    @app.view_closed("reject")
    async def gone(ack: Any, body: Any) -> None:
        await ack()
        closed.append((body["view"]["title"]["text"], body["is_cleared"]))

    await connect()
    await opened(ws)
    await ws.submit(OPERATOR, {"why": "because"})
    await ws.close_modal(OPERATOR, whole=whole)
    if whole:
        assert closed == [("Sure?", True), ("Reject", True)]
        await ws.wait_for_no_modal(OPERATOR, timeout=0)
    else:
        assert closed == [("Sure?", False)]
        assert (await ws.modal(OPERATOR)).title == plain("Reject")


async def test_another_process_fills_in_and_submits_too(ws: Workspace, opens: list[Any]) -> None:
    async with WorkspaceClient(ws.url) as remote:
        await remote.command(OPERATOR, FLEET_OPS, "/fleet reject", wait=0)
        await remote.wait_for_modal(OPERATOR, contains="Reason")
        assert (await remote.fill(OPERATOR, {"Reason": "too slow"})).values["why"] == "too slow"
        assert (await remote.submit(OPERATOR)).error is None
        with pytest.raises(SlackError, match="view_not_found"):
            await remote.modal(OPERATOR)
    assert len(opens) == 1
