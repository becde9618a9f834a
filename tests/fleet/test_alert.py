"""The rules about one alert: its moves, its ladder and its buttons."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fleet.alert import MOVES, AlertKind, AlertState, Call, NobodyLeft, message, next_rung
from fleet.operation import MOVES as OPERATION_MOVES
from fleet.operation import OperationState, sources
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
    assert next_rung(state, rung, LADDER, NOW) == answer


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        (AlertState.OPEN, ["alert ack al-1", "drift retry dev-1", "device show dev-1"]),
        (AlertState.ACKNOWLEDGED, ["drift retry dev-1", "device show dev-1"]),
        (AlertState.RESOLVED, ["device show dev-1"]),
    ],
)
def test_the_buttons_that_still_make_sense(state: AlertState, buttons: list[str]) -> None:
    made = message(AlertKind.DRIFT, state, {"alert_id": "al-1", "device_id": "dev-1"})
    assert [button.run for button in made.buttons] == buttons


def test_nothing_leaves_the_end_states() -> None:
    assert not MOVES[AlertState.RESOLVED]
    ends = (OperationState.DONE, OperationState.REJECTED, OperationState.CANCELLED)
    assert not any(OPERATION_MOVES[state] for state in ends)


def test_a_late_ack_still_settles_an_expired_operation() -> None:
    assert OperationState.EXPIRED in sources(OperationState.DONE)
