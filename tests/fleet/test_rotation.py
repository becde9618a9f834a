"""Certificates spread over days: by their ends, so many a day, and nobody with a slot expires."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import BadInput
from fleet.rotation import DAY, plan, slot_ends
from tests.conftest import NOW

_hours = st.lists(st.integers(min_value=1, max_value=90 * 24), max_size=60)


def _ends(hours: list[int]) -> list[datetime]:
    return [NOW + timedelta(hours=each) for each in hours]


@given(_hours, st.integers(min_value=1, max_value=40))
def test_the_days_hold_everybody_and_no_day_holds_more_than_its_quota(hours: list[int], days: int) -> None:
    made = plan(_ends(hours), NOW, days * DAY, per_minute=60)
    assert made.days <= days
    assert made.quota * made.days >= len(hours)
    assert made.quota * days < len(hours) + days  # and no more a day than needed


@given(_hours, st.integers(min_value=1, max_value=40))
def test_late_are_exactly_those_that_end_before_their_slot_is_over(hours: list[int], days: int) -> None:
    made = plan(_ends(hours), NOW, days * DAY, per_minute=60)
    slots = [slot_ends(place, made.quota, NOW) for place in range(len(hours))]
    assert made.late == sum(end <= slot for end, slot in zip(sorted(_ends(hours)), slots, strict=True))


@given(_hours)
def test_the_safe_time_lets_nobody_expire_and_a_day_more_would(hours: list[int]) -> None:
    safe = plan(_ends(hours), NOW, 40 * DAY, per_minute=60).safe_over
    if safe is None:
        assert plan(_ends(hours), NOW, DAY, per_minute=60).late > 0
        return
    assert plan(_ends(hours), NOW, safe, per_minute=60).late == 0
    longer = plan(_ends(hours), NOW, safe + DAY, per_minute=60)
    assert longer.late > 0 or longer.quota <= 1  # fewer than one a day cannot be


@given(st.lists(st.integers(min_value=1, max_value=9 * 24), min_size=1, max_size=12), st.integers(1, 9), st.randoms())
def test_no_other_order_saves_a_device_when_this_one_does_not_save_all(
    hours: list[int], days: int, shuffled: random.Random
) -> None:
    made = plan(_ends(hours), NOW, days * DAY, per_minute=60)
    other = _ends(hours)
    shuffled.shuffle(other)
    late = sum(end <= slot_ends(place, made.quota, NOW) for place, end in enumerate(other))
    assert (made.late == 0) >= (late == 0)


def test_ten_thousand_devices_over_thirty_days() -> None:
    ends = [NOW + timedelta(days=31 + number % 365, minutes=number % 997) for number in range(10_000)]
    made = plan(ends, NOW, timedelta(days=30), per_minute=60)
    assert (made.quota, made.days, made.late) == (334, 30, 0)


def test_too_few_days_for_the_pace_are_refused_with_the_days_that_would_do() -> None:
    ends = _ends([9000]) * 5000
    with pytest.raises(BadInput, match="Give it --over 4d or more"):
        plan(ends, NOW, timedelta(days=1), per_minute=1)
    assert plan(ends, NOW, timedelta(days=4), per_minute=1).quota == 1250
    with pytest.raises(BadInput, match="a day at least"):
        plan(ends, NOW, timedelta(hours=3), per_minute=60)
