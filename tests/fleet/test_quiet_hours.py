"""When an alert may be posted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from fleet.alert import Severity
from fleet.quiet_hours import posted_at
from fleet.settings import QuietHours

NIGHT = QuietHours.model_validate({"begin": "22:00", "end": "07:00", "zone": "Europe/Oslo", "up_to": "warning"})
NOON = QuietHours.model_validate({"begin": "12:00", "end": "13:00", "up_to": "info"})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("severity", "now", "posted"),
    [
        ("warning", "2026-01-10T20:59", "2026-01-10T20:59"),
        ("warning", "2026-01-10T21:00", "2026-01-11T06:00"),
        ("info", "2026-01-11T05:59", "2026-01-11T06:00"),
        ("warning", "2026-01-11T06:00", "2026-01-11T06:00"),
        ("critical", "2026-01-10T23:00", "2026-01-10T23:00"),
        ("warning", "2026-03-28T22:00", "2026-03-29T05:00"),  # the clocks of Oslo go forward in that night
        ("warning", "2026-10-24T22:00", "2026-10-25T06:00"),  # and back in this one
        ("info", "2026-01-11T12:30", "2026-01-11T13:00"),
        ("warning", "2026-01-11T12:30", "2026-01-11T12:30"),
    ],
)
def test_lower_severities_wait_for_the_end_of_their_quiet_hours(severity: str, now: str, posted: str) -> None:
    assert posted_at(Severity(severity), at(now), [NIGHT, NOON]) == at(posted)


@pytest.mark.parametrize("wrong", [{"begin": 1320, "end": "07:00"}, {"begin": "22:00", "end": "7:00", "zone": "Oslo"}])
def test_a_time_without_quotes_and_an_unknown_zone_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        QuietHours.model_validate(wrong)
