from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from fleet.roles import Role
from fleet.settings import DriftSettings, Settings
from tests.conftest import settings_for


def test_durations_are_written_shortly() -> None:
    assert DriftSettings.model_validate({"ack_timeout": "1.5h"}).ack_timeout == timedelta(minutes=90)


def test_iso_durations_and_seconds_are_understood_too() -> None:
    assert DriftSettings.model_validate({"ack_timeout": "PT5M"}).ack_timeout == timedelta(minutes=5)
    assert DriftSettings.model_validate({"ack_timeout": 90}).ack_timeout == timedelta(seconds=90)


def test_the_deadlines_of_drift_are_five_minutes_three_retries_and_a_day() -> None:
    drift = settings_for().drift
    assert (drift.online_within, drift.ack_timeout) == (timedelta(minutes=5), timedelta(minutes=5))
    assert (drift.retries, drift.escalate_after, drift.sweep_every) == (3, timedelta(hours=24), timedelta(hours=1))


@pytest.mark.parametrize(
    "sections",
    [
        {"drift": {"ack_timout": "5m"}},
        {"drift": {"retries": -1}},
        {"drift": {"ack_timeout": "soon"}},
        {"drift": {"ack_timeout": "999999999999d"}},
        {"mqtt": {"topic_prefix": "no-slash"}},
        {"mqtt": {"topic_prefix": "wild/+/"}},
        {"mqtt": {"shared_group": "muster", "protocol": "3.1.1"}},
        {"slack": {"bot_token": "x", "app_token": "y", "ops_channel": "C1", "command": "fleet"}},
        {"roles": {"everyone": "emperor"}},
        {"lifecycle": {"zone": "Europe/Olso"}},
        {"lifecycle": {"sites": [{"name": "oslo", "zone": "Oslo"}]}},
        {"campaigns": {"site_timezones": [{"site": "oslo", "timezone": "Oslo"}]}},
        {"slack": {}},
    ],
)
def test_settings_that_cannot_work_are_refused(sections: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings_for(**sections)


def test_settings_are_frozen_and_keep_secrets_out_of_print() -> None:
    settings: Settings = settings_for()
    with pytest.raises(ValidationError):
        settings.roles = settings.roles  # type: ignore[misc]
    assert "xoxb" not in repr(settings)
    assert settings.roles.everyone is Role.VIEWER
