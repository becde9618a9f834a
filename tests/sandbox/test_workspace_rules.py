"""Block Kit's limits: what just fits, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.workspace import SlackError, rules


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def words(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": words(text), **more}


def button(text: str = "Go", **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain(text), **more}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def option(value: str, text: str = "one") -> dict[str, Any]:
    return {"text": plain(text), "value": value}


def menu(*options: dict[str, Any], kind: str = "static_select") -> dict[str, Any]:
    return {"type": kind, "options": list(options)}


CONFIRM = {"title": plain("Sure?"), "text": words("Really"), "confirm": plain("Yes"), "deny": plain("No")}

FITS = [
    [section("x" * 3000)] * 50,
    [{"type": "header", "text": plain("x" * 150)}, {"type": "divider"}],
    [{"type": "section", "fields": [words("x" * 2000)] * 10}],
    [actions(*[button("x" * 75, value="v" * 2000, action_id=f"a{n}", confirm=CONFIRM) for n in range(25)])],
    [{"type": "context", "elements": [words("x"), plain("y")]}],
    [{"type": "image", "image_url": "https://x.example/i.png", "alt_text": "a chart"}],
    [section(accessory=menu(option("1"), option("2"), kind="overflow"))],
    [actions(menu(*[option(str(n)) for n in range(100)]))],
    [section(block_id="b" * 255), section(block_id="c" * 255)],
    [{"type": "rich_text", "elements": []}, {"type": "markdown", "text": "**x**"}],
]

TOO_MUCH = {
    "51 blocks": ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    "long section": ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    "empty section": ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    "section of nothing": ([{"type": "section"}], "missing required field: text or fields"),
    "long header": ([{"type": "header", "text": plain("x" * 151)}], "must be less than 151 characters"),
    "mrkdwn header": ([{"type": "header", "text": words("x")}], "must be one of: plain_text"),
    "11 fields": ([{"type": "section", "fields": [words("x")] * 11}], "no more than 10 items allowed"),
    "long field": ([{"type": "section", "fields": [words("x" * 2001)]}], "must be less than 2001 characters"),
    "long value": ([actions(button(value="x" * 2001))], "[json-pointer:/blocks/0/elements/0/value]"),
    "long label": ([actions(button("x" * 76))], "[json-pointer:/blocks/0/elements/0/text/text]"),
    "26 buttons": ([actions(*[button()] * 26)], "no more than 25 items allowed"),
    "no buttons": ([actions()], "no fewer than 1 items required"),
    "long action_id": ([actions(button(action_id="x" * 256))], "must be less than 256 characters"),
    "same action_id": ([actions(button(action_id="a"), button(action_id="a"))], "action_id a already exists"),
    "long block_id": ([section(block_id="x" * 256)], "[json-pointer:/blocks/0/block_id]"),
    "same block_id": ([section(block_id="b"), section(block_id="b")], "block_id b already exists"),
    "unknown block": ([{"type": "carousel"}], "unsupported type: carousel"),
    "unknown element": ([actions({"type": "knob"})], "unsupported type: knob"),
    "unknown key": ([section(colour="red")], "invalid additional property: colour"),
    "unknown style": ([actions(button(style="loud"))], "must be one of: primary, danger"),
    "11 context elements": ([{"type": "context", "elements": [words("x")] * 11}], "no more than 10 items allowed"),
    "image without words": ([{"type": "image", "image_url": "https://x.example"}], "must be a string"),
    "101 options": ([actions(menu(*[option(str(n)) for n in range(101)]))], "no more than 100 items allowed"),
    "6 in overflow": ([actions(menu(*[option(str(n)) for n in range(6)], kind="overflow"))], "no more than 5 items"),
    "long confirm": ([actions(button(confirm={**CONFIRM, "text": words("x" * 301)}))], "less than 301 characters"),
    "not an object": (["hello"], "must be an object [json-pointer:/blocks/0]"),
}


@pytest.mark.parametrize("blocks", FITS)
def test_what_just_fits_is_accepted(blocks: list[dict[str, Any]]) -> None:
    rules.check_blocks(blocks)


@pytest.mark.parametrize(("blocks", "finding"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_is_too_much_is_refused_with_its_place(blocks: list[Any], finding: str) -> None:
    with pytest.raises(SlackError) as raised:
        rules.check_blocks(blocks)
    assert raised.value.code == "invalid_blocks"
    assert any(finding in line for line in raised.value.body["response_metadata"]["messages"])


def test_text_ends_at_forty_thousand_characters() -> None:
    rules.check_text("x" * 40_000)
    with pytest.raises(SlackError, match="msg_too_long"):
        rules.check_text("x" * 40_001)
