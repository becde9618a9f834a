"""When a device flaps, and when that is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.flapping import calm_at, flaps
from tests.conftest import NOW

DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("hours_ago", "flapping"),
    [([], False), ([0, 1], False), ([0, 1, 2], True), ([0, 1, 24], True), ([0, 1, 24.001], False), ([1] * 9, True)],
)
def test_three_cases_in_a_day_are_flapping(hours_ago: list[float], flapping: bool) -> None:
    assert flaps([NOW - timedelta(hours=each) for each in hours_ago], NOW, 3, DAY) is flapping


def test_it_is_over_a_day_after_the_last_case() -> None:
    assert calm_at(NOW, DAY) == NOW + DAY
