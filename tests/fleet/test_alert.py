"""The rules about one alert: its moves, its ladder and its buttons."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fleet.alert import MOVES, AlertKind, AlertState, Call, NobodyLeft, about, next_rung, sources
from fleet.alert_message import message
from fleet.operation import MOVES as OPERATION_MOVES
from fleet.operation import OperationState
from fleet.operation import sources as operation_sources
from tests.conftest import NOW

LADDER: list[dict[str, Any]] = [{"after_s": 900, "mention": "<!here>"}, {"after_s": 3600, "mention": "<@U1>"}]


@pytest.mark.parametrize(
    ("state", "rung", "answer"),
    [
        (AlertState.OPEN, 0, Call("<!here>", 1, NOW + timedelta(hours=1))),
        (AlertState.OPEN, 1, Call("<@U1>", 2, None)),
        (AlertState.OPEN, 2, NobodyLeft()),
        (AlertState.ACKNOWLEDGED, 0, NobodyLeft()),
        (AlertState.RESOLVED, 0, NobodyLeft()),
    ],
)
def test_whom_it_calls_next(state: AlertState, rung: int, answer: Call | NobodyLeft) -> None:
    assert next_rung(state, rung, LADDER, NOW, NOW + timedelta(minutes=15)) == answer


def test_a_call_that_comes_late_leaves_the_next_one_its_distance() -> None:
    late = NOW + timedelta(hours=9)
    assert next_rung(AlertState.OPEN, 0, LADDER, NOW, late) == Call("<!here>", 1, late + timedelta(minutes=45))


REMEDIES = ("drift retry dev-1", "diag ping dev-1", "diag logs dev-1")


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        (AlertState.OPEN, ["alert ack al-1", *REMEDIES, "device show dev-1", "alert snooze al-1 1h"]),
        (AlertState.SNOOZED, ["alert ack al-1", "alert snooze al-1 0", *REMEDIES, "device show dev-1"]),
        (AlertState.ACKNOWLEDGED, [*REMEDIES, "device show dev-1"]),
        (AlertState.RESOLVED, ["device show dev-1"]),
    ],
)
def test_the_buttons_that_still_make_sense(state: AlertState, buttons: list[str]) -> None:
    made = message(AlertKind.DRIFT, state, {"alert_id": "al-1", "device_id": "dev-1"})
    assert [button.run for button in made.buttons] == buttons


@pytest.mark.parametrize(
    ("site", "button"),
    [
        ("bergen", "device move dev-1 bergen"),
        ("New York", 'device move dev-1 "New York"'),
        ("Tromsø (nord)", 'device move dev-1 "Tromsø (nord)"'),
        ('oslo" --force "', None),
        ("a`b`", None),
        ("--flag", None),
        ("<!here>", None),
        ("“curly”", None),
        (" oslo", None),
        ("", None),
    ],
)
def test_a_site_that_a_device_reports_becomes_a_line_only_if_it_stays_one_word(site: str, button: str | None) -> None:
    data = {"alert_id": "al-1", "device_id": "dev-1", "reported_site": site}
    made = message(AlertKind.LOCATION, AlertState.OPEN, data)
    accept = [each.run for each in made.buttons if each.text == "Accept new site"]
    assert accept == ([button] if button else [])
    assert [each.text for each in made.buttons][-2:] == ["Investigate", "Snooze 1 h"]


@pytest.mark.parametrize("kind", AlertKind)
@pytest.mark.parametrize("state", AlertState)
@pytest.mark.parametrize("device_id", ["dev-1", None])
def test_no_alert_has_more_buttons_than_people_read(kind: AlertKind, state: AlertState, device_id: str | None) -> None:
    data = {"alert_id": "al-1", "device_id": device_id, "reported_site": "bergen", "rule": "high-cpu"}
    buttons = message(kind, state, data).buttons
    assert 1 <= len(buttons) <= 6
    assert len({each.text for each in buttons}) == len(buttons)


@pytest.mark.parametrize(
    ("kind", "device_id", "data", "words"),
    [
        (AlertKind.DRIFT, "dev-1", {}, "dev-1"),
        (AlertKind.DRIFT, None, {"site": "oslo"}, "the devices at oslo"),
        (AlertKind.CERTIFICATE, None, {"site": ""}, "the devices at no site"),
        (AlertKind.UNKNOWN_VERSION, None, {"version": "2031.9"}, "configuration 2031.9"),
    ],
)
def test_what_an_alert_is_about(kind: AlertKind, device_id: str | None, data: dict[str, Any], words: str) -> None:
    assert about(kind, device_id, data) == words


def test_an_alert_can_be_snoozed_until_it_is_resolved() -> None:
    assert set(sources(AlertState.SNOOZED)) == set(AlertState) - {AlertState.RESOLVED}


def test_nothing_leaves_the_end_states() -> None:
    assert not MOVES[AlertState.RESOLVED]
    ends = (OperationState.DONE, OperationState.REJECTED, OperationState.CANCELLED)
    assert not any(OPERATION_MOVES[state] for state in ends)


def test_a_late_ack_still_settles_an_expired_operation() -> None:
    assert OperationState.EXPIRED in operation_sources(OperationState.DONE)
