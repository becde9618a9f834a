"""Rows as lines of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def line(row: Sequence[object]) -> bytes:
    """One row in UTF-8, with its line end."""
    made = io.StringIO()
    csv.writer(made).writerow([_cell(value) for value in row])
    return made.getvalue().encode("utf-8", "replace")


def whole(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A small file in full."""
    return b"".join([line(columns), *(line(row) for row in rows)])


def _cell(value: object) -> object:
    """Moments in ISO 8601. What a device said may not become a formula when somebody opens the file as a table."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
