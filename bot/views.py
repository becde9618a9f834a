"""Modals: opened at once and empty, then filled with what a line is answered with; a form in it runs another line.

    click ── views.open (a trigger lasts three seconds) ──> "One moment…" ── views.update ──> the answer, or a form
    submitted ── the line of the form ──┬── refused at a field ──> said at that field, and the form stays
                                        └── anything else ──> the answer takes its place

Limits are Slack's: title and buttons 24 characters, private_metadata 3,000. Source: Slack's "Modals".
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.answers import Answer, Answers, Place
from bot.home import Home
from bot.render import Block
from bot.slack_errors import LOST
from fleet.message import Form, TextField

log = structlog.get_logger(__name__)

View = dict[str, Any]

_CALLBACK = "form"
_METADATA = 3000
_ERROR = 300
_PATIENCE = 2.0  # seconds: a submission must be acknowledged within three


class Views:
    """Opens modals for clicks, and takes what is submitted in them."""

    def __init__(self, client: AsyncWebClient, answers: Answers, home: Home) -> None:
        self._client = client
        self._answers = answers
        self._home = home

    def listen(self, app: AsyncApp) -> None:
        """Before any catch-all of views: the first listener that fits is the only one."""
        app.view(_CALLBACK)(self._submitted)

    async def open(self, trigger_id: str, line: str, place: Place) -> Answer | None:
        """Show the answer of a line in a modal. Without one, because Slack opened none, the answer is returned."""
        try:
            opened = await self._client.views_open(trigger_id=trigger_id, view=_waiting())
        except LOST as lost:
            log.warning("a modal could not be opened", why=str(lost))
            return await self._answers.to(line, place)
        await self._update(str(opened["view"]["id"]), shown(await self._answers.to(line, place), place))
        return None

    async def _submitted(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        view = body["view"]
        kept = json.loads(view["private_metadata"])
        form = Form.model_validate(kept["form"])
        place = Place(body["user"]["id"], kept["channel"], kept["thread_ts"])
        values = {name: str(inputs["text"]["value"] or "") for name, inputs in view["state"]["values"].items()}
        line = form.line(values)
        work = asyncio.create_task(self._answers.to(line, place))
        done, _ = await asyncio.wait({work}, timeout=_PATIENCE)
        if done:
            await ack(**_reaction(form, work.result(), place))
        else:
            await ack(response_action="update", view=_waiting())
            await self._update(str(view["id"]), shown(await work, place))
        await self._home.follow(place.user, line)

    async def _update(self, view_id: str, view: View) -> None:
        try:
            await self._client.views_update(view_id=view_id, view=view)
        except LOST as lost:
            log.info("a modal could not be filled; it may be closed", why=str(lost))


def _reaction(form: Form, answer: Answer, place: Place) -> dict[str, Any]:
    """What becomes of the form that was submitted."""
    field = answer.message.data.get("field") if answer.is_problem else None
    if field and any(field == each.name for each in form.fields):
        return {"response_action": "errors", "errors": {field: str(answer.message.data["text"])[:_ERROR]}}
    return {"response_action": "update", "view": shown(answer, place)}


def shown(answer: Answer, place: Place) -> View:
    """An answer as a modal: its form, or only its words. Buttons have no place to be answered there."""
    words = [block for block in answer.rendered.blocks if block["type"] != "actions"]
    form = answer.message.form
    if form is None:
        return {"type": "modal", "title": _plain("Muster"), "close": _plain("Close"), "blocks": words}
    kept = {
        "form": form.model_dump(mode="json", exclude_defaults=True),
        "channel": place.channel,
        "thread_ts": place.thread_ts,
    }
    metadata = json.dumps(kept, ensure_ascii=False)
    if len(metadata) > _METADATA:
        raise ValueError(f"The form {form.title} is longer than the {_METADATA} characters that a modal keeps.")
    return {
        "type": "modal",
        "callback_id": _CALLBACK,
        "private_metadata": metadata,
        "title": _plain(form.title),
        "submit": _plain(form.submit),
        "close": _plain("Cancel"),
        "blocks": [*words, *(_input(each) for each in form.fields)],
    }


def _input(field: TextField) -> Block:
    made: Block = {
        "type": "input",
        "block_id": field.name,
        "optional": field.optional,
        "label": _plain(field.label),
        "element": {
            "type": "plain_text_input",
            "action_id": "text",
            "multiline": field.several_lines,
            "min_length": field.least,
            "max_length": field.most,
        },
    }
    return {**made, "hint": _plain(field.hint)} if field.hint else made


def _waiting() -> View:
    words = {"type": "section", "text": _plain("One moment…")}
    return {"type": "modal", "title": _plain("Muster"), "close": _plain("Close"), "blocks": [words]}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": True}
