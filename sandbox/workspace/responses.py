"""response_url: five uses within thirty minutes.

Source: Slack's "Handling user interaction", message responses.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sandbox.workspace import ids, rules, shapes
from sandbox.workspace.errors import SlackError
from sandbox.workspace.state import Message, State

if TYPE_CHECKING:
    from sandbox.workspace.runs import Run

Json = dict[str, Any]

MOST_USES = 5
LIVES = 30 * 60.0


@dataclass(slots=True)
class _Url:
    run: Run
    issued: float
    #: What `replace_original` replaces: the clicked message, or the last answer to a command.
    original: Message | None
    uses: int = 0


class ResponseUrls:
    """The response_urls that are alive, each bound to the command or click that it answers."""

    def __init__(self, state: State) -> None:
        self.base = ""
        self._state = state
        self._urls: OrderedDict[str, _Url] = OrderedDict()

    def issue(self, run: Run, *, kind: Literal["commands", "actions"], original: Message | None = None) -> str:
        path = f"{kind}/{ids.TEAM}/{secrets.token_hex(8)}"
        self._urls[path] = _Url(run, self._state.clock(), original)
        while len(self._urls) > 5000:
            self._urls.popitem(last=False)
        return f"{self.base}response/{path}"

    def run_of(self, path: str) -> Run | None:
        url = self._urls.get(path)
        return url.run if url else None

    def use(self, path: str, body: Json) -> None:
        """One POST. Raises 404 `used_url` or `expired_url`; a refused body counts as a use, as it does at Slack."""
        url = self._urls.get(path)
        if url is None or self._state.clock() - url.issued > LIVES:
            raise SlackError("expired_url", status=404)
        if url.uses >= MOST_USES:
            raise SlackError("used_url", status=404)
        url.uses += 1
        if body.get("delete_original"):
            self._delete(url)
            return
        checked = _checked(body)
        original = url.original
        if body.get("replace_original") and original is not None and not original.deleted:
            blocks = shapes.with_ids(self._state, checked.get("blocks") or [])
            self._state.edit(original, text=str(checked.get("text") or ""), blocks=blocks)
            return
        message = self.answer(url.run, checked)
        if url.original is None:
            url.original = message

    def _delete(self, url: _Url) -> None:
        if url.original is None or url.original.deleted:
            raise SlackError("message_not_found", status=404)
        self._state.remove(url.original)

    def answer(self, run: Run, body: Json) -> Message:
        """A new message: for the person alone unless `response_type` is `in_channel`."""
        public = body.get("response_type") == "in_channel"
        message = Message(
            run.channel,
            self._state.next_ts(),
            ids.BOT_USER,
            str(body.get("text") or ""),
            shapes.with_ids(self._state, body.get("blocks") or []),
            body.get("attachments") or [],
            thread_ts=body.get("thread_ts") or None,
            metadata=body.get("metadata") or None,
            ephemeral_to=None if public else run.user,
            run=run.id,
        )
        run.answers.append(message)
        if run.silent:
            self._state.changes.wake()
            return message
        return self._state.post(message)


def _checked(body: Json) -> Json:
    if not (body.get("text") or body.get("blocks") or body.get("attachments")):
        raise SlackError("no_text", status=400)
    try:
        rules.check_text(str(body.get("text") or ""))
        rules.check_blocks(body.get("blocks") or [])
    except SlackError as refusal:
        refusal.status = 400
        raise
    return body
