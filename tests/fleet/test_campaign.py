"""The rule of campaigns: gates, waves and budgets, played through with devices that answer as they like."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.campaign import LEGAL, MOVES, CampaignKind, CampaignStatus, TargetState
from fleet.campaign_message import message, stays
from fleet.campaign_step import (
    Counts,
    Dispatch,
    Finish,
    GiveUpParked,
    Pause,
    Soak,
    StartWave,
    Stop,
    Wait,
    next_step,
    tripped,
)
from fleet.campaign_turn import Again, Settle, overdue
from fleet.rollout import Rollout

NOW = datetime(2026, 3, 19, 14, 30, tzinfo=UTC)


@dataclass
class Row:
    status: CampaignStatus = CampaignStatus.RUNNING
    wave: int = 1
    waves: int = 3
    wave_at: datetime | None = NOW
    due_at: datetime | None = None
    tail_until: datetime | None = NOW + timedelta(days=7)
    forgiven: int = 0
    forgiven_failed: int = 0
    unproven_ok: int = 0


ROLLOUT = Rollout(canary="5", max_failed=0.05, min_sample=20, soak=timedelta(minutes=10), concurrency=100)


@pytest.mark.parametrize(
    ("row", "counts", "expected"),
    [
        (Row(CampaignStatus.PLANNED, 0, due_at=NOW), Counts(), Finish(CampaignStatus.EXPIRED)),
        (Row(CampaignStatus.WAITING, 0, due_at=NOW + timedelta(1)), Counts(), Wait(NOW + timedelta(1))),
        (Row(CampaignStatus.SCHEDULED, 0, due_at=NOW), Counts(), StartWave(1)),
        (Row(), Counts(planned=150, under_way=20), Dispatch(80)),
        (Row(), Counts(planned=5, under_way=100), Wait()),
        (Row(), Counts(under_way=1, succeeded=4), Wait()),
        (Row(), Counts(succeeded=5), Soak(NOW + timedelta(minutes=10))),
        (Row(CampaignStatus.SOAKING, due_at=NOW + timedelta(1)), Counts(succeeded=5), Wait(NOW + timedelta(1))),
        (Row(CampaignStatus.SOAKING, due_at=NOW), Counts(succeeded=5), StartWave(2)),
        (Row(CampaignStatus.SOAKING, due_at=NOW), Counts(planned=2, succeeded=5), Dispatch(2)),
        (Row(wave=3), Counts(succeeded=5, parked=9), Wait(NOW + timedelta(days=7))),
        (Row(wave=3, tail_until=NOW), Counts(succeeded=5, parked=9), GiveUpParked()),
        (Row(wave=3), Counts(succeeded=5, failed=99), Finish(CampaignStatus.DONE)),
        (Row(wave=3), Counts(failed=9), Finish(CampaignStatus.FAILED)),
        (Row(wave=3), Counts(failed=9, succeeded_before=1), Finish(CampaignStatus.DONE)),
        (Row(CampaignStatus.STOPPING), Counts(planned=3, under_way=1), Wait()),
        (Row(CampaignStatus.STOPPING), Counts(planned=3), Finish(CampaignStatus.ABORTED)),
        (Row(CampaignStatus.PAUSED, due_at=NOW), Counts(planned=3), Stop("Nobody resumed it in time.")),
        (Row(CampaignStatus.DONE), Counts(), Wait()),
    ],
)
def test_what_follows(row: Row, counts: Counts, expected: object) -> None:
    assert next_step(row, counts, NOW, ROLLOUT) == expected


@pytest.mark.parametrize("kind", CampaignKind)
@pytest.mark.parametrize("downgrades", [True, False])
def test_the_dialog_of_an_abort_says_what_the_abort_says(kind: CampaignKind, downgrades: bool) -> None:
    data = {"campaign_id": "ca-01", "kind": kind.value, "downgrades": downgrades}
    [abort] = [each for each in message(CampaignStatus.RUNNING, data, ()).buttons if each.text == "Abort"]
    assert stays(kind, downgrades) in (abort.confirm or "")


def test_nothing_new_begins_in_a_freeze_and_what_is_under_way_finishes() -> None:
    until = NOW + timedelta(days=3)
    assert next_step(Row(CampaignStatus.SCHEDULED, 0, due_at=NOW), Counts(), NOW, ROLLOUT, until) == Wait(until)
    assert next_step(Row(), Counts(planned=5), NOW, ROLLOUT, until) == Wait(until)
    assert next_step(Row(CampaignStatus.SOAKING, due_at=NOW), Counts(succeeded=5), NOW, ROLLOUT, until) == Wait(until)


def test_a_gate_names_its_denominator() -> None:
    assert tripped(Row(wave=2), Counts(planned=9, succeeded=18, failed=2), ROLLOUT) == (
        "2 of 20 devices tried in wave 2 failed (10.0%); at most 5.0% may."
    )
    assert tripped(Row(wave=2), Counts(planned=90, succeeded=10, failed=1), ROLLOUT) is None  # too few to tell
    assert tripped(Row(wave=2), Counts(planned=9, succeeded=10, failed=2), ROLLOUT)  # it cannot end below any more
    assert tripped(Row(), Counts(under_way=4, planned=1, failed=1), ROLLOUT)  # one canary is enough


def test_a_canary_of_which_none_could_be_tried_proves_nothing() -> None:
    why = tripped(Row(), Counts(parked=5), ROLLOUT)
    assert why is not None
    assert why.startswith("No canary could be tried")
    assert tripped(Row(unproven_ok=1), Counts(parked=5), ROLLOUT) is None


@given(
    canaries=st.integers(1, 20),
    outcomes=st.lists(st.sampled_from(["good", "bad", "offline"]), min_size=1, max_size=60),
    max_failed=st.floats(0, 1),
    min_sample=st.integers(1, 50),
)
def test_a_failing_canary_always_stops_before_the_second_wave(
    canaries: int, outcomes: list[str], max_failed: float, min_sample: int
) -> None:
    """Whatever the other limits are, and in whatever order the canaries answer."""
    rollout = Rollout(canary=str(canaries), max_failed=max_failed, min_sample=min_sample, soak=timedelta(0))
    row, fates = Row(waves=2), outcomes[:canaries]
    counts = Counts(planned=len(fates))
    while True:
        match next_step(row, counts, NOW, rollout):
            case Dispatch(devices=devices):
                counts = Counts(0, devices, counts.parked, counts.succeeded, counts.failed)
            case Wait() if counts.under_way:
                fate = fates.pop()
                counts = Counts(
                    0,
                    counts.under_way - 1,
                    counts.parked + (fate == "offline"),
                    counts.succeeded + (fate == "good"),
                    counts.failed + (fate == "bad"),
                )
            case StartWave(number=number):
                assert number == 2
                assert "bad" not in outcomes[:canaries]
                assert "good" in outcomes[:canaries]
                return
            case Pause():
                assert "bad" in outcomes[:canaries] or "good" not in outcomes[:canaries]
                return
            case step:
                raise AssertionError(step)


@given(
    planned=st.integers(0, 5000),
    under_way=st.integers(0, 5000),
    concurrency=st.integers(1, 1000),
    parked=st.integers(0, 9),
)
def test_no_more_devices_are_under_way_than_allowed(
    planned: int, under_way: int, concurrency: int, parked: int
) -> None:
    step = next_step(Row(), Counts(planned, under_way, parked), NOW, Rollout(concurrency=concurrency, canary=""))
    if isinstance(step, Dispatch):
        assert 0 < step.devices <= planned
        assert step.devices + under_way <= max(concurrency, under_way)


@given(succeeded=st.integers(0, 500), failed=st.integers(0, 500), more=st.integers(0, 500), left=st.integers(1, 500))
def test_after_a_resume_a_gate_counts_only_what_failed_since(succeeded: int, failed: int, more: int, left: int) -> None:
    row = Row(wave=2, forgiven=succeeded + failed, forgiven_failed=failed)
    before = Counts(planned=left, succeeded=succeeded, failed=failed)
    assert tripped(row, before, ROLLOUT) is None
    after = Counts(planned=left, succeeded=succeeded, failed=failed + more)
    alone = Counts(planned=left, failed=more)
    assert bool(tripped(row, after, ROLLOUT)) == bool(tripped(Row(wave=2), alone, ROLLOUT))


def test_what_becomes_of_a_device_that_does_not_answer() -> None:
    once = Rollout(retries=1)
    assert overdue(CampaignKind.CONFIG, TargetState.DISPATCHED, 1, True, once) == Again()
    assert isinstance(gone := overdue(CampaignKind.CONFIG, TargetState.DISPATCHED, 2, True, once), Settle)
    assert gone.state is TargetState.TIMED_OUT
    assert isinstance(away := overdue(CampaignKind.CONFIG, TargetState.ACKED, 1, False, once), Settle)
    assert away.state is TargetState.PARKED
    assert isinstance(unproven := overdue(CampaignKind.CONFIG, TargetState.VERIFYING, 1, True, once), Settle)
    assert unproven.state is TargetState.FAILED
    assert isinstance(unconfirmed := overdue(CampaignKind.DECOMMISSION, TargetState.DISPATCHED, 1, False, once), Settle)
    assert (unconfirmed.state, "Nobody confirmed" in unconfirmed.why) == (TargetState.TIMED_OUT, True)


def test_every_status_has_its_moves_and_every_kind_its_legal_states() -> None:
    assert set(MOVES) == set(CampaignStatus)
    assert set(LEGAL) == set(CampaignKind)
