"""The text of a filled template as Block Kit: lines of one kind that stand together make one block."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from bot.render.cutting import cut, length, pieces, short
from bot.render.limits import ACTIONS, BUTTON, BUTTON_VALUE, CONFIRM, FIELD, FIELDS, HEADER
from bot.render.templates import FIELD_LINE, HEADER_LINE, RULE_LINE, SMALL_LINE
from bot.render.values import line_of, plural
from fleet.message import Button, Style

Block = dict[str, Any]

_RUNS, REPLACES, FORMS = "run:", "replace:", "form:"
"""How action ids begin: the answer of `replace:…` takes the place of the message that the button stands in, and that of
`form:…` is shown in a modal."""

_MARKUP = re.compile(
    r"<(?:!date\^[^|<>]*\|(?P<date>[^<>]*)|https?://[^|<>]*\|(?P<label>[^<>]*)|(?P<url>https?://[^|<>]*))>"
)
_PAIRED = re.compile(r"(?<![\w*_~])([*_~])(?=\S)([^\n]+?)(?<=\S)\1(?![\w*_~])")


def plain(text: str) -> str:
    """Mrkdwn without formatting: links as their labels, dates as their fallback. Mentions and entities stay."""
    text = _MARKUP.sub(lambda found: found["date"] or found["label"] or found["url"] or "", text.strip())
    return re.sub(r"[`\ue001-\ue004]", "", _PAIRED.sub(r"\2", text)).strip()


def _unescaped(text: str) -> str:
    """For plain_text objects, which show `&` as it is and know no markup."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def blocks_of(body: str) -> Iterator[Block]:
    """Blocks of the rendered text: lines of one kind that stand together make one."""
    for kind, lines in groupby(_kinds(body), key=lambda each: each[0]):
        texts = [text for _, text in lines]
        if kind == HEADER_LINE:
            yield from (_header(text) for text in texts if text.strip())
        elif kind == RULE_LINE:
            yield from ({"type": "divider"} for _ in texts)
        elif kind == FIELD_LINE:
            for at in range(0, len(texts), FIELDS):
                yield {"type": "section", "fields": [_field(text) for text in texts[at : at + FIELDS]]}
        elif kind == SMALL_LINE:
            yield from (context(piece) for piece in pieces("\n".join(texts)) if piece.strip())
        elif kind:
            yield from (_section(piece) for piece in pieces("\n".join(texts)) if piece.strip())


def _kinds(body: str) -> Iterator[tuple[str, str]]:
    """Each line with its marker; a paragraph's lines share a number, blank lines outside a fence have no kind."""
    paragraph, open_fence = 0, False
    for line in body.split("\n"):
        if not open_fence and line[:1] in (HEADER_LINE, RULE_LINE, FIELD_LINE, SMALL_LINE):
            yield line[0], line[1:]
        elif not open_fence and not line.strip():
            paragraph += 1
            yield "", ""
        else:
            open_fence ^= line.count("```") % 2 == 1
            yield f"text {paragraph}", line


def _mrkdwn(text: str) -> dict[str, Any]:
    """Verbatim, because Slack would otherwise link `@here` and `#channel` where a value merely says so."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain_text(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(_unescaped(text), most), "emoji": True}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _header(text: str) -> Block:
    return {"type": "header", "text": _plain_text(plain(text), HEADER)}


def context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _field(line: str) -> dict[str, Any]:
    label, _, value = line.partition(": ")
    return _mrkdwn(cut(f"*{label.strip().removesuffix(':')}*\n{value.strip() or '–'}", FIELD))


def action_rows(buttons: Sequence[Button]) -> Iterator[Block]:
    elements = [_button(button, at) for at, button in enumerate(buttons)]
    for at in range(0, len(elements), ACTIONS):
        yield {"type": "actions", "elements": elements[at : at + ACTIONS]}


def _button(button: Button, at: int) -> dict[str, Any]:
    """A button whose value is the line that it runs. A line cut short would be another line, so that raises."""
    if length(button.run) > BUTTON_VALUE:
        raise ValueError(f"The button {button.text} runs a line of more than {BUTTON_VALUE} characters.")
    made: dict[str, Any] = {
        "type": "button",
        "action_id": f"{FORMS if button.form else REPLACES if button.replaces else _RUNS}{at}",
        "text": {"type": "plain_text", "text": short(line_of(button.text), BUTTON), "emoji": True},
        "value": button.run,
    }
    if button.style is not Style.PLAIN:
        made["style"] = str(button.style)
    if button.confirm:
        made["confirm"] = {
            "title": {"type": "plain_text", "text": "Are you sure?"},
            "text": {"type": "plain_text", "text": short(line_of(button.confirm), CONFIRM)},
            "confirm": {"type": "plain_text", "text": short(line_of(button.text), 30)},
            "deny": {"type": "plain_text", "text": "Cancel"},
        }
    return made


def cut_to_fit(blocks: list[Block], most: int) -> list[Block]:
    """As many blocks as fit, and how many lines were left out."""
    if len(blocks) <= most:
        return blocks
    lost = sum(_line_count(block) for block in blocks[most - 1 :])
    return [*blocks[: most - 1], context(f"… {plural(lost, 'more line')} not shown")]


def _line_count(block: Block) -> int:
    if "fields" in block:
        return len(block["fields"])
    texts = [block.get("text"), *block.get("elements", [])]
    return sum(text["text"].count("\n") + 1 for text in texts if text)
