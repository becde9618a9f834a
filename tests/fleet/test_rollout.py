"""Shares, waves, windows and freezes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import BadInput
from fleet.rollout import Frozen, Rollout, Share, frozen, in_turn, part, predicted, rules, share, waves, window
from fleet.settings import Freeze

OSLO = ZoneInfo("Europe/Oslo")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", Share(count=5)), ("20%", Share(part=0.2)), ("0", None), ("0%", None), ("101%", None), ("site:oslo", None)],
)
def test_a_share_is_a_number_or_a_percentage(text: str, expected: Share | None) -> None:
    assert share(text) == expected


@pytest.mark.parametrize(
    ("sizes", "canary", "told"),
    [
        ([5, 239, 239, 239, 239, 234], True, "6: first 5, then 4 × 239, 234"),
        ([5, 5, 5], True, "3: first 5, then 2 × 5"),
        ([334] * 29 + [314], False, "30: 29 × 334, 314"),
        ([1200], True, "1: 1,200"),
    ],
)
def test_waves_are_told_by_their_sizes(sizes: list[int], canary: bool, told: str) -> None:
    assert in_turn(sizes, canary) == told


@given(
    ordinary=st.integers(0, 3000),
    last=st.integers(0, 300),
    canary=st.sampled_from(["", "1", "7", "10%"]),
    wave=st.sampled_from(["", "1", "40", "20%", "100%"]),
)
def test_every_device_is_in_one_wave_and_no_wave_is_empty(ordinary: int, last: int, canary: str, wave: str) -> None:
    cut = waves(Rollout(canary=canary, wave=wave), ordinary, last)
    numbers = []
    for place in range(1, (ordinary or last) + 1):
        numbers.append(1 if place <= cut.canary else cut.first + (place - cut.canary - 1) // cut.size)
    if ordinary:
        numbers += [cut.first_last + (place - 1) // cut.last_size for place in range(1, last + 1)]
    assert sorted(set(numbers)) == list(range(1, cut.total + 1)) or not numbers
    assert numbers == sorted(numbers)


def test_a_window_over_midnight_is_in_the_time_of_the_site() -> None:
    night = window("22:00-05:00")
    assert night is not None
    summer = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert night.open_at(summer, OSLO) == datetime(2026, 7, 1, 20, 0, tzinfo=UTC)
    inside = datetime(2026, 7, 1, 2, 59, tzinfo=UTC)
    assert night.open_at(inside, OSLO) == inside
    assert night.open_at(datetime(2026, 7, 1, 3, 0, tzinfo=UTC), OSLO) == datetime(2026, 7, 1, 20, 0, tzinfo=UTC)
    assert night.open_at(datetime(2026, 10, 24, 21, 0, tzinfo=UTC), ZoneInfo("UTC")) == datetime(
        2026, 10, 24, 22, 0, tzinfo=UTC
    )
    assert window("") is None


@pytest.mark.parametrize("text", ["22-05", "25:00-05:00", "22:00-22:00", "night"])
def test_a_window_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput):
        window(text)


def test_freezes_that_touch_are_one() -> None:
    day = datetime(2026, 12, 20, tzinfo=UTC)
    late = Freeze(since=day + timedelta(days=3), until=day + timedelta(days=9), why="New Year")
    freezes = [late, Freeze(since=day, until=day + timedelta(days=3), why="Christmas")]
    assert frozen(freezes, day + timedelta(days=1)) == Frozen(day + timedelta(days=9), "Christmas, New Year")
    assert frozen(freezes, day + timedelta(days=4)) == Frozen(day + timedelta(days=9), "New Year")
    assert frozen(freezes, day - timedelta(days=1)) is None
    assert frozen(freezes, day + timedelta(days=9)) is None


def test_the_predicted_duration_is_that_of_the_stagger_the_budget_or_the_cap() -> None:
    answer = timedelta(seconds=5)
    staggered = Rollout(stagger=timedelta(seconds=30), soak=timedelta(minutes=10))
    assert predicted(staggered, [(5, 1), (200, 21)], answer) == timedelta(seconds=5 + 600 + 605)
    capped = Rollout(concurrency=100, soak=timedelta(0))
    assert predicted(capped, [(1000, 10)], answer) == timedelta(seconds=50)


def test_the_rules_are_told_in_the_words_that_people_type() -> None:
    told = dict(rules(Rollout(soak=timedelta(0), stagger=timedelta(seconds=30), tail=timedelta(days=4, minutes=5))))
    assert (told["Soak"], told["Stagger at a site"], told["Offline ones"]) == ("none", "30s", "waited for 4d 5m")
    assert told["May fail"] == "5.0%, canaries 0.0%"
    assert dict(rules(Rollout(canary="")))["May fail"] == "5.0%"


def test_a_percentage_is_read_for_gates() -> None:
    assert part("5%", "--max-failed") == 0.05
    with pytest.raises(BadInput, match="--max-failed needs a percentage"):
        part("5", "--max-failed")
