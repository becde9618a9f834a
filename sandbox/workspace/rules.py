"""Block Kit's limits, as Slack checks them.

Source: Slack's reference of blocks, block elements and composition objects. This is a copy of its own on purpose:
the bot's renderer has another, and a mistake in one is found by the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.workspace.errors import SlackError, invalid_blocks

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
TEXT = 40_000
ID = 255

_PLAIN = ("plain_text",)
_ANY = ("plain_text", "mrkdwn")


class _Findings(list[str]):
    """What is wrong, each with a JSON pointer to the place."""

    def say(self, words: str, at: str) -> None:
        self.append(f"{words} [json-pointer:{at}]")

    def length(self, value: Any, at: str, limit: int, *, least: int = 1) -> None:
        if not isinstance(value, str):
            self.say("must be a string", at)
        elif len(value) < least:
            self.say(f"must be more than {least - 1} characters", at)
        elif len(value) > limit:
            self.say(f"must be less than {limit + 1} characters", at)

    def optional(self, holder: dict[str, Any], key: str, at: str, limit: int, *, least: int = 1) -> None:
        if holder.get(key) is not None:
            self.length(holder[key], f"{at}/{key}", limit, least=least)

    def keys(self, holder: dict[str, Any], allowed: Iterable[str], at: str) -> None:
        for key in holder.keys() - {"type", *allowed}:
            self.say(f"invalid additional property: {key}", at)

    def text(self, value: Any, at: str, limit: int, kinds: tuple[str, ...] = _ANY) -> None:
        """A text object (composition object "text")."""
        if not isinstance(value, dict):
            self.say("missing required field: text" if value is None else "must be an object", at)
            return
        if value.get("type") not in kinds:
            self.say(f"must be one of: {', '.join(kinds)}", f"{at}/type")
        self.keys(value, ("text", "emoji" if value.get("type") == "plain_text" else "verbatim"), at)
        self.length(value.get("text"), f"{at}/text", limit)

    def items(self, value: Any, at: str, most: int, *, least: int = 1) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            self.say("must be an array", at)
            return []
        if len(value) < least:
            self.say(f"no fewer than {least} items required", at)
        if len(value) > most:
            self.say(f"no more than {most} items allowed", at)
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                self.say("must be an object", f"{at}/{number}")
        return [item for item in value if isinstance(item, dict)]


def check_text(text: str) -> None:
    """Raises `msg_too_long` above 40,000 characters."""
    if len(text) > TEXT:
        raise SlackError("msg_too_long")


def check_blocks(blocks: Any, *, limit: int = MESSAGE_BLOCKS) -> None:
    """Raises `invalid_blocks` naming everything that is wrong; `invalid_blocks_format` when it is no list."""
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    findings = _Findings()
    seen: set[str] = set()
    for number, block in enumerate(findings.items(blocks, "/blocks", limit, least=0)):
        at = f"/blocks/{number}"
        findings.optional(block, "block_id", at, ID)
        block_id = block.get("block_id")
        if block_id in seen:
            findings.say(f"block_id {block_id} already exists", f"{at}/block_id")
        if isinstance(block_id, str):
            seen.add(block_id)
        check = _BLOCKS.get(str(block.get("type")))
        if check is None:
            findings.say(f"unsupported type: {block.get('type')}", f"{at}/type")
        else:
            check(block, at, findings)
    if findings:
        raise invalid_blocks(findings)


# -- blocks


def _section(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id", "text", "fields", "accessory", "expand"), at)
    if block.get("text") is None and block.get("fields") is None:
        findings.say("missing required field: text or fields", at)
    if block.get("text") is not None:
        findings.text(block["text"], f"{at}/text", 3000)
    if block.get("fields") is not None:
        for number, item in enumerate(findings.items(block["fields"], f"{at}/fields", 10)):
            findings.text(item, f"{at}/fields/{number}", 2000)
    if block.get("accessory") is not None:
        _elements([block["accessory"]], f"{at}/accessory", findings, alone=True)


def _header(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id", "text", "level"), at)
    findings.text(block.get("text"), f"{at}/text", 150, _PLAIN)


def _context(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id", "elements"), at)
    for number, item in enumerate(findings.items(block.get("elements"), f"{at}/elements", 10)):
        place = f"{at}/elements/{number}"
        if item.get("type") == "image":
            _image(item, place, findings)
        else:
            findings.text(item, place, 3000)


def _actions(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id", "elements"), at)
    _elements(findings.items(block.get("elements"), f"{at}/elements", 25), f"{at}/elements", findings)


def _divider(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id",), at)


def _image(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id", "image_url", "slack_file", "alt_text", "title"), at)
    findings.length(block.get("alt_text"), f"{at}/alt_text", 2000, least=0)
    if block.get("slack_file") is None:
        findings.length(block.get("image_url"), f"{at}/image_url", 3000)
    if block.get("title") is not None:
        findings.text(block["title"], f"{at}/title", 2000, _PLAIN)


def _markdown(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id", "text"), at)
    findings.length(block.get("text"), f"{at}/text", 12_000)


def _input(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id", "label", "element", "dispatch_action", "hint", "optional"), at)
    findings.text(block.get("label"), f"{at}/label", 2000, _PLAIN)
    if block.get("hint") is not None:
        findings.text(block["hint"], f"{at}/hint", 2000, _PLAIN)
    if not isinstance(block.get("element"), dict):
        findings.say("missing required field: element", at)
    else:
        findings.optional(block["element"], "action_id", f"{at}/element", ID)


def _rich_text(block: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(block, ("block_id", "elements"), at)
    if not isinstance(block.get("elements"), list):
        findings.say("must be an array", f"{at}/elements")


_BLOCKS: dict[str, Callable[[dict[str, Any], str, _Findings], None]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "divider": _divider,
    "image": _image,
    "markdown": _markdown,
    "input": _input,
    "rich_text": _rich_text,
}


# -- elements


def _elements(elements: list[Any], at: str, findings: _Findings, *, alone: bool = False) -> None:
    """The elements of one block; an action_id is unique among them."""
    seen: set[str] = set()
    for number, element in enumerate(elements):
        place = at if alone else f"{at}/{number}"
        kind = element.get("type") if isinstance(element, dict) else None
        if kind == "image" and alone:
            _image(element, place, findings)
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


def _button(element: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(element, ("text", "action_id", "url", "value", "style", "confirm", "accessibility_label"), at)
    findings.text(element.get("text"), f"{at}/text", 75, _PLAIN)
    findings.optional(element, "value", at, 2000)
    findings.optional(element, "url", at, 3000)
    findings.optional(element, "accessibility_label", at, 75)
    if element.get("style") not in (None, "primary", "danger"):
        findings.say("must be one of: primary, danger", f"{at}/style")


def _options(options: Any, at: str, findings: _Findings, most: int, kinds: tuple[str, ...]) -> None:
    for number, option in enumerate(findings.items(options, at, most)):
        place = f"{at}/{number}"
        findings.keys(option, ("text", "value", "description", "url"), place)
        findings.text(option.get("text"), f"{place}/text", 75, kinds)
        findings.length(option.get("value"), f"{place}/value", 150)
        if option.get("description") is not None:
            findings.text(option["description"], f"{place}/description", 75, kinds)


def _static_select(element: dict[str, Any], at: str, findings: _Findings) -> None:
    allowed = ("placeholder", "action_id", "options", "option_groups", "initial_option", "confirm", "focus_on_load")
    findings.keys(element, allowed, at)
    if element.get("placeholder") is not None:
        findings.text(element["placeholder"], f"{at}/placeholder", 150, _PLAIN)
    if element.get("option_groups") is not None:
        for number, group in enumerate(findings.items(element["option_groups"], f"{at}/option_groups", 100)):
            place = f"{at}/option_groups/{number}"
            findings.text(group.get("label"), f"{place}/label", 75, _PLAIN)
            _options(group.get("options"), f"{place}/options", findings, 100, _PLAIN)
    else:
        _options(element.get("options"), f"{at}/options", findings, 100, _PLAIN)


def _overflow(element: dict[str, Any], at: str, findings: _Findings) -> None:
    findings.keys(element, ("action_id", "options", "confirm"), at)
    _options(element.get("options"), f"{at}/options", findings, 5, _PLAIN)


def _choices(element: dict[str, Any], at: str, findings: _Findings) -> None:
    """Checkboxes and radio buttons."""
    findings.keys(
        element, ("action_id", "options", "initial_option", "initial_options", "confirm", "focus_on_load"), at
    )
    _options(element.get("options"), f"{at}/options", findings, 10, _ANY)


def _picker(element: dict[str, Any], at: str, findings: _Findings) -> None:
    """Pickers whose choices are the workspace's or the calendar's: only their placeholder has a limit."""
    if element.get("placeholder") is not None:
        findings.text(element["placeholder"], f"{at}/placeholder", 150, _PLAIN)


def _confirm(value: Any, at: str, findings: _Findings) -> None:
    """Composition object "confirmation dialog"."""
    if not isinstance(value, dict):
        findings.say("must be an object", at)
        return
    findings.keys(value, ("title", "text", "confirm", "deny", "style"), at)
    findings.text(value.get("title"), f"{at}/title", 100, _PLAIN)
    findings.text(value.get("text"), f"{at}/text", 300)
    findings.text(value.get("confirm"), f"{at}/confirm", 30, _PLAIN)
    findings.text(value.get("deny"), f"{at}/deny", 30, _PLAIN)
    if value.get("style") not in (None, "primary", "danger"):
        findings.say("must be one of: primary, danger", f"{at}/style")


_ELEMENTS: dict[str, Callable[[dict[str, Any], str, _Findings], None]] = {
    "button": _button,
    "static_select": _static_select,
    "overflow": _overflow,
    "checkboxes": _choices,
    "radio_buttons": _choices,
    "users_select": _picker,
    "channels_select": _picker,
    "conversations_select": _picker,
    "datepicker": _picker,
    "timepicker": _picker,
    "datetimepicker": _picker,
}
