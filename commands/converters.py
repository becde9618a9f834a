"""Words as values: what each annotation of a command's signature takes, and what people should write for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, NewType

from fleet import selector
from fleet.durations import duration
from fleet.errors import BadInput
from fleet.selector import Selector

Rest = NewType("Rest", str)
"""The raw rest of the line, quotes and spaces kept: for JSON and for reasons. Flags stand before it.

A rest that is one quoted word, as forms write it, is the text inside the quotes.
"""


def converter(annotation: Any) -> tuple[Callable[[str], Any], str] | None:
    """How to read a word as that type, and what to write for it."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return lambda text: annotation(text.lower()), "|".join(annotation)
    return _CONVERTERS.get(annotation)


def _yes_or_no(text: str) -> bool:
    if text.lower() in ("yes", "true", "on", "1"):
        return True
    if text.lower() in ("no", "false", "off", "0"):
        return False
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not float("-inf") < number < float("inf"):
        raise ValueError(text)
    return number


def _timedelta(text: str) -> timedelta:
    if text == "0":
        return timedelta(0)
    try:
        value = duration(text)
    except ValueError as error:
        raise BadInput(f"{error}. Write a shorter time, such as 7d.") from None
    if not isinstance(value, timedelta):
        raise ValueError(text)
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_CONVERTERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    str: (str, ""),
    int: (int, "whole number"),
    float: (_finite, "number"),
    bool: (_yes_or_no, "yes|no"),
    timedelta: (_timedelta, "time such as 30s, 5m, 24h or 7d"),
    date: (date.fromisoformat, "date such as 2026-03-19"),
    datetime: (_moment, "moment such as 2026-03-19T08:30"),
    Selector: (selector.parse, "selector"),
    Rest: (Rest, "text"),
}
