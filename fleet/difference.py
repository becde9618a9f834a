"""What differs between two configurations, by the path of each key: `radio.bands[2]`, `"a key".limit`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ABSENT = object()


class How(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One key. `before` and `after` are JSON texts, empty on the side where the key is not."""

    path: str
    how: How
    before: str
    after: str


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """All of them, in the order of their keys; a key that is on one side only is one difference, however deep."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from differences(before.get(key, _ABSENT), after.get(key, _ABSENT), _below(path, key))
    elif isinstance(before, list) and isinstance(after, list):
        for at in range(max(len(before), len(after))):
            yield from differences(_at(before, at), _at(after, at), f"{path}[{at}]")
    elif before is _ABSENT:
        yield Difference(path, How.ADDED, "", _text(after))
    elif after is _ABSENT:
        yield Difference(path, How.REMOVED, _text(before), "")
    elif _text(before) != _text(after):  # as JSON, where true is not 1
        yield Difference(path, How.CHANGED, _text(before), _text(after))


def _at(values: list[Any], at: int) -> Any:
    return values[at] if at < len(values) else _ABSENT


def _below(path: str, key: str) -> str:
    name = key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{name}" if path else name


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
