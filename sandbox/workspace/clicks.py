"""Finding what a person clicks in a message, and saying it as a `block_actions` payload does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.workspace import shapes, words
from sandbox.workspace.errors import SlackError
from sandbox.workspace.state import Message, State

Json = dict[str, Any]

_MENUS = ("static_select", "overflow", "radio_buttons")


@dataclass(frozen=True, slots=True)
class Found:
    block: Json
    element: Json


def elements(message: Message) -> Iterator[Found]:
    """Every interactive element of a message, with its block."""
    for block in message.blocks:
        inside = block.get("elements", []) if block.get("type") == "actions" else [block.get("accessory")]
        for element in inside:
            if isinstance(element, dict) and element.get("type") != "image":
                yield Found(block, element)


def find(message: Message, action: str, value: str | None = None, block: str | None = None) -> Found:
    """By action_id, or by the text of a button. Where rows of buttons share an action_id, the block_id or a
    button's value tells which; else it is the first. Raises `action_not_found`, naming what there is.
    """
    there = [found for found in elements(message) if block in (None, found.block.get("block_id"))]
    for name in (lambda element: element.get("action_id"), lambda element: words.plain(_label(element))):
        for found in there:
            other = found.element.get("type") == "button" and value not in (None, found.element.get("value"))
            if name(found.element) == action and not other:
                return found
    known = [f"{found.element.get('action_id')} ({_label(found.element)})" for found in there]
    raise SlackError("action_not_found", extra={"detail": f"no {action!r} in {', '.join(known) or 'a plain message'}"})


def _label(element: Json) -> str:
    return str((element.get("text") or element.get("placeholder") or {}).get("text", ""))


def action(found: Found, value: str | None, ts: str) -> Json:
    """One of the payload's `actions`."""
    element = found.element
    shape: Json = {
        "action_id": element.get("action_id"),
        "block_id": found.block.get("block_id"),
        "type": element.get("type"),
        "action_ts": ts,
    }
    if element.get("type") in _MENUS:
        shape["selected_option"] = _option(element, value)
        if "placeholder" in element:
            shape["placeholder"] = element["placeholder"]
        return shape
    shape["text"] = element.get("text")
    return shape | {key: element[key] for key in ("value", "style", "url") if key in element}


def _option(element: Json, value: str | None) -> Json:
    options = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        options += group.get("options", [])
    for option in options:
        if value in (option.get("value"), option.get("text", {}).get("text")):
            return dict(option)
    raise SlackError("option_not_found", extra={"detail": f"{value!r} is none of {[o.get('value') for o in options]}"})


def state_values(message: Message, clicked: Found, value: str | None) -> Json:
    """`state.values`: the menus of the message, as they stand after the click."""
    values: Json = {}
    for found in elements(message):
        if found.element.get("type") not in ("static_select", "radio_buttons"):
            continue
        chosen = _option(found.element, value) if found.element is clicked.element else None
        values.setdefault(str(found.block.get("block_id")), {})[found.element.get("action_id")] = {
            "type": found.element["type"],
            "selected_option": chosen or found.element.get("initial_option"),
        }
    return values


def original(state: State, message: Message) -> Json:
    """The message as the payload repeats it: blocks and all, but without its metadata."""
    return shapes.message(state, message, metadata=False)
