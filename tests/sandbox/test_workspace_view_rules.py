"""What a modal and a Home tab may hold: what just fits, and what does not."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from sandbox.workspace import SlackError
from sandbox.workspace.view_rules import check_view


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def asks(**element: Any) -> dict[str, Any]:
    return {"type": "input", "label": plain("Reason"), "element": {"type": "plain_text_input", **element}}


def modal(*blocks: Any, **more: Any) -> dict[str, Any]:
    frame = {"title": plain("Reject"), "submit": plain("Reject")}
    return {"type": "modal", **frame, "blocks": [*blocks], **more}


ONE = {"text": plain("One"), "value": "1"}
TWO = {"text": plain("Two"), "value": "2"}
MENU = {"type": "static_select", "options": [ONE, TWO]}
DIVIDER = {"type": "divider"}

FITS: list[tuple[Any, Literal["modal", "home"]]] = [
    (modal(*[DIVIDER] * 100, private_metadata="x" * 3000, callback_id="c" * 255, title=plain("t" * 24)), "modal"),
    (modal(asks(min_length=0, max_length=3000, multiline=True, initial_value="x" * 3000)), "modal"),
    (modal(asks(type="number_input", is_decimal_allowed=False, min_value="1")), "modal"),
    (modal({**asks(), "element": {**MENU, "initial_option": TWO}}, notify_on_close=True), "modal"),
    ({"type": "modal", "title": plain("Wait"), "blocks": [DIVIDER]}, "modal"),
    ({"type": "home", "blocks": [DIVIDER]}, "home"),
]

TOO_MUCH: dict[str, tuple[Any, Literal["modal", "home"], str]] = {
    "no view": ("modal", "modal", "must provide an object [json-pointer:/view]"),
    "a home": ({"type": "home", "blocks": []}, "modal", "must be modal [json-pointer:/view/type]"),
    "a modal": (modal(), "home", "must be home [json-pointer:/view/type]"),
    "101 blocks": (modal(*[DIVIDER] * 101), "modal", "no more than 100 items allowed [json-pointer:/view/blocks]"),
    "long title": (modal(title=plain("t" * 25)), "modal", "must be less than 25 characters [json-pointer:/view/title"),
    "no title": (modal(title=None), "modal", "missing required field: text [json-pointer:/view/title]"),
    "long submit": (modal(submit=plain("t" * 25)), "modal", "[json-pointer:/view/submit/text]"),
    "long close": (modal(close=plain("t" * 25)), "modal", "[json-pointer:/view/close/text]"),
    "no submit": (modal(asks(), submit=None), "modal", "missing required field: submit [json-pointer:/view]"),
    "much metadata": (modal(private_metadata="x" * 3001), "modal", "[json-pointer:/view/private_metadata]"),
    "long callback_id": (modal(callback_id="x" * 256), "modal", "[json-pointer:/view/callback_id]"),
    "unknown key": (modal(colour="red"), "modal", "invalid additional property: colour"),
    "no element": (modal({"type": "input", "label": plain("x")}), "modal", "missing required field: element"),
    "a button as input": (modal(asks(type="button")), "modal", "unsupported type: button"),
    "min_length": (modal(asks(min_length=3001)), "modal", "must be between 0 and 3000"),
    "max_length": (modal(asks(max_length=0)), "modal", "must be between 1 and 3000"),
    "long initial_value": (modal(asks(initial_value="x" * 3001)), "modal", "blocks/0/element/initial_value]"),
    "strange initial_option": (
        modal({**asks(), "element": {**MENU, "initial_option": {"text": plain("Two"), "value": "3"}}}),
        "modal",
        "must match one of the options",
    ),
    "number of what kind": (modal(asks(type="number_input")), "modal", "missing required field: is_decimal_allowed"),
}


@pytest.mark.parametrize(("view", "kind"), FITS)
def test_a_view_that_just_fits_is_accepted(view: Any, kind: Literal["modal", "home"]) -> None:
    check_view(view, kind)


@pytest.mark.parametrize(("view", "kind", "finding"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_a_view_that_is_too_much_is_refused_with_the_place(
    view: Any, kind: Literal["modal", "home"], finding: str
) -> None:
    with pytest.raises(SlackError) as raised:
        check_view(view, kind)
    assert raised.value.code == "invalid_arguments"
    assert any(finding in line for line in raised.value.body["response_metadata"]["messages"])


def test_a_view_may_have_a_quarter_of_a_megabyte() -> None:
    section = {"type": "section", "text": plain("x" * 3000)}
    with pytest.raises(SlackError, match="view_too_large"):
        check_view(modal(*[section] * 84), "modal")
