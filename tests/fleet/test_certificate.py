"""Where a certificate stands on its way to its end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.certificate import Standing, severity, standing
from tests.conftest import NOW

DAYS = (30, 14, 7, 1)


@pytest.mark.parametrize(
    ("left", "level", "next_in"),
    [
        (timedelta(days=30), 30, timedelta(days=16)),
        (timedelta(days=20), 30, timedelta(days=6)),
        (timedelta(days=14), 14, timedelta(days=7)),
        (timedelta(days=7), 7, timedelta(days=6)),
        (timedelta(hours=25), 7, timedelta(hours=1)),
        (timedelta(days=1), 1, timedelta(days=1)),
        (timedelta(0), 0, None),
        (timedelta(days=-400), 0, None),
    ],
)
def test_the_threshold_reached_and_the_next(left: timedelta, level: int, next_in: timedelta | None) -> None:
    assert standing(NOW + left, NOW, DAYS) == Standing(level, NOW + next_in if next_in is not None else None)


def test_nothing_is_said_a_second_before_the_first_threshold() -> None:
    assert standing(NOW + timedelta(days=30, seconds=1), NOW, DAYS) is None


def test_the_order_of_the_setting_does_not_matter() -> None:
    end = NOW + timedelta(days=10)
    assert standing(end, NOW, (1, 30, 7, 14, 14)) == standing(end, NOW, DAYS)


def test_without_thresholds_only_the_end_is_told() -> None:
    assert standing(NOW + timedelta(seconds=1), NOW, ()) is None
    assert standing(NOW, NOW, ()) == Standing(0, None)


def test_the_severity_rises() -> None:
    assert [severity(days) for days in (30, 14, 7, 1, 0)] == ["low", "medium", "high", "critical", "critical"]
