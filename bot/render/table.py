"""Rows as an aligned block in a fixed-width font, cut to fit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.render.cutting import length, short
from bot.render.limits import SECTION, TABLE_CELL, TABLE_LAST
from bot.render.values import Mrkdwn, ago, escape, line_of, moment_of, plural


def table(
    rows: Sequence[Any],
    columns: Mapping[str, str] | Sequence[str],
    now: datetime | str | None = None,
    most: int = SECTION - 100,
    cell: int = TABLE_CELL,
) -> Mrkdwn:
    """Rows under their titles, numbers to the right, as many as fit into `most` characters, each cell into `cell`.

    The last cell of a row has more room, as it moves none beside it: long text belongs into the last column.
    Moments, also those that are ISO text by now, are shown as `ago` if `now` is given, in UTC otherwise.
    """
    picked = [[row[key] for key in columns.values()] if isinstance(columns, Mapping) else row for row in rows]
    cells = [[_cell(value, now) for value in row] for row in picked]
    if any(len(row) != len(columns) for row in cells):
        raise ValueError(f"A row of the table has not the {len(columns)} columns {', '.join(columns)}.")
    shown = [
        [*(short(text, cell) for text in before), _at_a_word(last, max(cell, TABLE_LAST))]
        for *before, last in ([*columns], *cells)
    ]
    widths = [max(_width(row[at]) for row in shown) for at in range(len(columns))]
    right = [_are_numbers([row[at] for row in picked]) for at in range(len(columns))]
    lines = [escape("  ".join(map(_padded, row, widths, right)).rstrip()) for row in shown]
    kept: list[str] = []
    size = 0
    for line in lines:
        size += length(line) + 1
        if size > most - 40:
            kept.append(f"… {plural(len(lines) - len(kept), 'more row')}")
            break
        kept.append(line)
    return Mrkdwn("\n".join(["```", *kept, "```"]))


_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


def _cell(value: Any, now: datetime | str | None) -> str:
    if isinstance(value, datetime) or (isinstance(value, str) and _ISO.fullmatch(value)):
        return ago(value, now) if now is not None else line_of(moment_of(value))
    return f"{value:,}" if type(value) is int else line_of(value).strip()


def _at_a_word(text: str, most: int) -> str:
    """At most so long, cut between two words where one ends in the last third."""
    if len(text) <= most:
        return text
    end = text.rfind(" ", most * 2 // 3, most)
    return f"{text[:end].rstrip()} …" if end > 0 else short(text, most)


def _are_numbers(values: Iterable[Any]) -> bool:
    """True for a column of numbers; None may stand between them."""
    kinds = {type(value) for value in values} - {type(None)}
    return bool(kinds) and kinds <= {int, float}


def _padded(cell: str, width: int, right: bool) -> str:
    blanks = " " * (width - _width(cell))
    return f"{blanks}{cell}" if right else f"{cell}{blanks}"


def _width(text: str) -> int:
    """Columns in a fixed-width font: wide characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
