"""Block Kit's limits, as Slack checks them.

Source: Slack's reference of blocks, block elements and composition objects. This is a copy of its own on purpose:
the bot's renderer has another, and a mistake in one is found by the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.workspace.elements import check_elements, check_image, check_input_element
from sandbox.workspace.errors import SlackError, invalid_blocks
from sandbox.workspace.findings import ID, PLAIN, Findings

MESSAGE_BLOCKS = 50
TEXT = 40_000


def check_text(text: str) -> None:
    """Raises `msg_too_long` above 40,000 characters."""
    if len(text) > TEXT:
        raise SlackError("msg_too_long")


def check_blocks(blocks: Any) -> None:
    """A message's blocks. Raises `invalid_blocks` naming everything that is wrong, `invalid_blocks_format` when it
    is no list.
    """
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    findings = Findings()
    find_in_blocks(blocks, "/blocks", findings, limit=MESSAGE_BLOCKS)
    if findings:
        raise invalid_blocks(findings)


def find_in_blocks(blocks: Any, at: str, findings: Findings, *, limit: int) -> None:
    """What is wrong with the blocks of a message or a view."""
    seen: set[str] = set()
    for number, block in enumerate(findings.items(blocks, at, limit, least=0)):
        place = f"{at}/{number}"
        findings.optional(block, "block_id", place, ID)
        block_id = block.get("block_id")
        if block_id in seen:
            findings.say(f"block_id {block_id} already exists", f"{place}/block_id")
        if isinstance(block_id, str):
            seen.add(block_id)
        check = _BLOCKS.get(str(block.get("type")))
        if check is None:
            findings.say(f"unsupported type: {block.get('type')}", f"{place}/type")
        else:
            check(block, place, findings)


# -- blocks


def _section(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id", "text", "fields", "accessory", "expand"), at)
    if block.get("text") is None and block.get("fields") is None:
        findings.say("missing required field: text or fields", at)
    if block.get("text") is not None:
        findings.text(block["text"], f"{at}/text", 3000)
    if block.get("fields") is not None:
        for number, item in enumerate(findings.items(block["fields"], f"{at}/fields", 10)):
            findings.text(item, f"{at}/fields/{number}", 2000)
    if block.get("accessory") is not None:
        check_elements([block["accessory"]], f"{at}/accessory", findings, alone=True)


def _header(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id", "text", "level"), at)
    findings.text(block.get("text"), f"{at}/text", 150, PLAIN)


def _context(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id", "elements"), at)
    for number, item in enumerate(findings.items(block.get("elements"), f"{at}/elements", 10)):
        place = f"{at}/elements/{number}"
        if item.get("type") == "image":
            check_image(item, place, findings)
        else:
            findings.text(item, place, 3000)


def _actions(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id", "elements"), at)
    check_elements(findings.items(block.get("elements"), f"{at}/elements", 25), f"{at}/elements", findings)


def _divider(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id",), at)


def _markdown(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id", "text"), at)
    findings.length(block.get("text"), f"{at}/text", 12_000)


def _input(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id", "label", "element", "dispatch_action", "hint", "optional"), at)
    findings.text(block.get("label"), f"{at}/label", 2000, PLAIN)
    if block.get("hint") is not None:
        findings.text(block["hint"], f"{at}/hint", 2000, PLAIN)
    if not isinstance(block.get("element"), dict):
        findings.say("missing required field: element", at)
    else:
        check_input_element(block["element"], f"{at}/element", findings)


def _rich_text(block: dict[str, Any], at: str, findings: Findings) -> None:
    findings.keys(block, ("block_id", "elements"), at)
    if not isinstance(block.get("elements"), list):
        findings.say("must be an array", f"{at}/elements")


_BLOCKS: dict[str, Callable[[dict[str, Any], str, Findings], None]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "divider": _divider,
    "image": check_image,
    "markdown": _markdown,
    "input": _input,
    "rich_text": _rich_text,
}
