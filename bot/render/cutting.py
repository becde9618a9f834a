"""Text in parts that fit: never broken inside a link, an entity or a fence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.render.limits import SECTION

_ATOM = re.compile(r"<[^<>\n]*>|&(?:amp|lt|gt);|.", re.DOTALL)


def short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def length(text: str) -> int:
    """Length in UTF-16 units, the larger of the two ways in which it may be counted."""
    return len(text) if text.isascii() else len(text) + sum(c > "\uffff" for c in text)


def cut(text: str, most: int) -> str:
    """At most `most` characters of mrkdwn, never ending inside a link, an entity, or (open) inline code."""
    if length(text) <= most:
        return text
    return f"{next(_wrapped(text, most - 1))}…"


def _wrapped(text: str, most: int) -> Iterator[str]:
    """The text in parts of at most `most`; inline code is closed at the end of one and opened again in the next."""
    if length(text) < most:
        yield text
        return
    part, size, open_code = "", 0, False
    for atom in _ATOM.findall(text):
        if part and size + length(atom) > most - 1:
            yield f"{part}`" if open_code else part
            part = "`" if open_code else ""
            size = len(part)
        open_code ^= atom == "`"
        part, size = part + atom, size + length(atom)
    if part:
        yield part


def pieces(text: str, most: int = SECTION) -> Iterator[str]:
    """The text in parts that end at line ends where possible; a ``` fence is closed and opened again."""
    part: list[str] = []
    size, open_fence = 0, False
    lines = (piece for line in text.split("\n") for piece in (_wrapped(line, most - 10) if line else ("",)))
    for line in lines:
        if part and size + length(line) + 1 > most - 4:
            yield "\n".join([*part, "```"] if open_fence else part)
            part = ["```"] if open_fence else []
            size = 4 * len(part)
        open_fence ^= line.count("```") % 2 == 1
        part.append(line)
        size += length(line) + 1
    yield "\n".join(part)
