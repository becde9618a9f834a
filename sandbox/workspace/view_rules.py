"""The limits of views: modals and App Home.

Source: Slack's reference of view objects. What is wrong with a view is `invalid_arguments`, not `invalid_blocks`.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from sandbox.workspace.errors import SlackError, invalid_arguments
from sandbox.workspace.findings import ID, PLAIN, Findings
from sandbox.workspace.rules import find_in_blocks

BLOCKS = 100
WORDS = 24
PRIVATE_METADATA = 3000
BYTES = 250_000

_ALLOWED = ("type", "blocks", "private_metadata", "callback_id", "external_id")
_OF_MODALS = ("title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled")


def check_view(view: Any, kind: Literal["modal", "home"]) -> None:
    """Raises `invalid_arguments` naming everything that is wrong, or `view_too_large`."""
    if not isinstance(view, dict):
        raise invalid_arguments(["must provide an object [json-pointer:/view]"])
    if len(json.dumps(view).encode()) > BYTES:
        raise SlackError("view_too_large")
    findings = Findings()
    if view.get("type") != kind:
        findings.say(f"must be {kind}", "/view/type")
    findings.keys(view, _ALLOWED + _OF_MODALS, "/view")
    findings.optional(view, "private_metadata", "/view", PRIVATE_METADATA, least=0)
    for key in ("callback_id", "external_id"):
        findings.optional(view, key, "/view", ID, least=0)
    find_in_blocks(view.get("blocks"), "/view/blocks", findings, limit=BLOCKS)
    if kind == "modal":
        _check_frame(view, findings)
    if findings:
        raise invalid_arguments(findings)


def _check_frame(view: dict[str, Any], findings: Findings) -> None:
    """A modal's title and buttons. One with inputs needs a button that submits them."""
    findings.text(view.get("title"), "/view/title", WORDS, PLAIN)
    for key in ("submit", "close"):
        if view.get(key) is not None:
            findings.text(view[key], f"/view/{key}", WORDS, PLAIN)
    blocks = view.get("blocks")
    inputs = isinstance(blocks, list) and any(isinstance(one, dict) and one.get("type") == "input" for one in blocks)
    if inputs and view.get("submit") is None:
        findings.say("missing required field: submit", "/view")
