"""Who is told singly and who in a group."""

from __future__ import annotations

import pytest

from fleet.grouping import Found, group_key, plan


def found(count: int, key: str = "k", first: int = 0) -> list[Found]:
    return [Found(f"dev-{n}", key, {}, {}) for n in range(first, first + count)]


@pytest.mark.parametrize(
    ("count", "standing", "recent", "grouped"),
    [
        (5, set(), {}, False),
        (6, set(), {}, True),
        (1, set(), {"k": 5}, True),
        (1, set(), {"k": 4}, False),
        (1, {"k"}, {}, True),
        (5, {"another"}, {"another": 9}, False),
    ],
)
def test_more_than_five_of_one_cause_at_one_site_are_a_group(
    count: int, standing: set[str], recent: dict[str, int], grouped: bool
) -> None:
    made = plan(found(count), standing, recent, above=5)
    assert (len(made.singles), {key: len(each) for key, each in made.groups.items()}) == (
        (0, {"k": count}) if grouped else (count, {})
    )


def test_each_cause_and_site_is_counted_by_itself() -> None:
    made = plan([*found(6, "a"), *found(5, "b", 10), *found(7, "c", 20)], set(), {}, above=5)
    assert [each.key for each in made.singles] == ["b"] * 5
    assert sorted(made.groups) == ["a", "c"]


def test_a_key_is_no_device_id_and_names_one_pair() -> None:
    keys = {group_key(*pair) for pair in [("a", "b"), ("ab", ""), ("", "ab"), ('a", "b', ""), ("x" * 300, "y" * 300)]}
    assert len(keys) == 5
    assert all(key.startswith("[") and len(key) <= 256 for key in keys)
