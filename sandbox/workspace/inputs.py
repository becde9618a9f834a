"""What a person fills in: the inputs of a view or message, and their `state.values`.

Source: Slack's reference of interaction payloads, `view.state.values`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.workspace.clicks import Found, elements
from sandbox.workspace.errors import SlackError

Json = dict[str, Any]
Values = dict[str, dict[str, Json]]


@dataclass(frozen=True, slots=True)
class Kind:
    """The key of its value in `state.values`, and that of the element which holds the value from the start."""

    key: str
    initial: str
    options: bool = False
    many: bool = False


_TEXT = Kind("value", "initial_value")
_OPTION = Kind("selected_option", "initial_option", options=True)
_OPTIONS = Kind("selected_options", "initial_options", options=True, many=True)

KINDS: Mapping[str, Kind] = {
    "plain_text_input": _TEXT,
    "email_text_input": _TEXT,
    "url_text_input": _TEXT,
    "number_input": _TEXT,
    "static_select": _OPTION,
    "radio_buttons": _OPTION,
    "multi_static_select": _OPTIONS,
    "checkboxes": _OPTIONS,
    "users_select": Kind("selected_user", "initial_user"),
    "multi_users_select": Kind("selected_users", "initial_users", many=True),
    "channels_select": Kind("selected_channel", "initial_channel"),
    "conversations_select": Kind("selected_conversation", "initial_conversation"),
    "datepicker": Kind("selected_date", "initial_date"),
    "timepicker": Kind("selected_time", "initial_time"),
    "datetimepicker": Kind("selected_date_time", "initial_date_time"),
}


def filled(element: Json, given: Any) -> Json:
    """One entry of `state.values`. An option is given by its value or its words; nothing empties the input.

    Raises `option_not_found`.
    """
    kind = KINDS[element["type"]]
    many = [given] if kind.many and isinstance(given, str) else given
    if not given:
        value: Any = [] if kind.many else None
    elif kind.many:
        value = [option(element, one) if kind.options else one for one in many]
    else:
        value = option(element, given) if kind.options else given
    return {"type": element["type"], kind.key: value}


def chosen(element: Json, value: Any) -> Json:
    """What an element holds when it was clicked; a button holds nothing. Raises `option_not_found`."""
    if element["type"] in ("overflow", "static_select", "radio_buttons"):
        return {"type": element["type"], "selected_option": option(element, value)}
    return filled(element, value) if element["type"] in KINDS else {}


def option(element: Json, value: Any) -> Json:
    """The option of a menu that has this value or these words."""
    options = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        options += group.get("options", [])
    for one in options:
        if value in (one.get("value"), one.get("text", {}).get("text")):
            return dict(one)
    raise SlackError("option_not_found", extra={"detail": f"{value!r} is none of {[o.get('value') for o in options]}"})


def values(blocks: Iterable[Json], kept: Values | None = None) -> Values:
    """What stands in the inputs: what was filled in before under the same ids, or what the app gave from the start."""
    found: Values = {}
    for one in elements(blocks):
        if one.element["type"] in KINDS:
            block_id, action_id = one.place
            before = (kept or {}).get(block_id, {}).get(action_id)
            if before is None or before["type"] != one.element["type"]:
                before = _from_start(one.element)
            found.setdefault(block_id, {})[action_id] = before
    return found


def _from_start(element: Json) -> Json:
    kind = KINDS[element["type"]]
    first = element.get(kind.initial)
    return {"type": element["type"], kind.key: first if first is not None else [] if kind.many else None}


def missing(blocks: Iterable[Json], values: Values) -> dict[str, str]:
    """By block_id what keeps Slack's client from submitting: an input that is empty, too short, or too long."""
    found = {}
    for one in elements(blocks):
        if one.block.get("type") == "input":
            block_id, action_id = one.place
            if said := _missing(one, values[block_id][action_id][KINDS[one.element["type"]].key]):
                found[block_id] = said
    return found


def _missing(one: Found, value: Any) -> str | None:
    if not value:
        return None if one.block.get("optional") else "Please complete this required field."
    least, most = one.element.get("min_length") or 0, one.element.get("max_length") or 3000
    if isinstance(value, str) and len(value) < least:
        return f"This needs at least {least} characters."
    if isinstance(value, str) and len(value) > most:
        return f"This may have at most {most} characters."
    return None


def find(blocks: Iterable[Json], name: str) -> Found:
    """An input by its block_id, its action_id or its label. Raises `input_not_found`, naming what there is."""
    there = [one for one in elements(blocks) if one.element["type"] in KINDS]
    for one in there:
        if name in _names(one):
            return one
    known = ", ".join(" or ".join(_names(one)) for one in there) or "nothing to fill in"
    raise SlackError("input_not_found", extra={"detail": f"no {name!r} in {known}"})


def _names(one: Found) -> list[str]:
    label = (one.block.get("label") or {}).get("text")
    return [name for name in (label, *one.place) if name]
