"""Durations as people write and read them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.durations import duration, short


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("30s", timedelta(seconds=30)),
        (" 5 m ", timedelta(minutes=5)),
        ("1.5h", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
    ],
)
def test_they_are_written_shortly(text: str, meant: timedelta) -> None:
    assert duration(text) == meant


@pytest.mark.parametrize("value", ["soon", "5", "5 weeks", "PT5M", 90, None])
def test_anything_else_is_left_as_it_is(value: object) -> None:
    assert duration(value) == value


def test_one_that_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than can be counted"):
        duration("999999999999d")


@given(
    st.timedeltas(timedelta(0), timedelta(days=3650)).map(
        lambda each: timedelta(milliseconds=each // timedelta(milliseconds=1))
    )
)
def test_what_is_shown_can_be_typed_again(value: timedelta) -> None:
    assert duration(short(value)) == value
