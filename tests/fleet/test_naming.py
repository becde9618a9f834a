from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import naming
from fleet.selector import parse

_ids = st.sampled_from(["dev-1", "dev-2", "dev-3", "pump-*", "-dev-1", "-dev-4", "site:oslo", "tag:dev-1"])


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        ("dev-1 dev-2 dev-*", {"dev-1"}, "id:dev-2,dev-*"),
        ("site:oslo -dev-1", {"dev-1"}, "site:oslo"),
        ("site:oslo -dev-1,dev-2", {"dev-1"}, "site:oslo -id:dev-2"),
        ("dev-1 site:oslo", {"dev-1", "dev-2"}, None),
        ("-dev-1", {"dev-1"}, "all"),
        ("site:dev-1 dev-*", {"dev-1"}, "site:dev-1 id:dev-*"),
    ],
)
def test_a_selector_without_devices_that_are_gone(before: str, gone: set[str], after: str | None) -> None:
    made = naming.without(parse(before), gone)
    assert (str(made) if made else None) == after


@given(st.lists(_ids, min_size=1, max_size=5), st.sets(st.sampled_from(["dev-1", "dev-2", "dev-4"])))
def test_afterwards_none_of_them_is_named(terms: list[str], gone: set[str]) -> None:
    before = parse(" ".join(terms))
    after = naming.without(before, gone)
    if after is None:
        assert gone & set(naming.named(before))
        return
    assert gone.isdisjoint(naming.named(after))
    assert set(naming.named(after)) == set(naming.named(before)) - gone
    assert parse(str(after)) == after
