"""The limits of block elements and of what an input block may hold, as Slack checks them.

Source: Slack's reference of block elements and composition objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.workspace.findings import ANY, ID, PLAIN, Findings

#: The longest text that can be typed into one input.
TYPED = 3000

Check = Callable[[dict[str, Any], str, Findings], None]


def check_image(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id", "image_url", "slack_file", "alt_text", "title"), at)
    findings.length(block.get("alt_text"), f"{at}/alt_text", 2000, least=0)
    if block.get("slack_file") is None:
        findings.length(block.get("image_url"), f"{at}/image_url", 3000)
    if block.get("title") is not None:
        findings.text(block["title"], f"{at}/title", 2000, PLAIN)


def check_elements(elements: list[Any], at: str, findings: Findings, *, alone: bool = False) -> None:
    """The elements of one block; an action_id is unique among them."""
    seen: set[str] = set()
    for number, element in enumerate(elements):
        place = at if alone else f"{at}/{number}"
        kind = element.get("type") if isinstance(element, dict) else None
        if kind == "image" and alone:
            check_image(element, place, findings)
            continue
        check = _ELEMENTS.get(str(kind))
        if check is None:
            findings.say(f"unsupported type: {kind}", f"{place}/type")
            continue
        findings.optional(element, "action_id", place, ID)
        action_id = element.get("action_id")
        if action_id in seen:
            findings.say(f"action_id {action_id} already exists", f"{place}/action_id")
        if isinstance(action_id, str):
            seen.add(action_id)
        if element.get("confirm") is not None:
            _confirm(element["confirm"], f"{place}/confirm", findings)
        check(element, place, findings)


def check_input_element(element: dict[str, Any], at: str, findings: Findings) -> None:
    """What an input block asks for."""
    findings.optional(element, "action_id", at, ID)
    check = _INPUTS.get(str(element.get("type")))
    if check is None:
        findings.say(f"unsupported type: {element.get('type')}", f"{at}/type")
    else:
        check(element, at, findings)


def _button(element: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(element, ("text", "action_id", "url", "value", "style", "confirm", "accessibility_label"), at)
    findings.text(element.get("text"), f"{at}/text", 75, PLAIN)
    findings.optional(element, "value", at, 2000)
    findings.optional(element, "url", at, 3000)
    findings.optional(element, "accessibility_label", at, 75)
    if element.get("style") not in (None, "primary", "danger"):
        findings.say("must be one of: primary, danger", f"{at}/style")


def _options(options: Any, at: str, findings: Findings, most: int, kinds: tuple[str, ...]) -> None:
    for number, option in enumerate(findings.items(options, at, most)):
        place = f"{at}/{number}"
        findings.keys(option, ("text", "value", "description", "url"), place)
        findings.text(option.get("text"), f"{place}/text", 75, kinds)
        findings.length(option.get("value"), f"{place}/value", 150)
        if option.get("description") is not None:
            findings.text(option["description"], f"{place}/description", 75, kinds)


def _select(element: dict[str, Any], at: str, findings: Findings) -> None:
    """One of a list, or several."""
    initial = "initial_options" if element.get("type") == "multi_static_select" else "initial_option"
    allowed = ("placeholder", "action_id", "options", "option_groups", "confirm", "focus_on_load", "max_selected_items")
    findings.keys(element, (*allowed, initial), at)
    _placeholder(element, at, findings)
    _initial(element, at, findings)
    if element.get("option_groups") is not None:
        for number, group in enumerate(findings.items(element["option_groups"], f"{at}/option_groups", 100)):
            place = f"{at}/option_groups/{number}"
            findings.text(group.get("label"), f"{place}/label", 75, PLAIN)
            _options(group.get("options"), f"{place}/options", findings, 100, PLAIN)
    else:
        _options(element.get("options"), f"{at}/options", findings, 100, PLAIN)


def _overflow(element: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(element, ("action_id", "options", "confirm"), at)
    _options(element.get("options"), f"{at}/options", findings, 5, PLAIN)


def _choices(element: dict[str, Any], at: str, findings: Findings) -> None:
    """Checkboxes and radio buttons."""
    findings.keys(
        element, ("action_id", "options", "initial_option", "initial_options", "confirm", "focus_on_load"), at
    )
    _options(element.get("options"), f"{at}/options", findings, 10, ANY)
    _initial(element, at, findings)


def _initial(element: dict[str, Any], at: str, findings: Findings) -> None:
    """What is chosen from the start must be among the options, letter by letter."""
    groups = element.get("option_groups") or []
    options = [*(element.get("options") or []), *(one for group in groups for one in group.get("options", []))]
    first = element.get("initial_option")
    for chosen in element.get("initial_options") or ([] if first is None else [first]):
        if chosen not in options:
            findings.say("must match one of the options", f"{at}/initial_option")


def _placeholder(element: dict[str, Any], at: str, findings: Findings) -> None:
    if element.get("placeholder") is not None:
        findings.text(element["placeholder"], f"{at}/placeholder", 150, PLAIN)


def _picker(element: dict[str, Any], at: str, findings: Findings) -> None:
    """Pickers whose choices are the workspace's or the calendar's: only their placeholder has a limit."""
    _placeholder(element, at, findings)


def _text_input(element: dict[str, Any], at: str, findings: Findings) -> None:
    """Lines to type into. `min_length` and `max_length` count characters."""
    own = ("multiline", "min_length", "max_length") if element.get("type") == "plain_text_input" else ()
    allowed = ("action_id", "initial_value", "placeholder", "dispatch_action_config", "focus_on_load")
    findings.keys(element, (*allowed, *own), at)
    _placeholder(element, at, findings)
    findings.optional(element, "initial_value", at, TYPED)
    for key, least in (("min_length", 0), ("max_length", 1)):
        length = element.get(key)
        if length is not None and not (isinstance(length, int) and least <= length <= TYPED):
            findings.say(f"must be between {least} and {TYPED}", f"{at}/{key}")


def _number_input(element: dict[str, Any], at: str, findings: Findings) -> None:
    allowed = ("action_id", "initial_value", "placeholder", "dispatch_action_config", "focus_on_load")
    findings.keys(element, (*allowed, "is_decimal_allowed", "min_value", "max_value"), at)
    _placeholder(element, at, findings)
    if not isinstance(element.get("is_decimal_allowed"), bool):
        findings.say("missing required field: is_decimal_allowed", at)


def _confirm(value: Any, at: str, findings: Findings) -> None:
    """Composition object "confirmation dialog"."""
    if not isinstance(value, dict):
        findings.say("must be an object", at)
        return
    findings.keys(value, ("title", "text", "confirm", "deny", "style"), at)
    findings.text(value.get("title"), f"{at}/title", 100, PLAIN)
    findings.text(value.get("text"), f"{at}/text", 300)
    findings.text(value.get("confirm"), f"{at}/confirm", 30, PLAIN)
    findings.text(value.get("deny"), f"{at}/deny", 30, PLAIN)
    if value.get("style") not in (None, "primary", "danger"):
        findings.say("must be one of: primary, danger", f"{at}/style")


_CHOICES: dict[str, Check] = {
    "static_select": _select,
    "multi_static_select": _select,
    "checkboxes": _choices,
    "radio_buttons": _choices,
    "users_select": _picker,
    "multi_users_select": _picker,
    "channels_select": _picker,
    "conversations_select": _picker,
    "datepicker": _picker,
    "timepicker": _picker,
    "datetimepicker": _picker,
}

_ELEMENTS: dict[str, Check] = {"button": _button, "overflow": _overflow, **_CHOICES}

_INPUTS: dict[str, Check] = {
    "plain_text_input": _text_input,
    "email_text_input": _text_input,
    "url_text_input": _text_input,
    "number_input": _number_input,
    **_CHOICES,
}
