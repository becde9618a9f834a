"""What differs between two configurations."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.difference import differences


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", "changed", "1", "2")]),
        ({"a": 1}, {}, [("a", "removed", "1", "")]),
        ({}, {"a": None}, [("a", "added", "", "null")]),
        ({"a": True}, {"a": 1}, [("a", "changed", "true", "1")]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("a.c", "changed", "2", "3")]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, [("a[1]", "changed", "2", "3"), ("a[2]", "added", "", "4")]),
        ({"a": {"b": 1}}, {"a": [1]}, [("a", "changed", '{"b":1}', "[1]")]),
        ({"a.b": 1}, {"a": {"b": 1}}, [("a", "added", "", '{"b":1}'), ('"a.b"', "removed", "1", "")]),
        ({"a": [{"x": 1}]}, {"a": [{"x": "é"}]}, [("a[0].x", "changed", "1", '"é"')]),
    ],
)
def test_what_differs(before: Any, after: Any, found: list[tuple[str, str, str, str]]) -> None:
    assert [(each.path, each.how.value, each.before, each.after) for each in differences(before, after)] == found
