"""When a device counts as standing elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.location import run_of, streak


@pytest.mark.parametrize(
    ("before", "last", "said", "after"),
    [
        (0, "", ["bergen"], 1),
        (0, "oslo", ["bergen", "bergen", "bergen"], 3),
        (2, "bergen", ["bergen"], 3),
        (2, "bergen", ["oslo"], 0),
        (2, "bergen", [None], 2),
        (2, "bergen", [None, "bergen", ""], 3),
        (2, "bergen", ["voss"], 1),
        (2, "bergen", ["voss", "bergen"], 1),
        (2, "bergen", ["oslo", "bergen", "bergen"], 2),
        (0, "bergen", ["bergen"], 1),
    ],
)
def test_the_streak_of_a_device_that_belongs_to_oslo(
    before: int, last: str, said: list[str | None], after: int
) -> None:
    assert streak(before, last, said, "oslo") == after


SITES = st.lists(st.sampled_from(["oslo", "bergen", "voss"]), min_size=1, max_size=6)


@given(before=SITES, batch=SITES)
def test_what_a_batch_remembers_gives_the_same_streak(before: list[str], batch: list[str]) -> None:
    first = streak(0, "", before, "oslo")
    run, last = 1, batch[0]
    for site in batch[1:]:
        run, last = run_of(run, last, site), site
    if last == "oslo":
        merged = 0
    elif last == before[-1] and run > 0:
        merged = first + run
    else:
        merged = abs(run)
    assert merged == streak(first, before[-1], batch, "oslo")
