"""Finding what a person clicks in a message or view, and saying it as a `block_actions` payload does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.workspace import words
from sandbox.workspace.errors import SlackError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """An element with its block. In what was posted both have ids."""

    block: Json
    element: Json

    @property
    def place(self) -> tuple[str, str]:
        """Its block_id and action_id: where its value stands in `state.values`."""
        return str(self.block["block_id"]), str(self.element["action_id"])


def elements(blocks: Iterable[Json]) -> Iterator[Found]:
    """Every interactive element, with its block."""
    for block in blocks:
        if block.get("type") == "actions":
            inside = block.get("elements", [])
        else:
            inside = [block.get("element") if block.get("type") == "input" else block.get("accessory")]
        for element in inside:
            if isinstance(element, dict) and element.get("type") != "image":
                yield Found(block, element)


def find(blocks: Iterable[Json], action: str, value: Any = None, block: str | None = None) -> Found:
    """By action_id, or by the text of a button. Where rows of buttons share an action_id, the block_id or a
    button's value tells which; else it is the first. Raises `action_not_found`, naming what there is.
    """
    there = [one for one in elements(blocks) if block in (None, one.block.get("block_id")) and _acts(one)]
    for name in (lambda element: element.get("action_id"), lambda element: words.plain(_label(element))):
        for found in there:
            other = found.element.get("type") == "button" and value not in (None, found.element.get("value"))
            if name(found.element) == action and not other:
                return found
    known = [f"{found.element.get('action_id')} ({_label(found.element)})" for found in there]
    raise SlackError("action_not_found", extra={"detail": f"no {action!r} in {', '.join(known) or 'a plain message'}"})


def _acts(one: Found) -> bool:
    """An input block keeps what is filled in to itself unless it asks for `dispatch_action`."""
    return one.block.get("type") != "input" or bool(one.block.get("dispatch_action"))


def _label(element: Json) -> str:
    return str((element.get("text") or element.get("placeholder") or {}).get("text", ""))


def action(found: Found, chosen: Json, ts: str) -> Json:
    """One of the payload's `actions`; `chosen` is what the element's input holds after the click."""
    element = found.element
    shape: Json = {
        "action_id": element.get("action_id"),
        "block_id": found.block.get("block_id"),
        "type": element.get("type"),
        "action_ts": ts,
    }
    repeated = ("text", "value", "style", "url") if element.get("type") == "button" else ("placeholder",)
    return {**shape, **{key: element[key] for key in repeated if key in element}, **chosen}
