"""The rule about one drift case, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from fleet.drift import MOVES, OPEN, CaseState, GiveUp, Nothing, Push, Step, first_state, next_step
from fleet.settings import DriftSettings
from tests.conftest import NOW

POLICY = DriftSettings()


@dataclass
class Case:
    state: CaseState
    attempt: int
    due_at: datetime | None


@pytest.mark.parametrize(
    ("state", "attempt", "due", "step"),
    [
        (CaseState.PUSHING, 1, None, Nothing()),
        (CaseState.PUSHING, 1, 1, Nothing()),
        (CaseState.PUSHING, 1, 0, Push(2)),
        (CaseState.PUSHING, 2, -60, Push(3)),
        (CaseState.PUSHING, 3, -60, Push(4)),
        (CaseState.PUSHING, 4, -60, GiveUp(NOW + timedelta(hours=1))),
        (CaseState.WAITING, 1, -60, Nothing()),
        (CaseState.UNRESPONSIVE, 4, None, Nothing()),
        (CaseState.UNRESPONSIVE, 4, 0, Push(1)),
        (CaseState.REJECTED, 1, -60, Nothing()),
        (CaseState.RESOLVED, 1, -60, Nothing()),
    ],
)
def test_what_follows_when_a_deadline_has_passed(state: CaseState, attempt: int, due: int | None, step: Step) -> None:
    due_at = None if due is None else NOW + timedelta(seconds=due)
    assert next_step(Case(state, attempt, due_at), NOW, POLICY) == step


def test_without_retries_one_push_is_all() -> None:
    policy = DriftSettings(retries=0)
    assert isinstance(next_step(Case(CaseState.PUSHING, 1, NOW), NOW, policy), GiveUp)


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, CaseState.PUSHING), (300, CaseState.PUSHING), (301, CaseState.WAITING), (None, CaseState.WAITING)],
)
def test_online_is_heard_within_five_minutes(seconds: int | None, state: CaseState) -> None:
    seen = None if seconds is None else NOW - timedelta(seconds=seconds)
    assert first_state(seen, NOW, POLICY) is state


def test_every_open_state_can_be_resolved_and_nothing_leaves_resolved() -> None:
    assert all(CaseState.RESOLVED in MOVES[state] for state in OPEN)
    assert not MOVES[CaseState.RESOLVED]
    assert set(MOVES) == set(CaseState)
