"""Answers in chunks: whatever order, loss and repetition, the text is exact or its gaps are named exactly."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import diagnostics
from fleet.diagnostics import (
    MOST_BYTES,
    Fault,
    Parts,
    RequestState,
    Taken,
    Verdict,
    assemble,
    gap_map,
    joined,
    percentile,
    round_trip,
    runs,
    verdict,
)
from tests.conftest import NOW

LATER = NOW + timedelta(minutes=5)

logs = st.lists(st.text(alphabet="aä€😀\n ", max_size=6), min_size=1, max_size=12)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[str], list[int], list[int]]:
    """The chunks of a log, the numbers in which they arrive (any order, some twice, some never), and restarts."""
    chunks = draw(logs)
    arriving = draw(st.lists(st.integers(1, len(chunks)), max_size=3 * len(chunks)))
    restarts = draw(st.lists(st.integers(0, len(arriving)), max_size=3))
    return chunks, arriving, restarts


class Store:
    """What the database keeps: a restart begins with this and nothing else."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.size = 0
        self.fault: Fault | None = None
        self.texts: dict[int, str] = {}

    def parts(self) -> Parts:
        told = {number: diagnostics.digest(text) for number, text in self.texts.items()}
        return Parts(self.total, self.size, self.fault, told)

    def take(self, parts: Parts, number: int, total: int, text: str) -> Taken:
        taken = parts.take(number, total, text)
        if taken is Taken.KEPT:
            self.texts[number] = text
        self.total, self.size, self.fault = parts.total, parts.size, parts.fault
        return taken


@given(deliveries())
def test_a_log_is_exact_or_declared_incomplete_with_the_exact_gaps(
    case: tuple[list[str], list[int], list[int]],
) -> None:
    chunks, arriving, restarts = case
    store = Store()
    parts = store.parts()
    for at, number in enumerate(arriving):
        if at in restarts:
            parts = store.parts()
        taken = store.take(parts, number, len(chunks), chunks[number - 1])
        assert taken is (Taken.AGAIN if number in arriving[:at] else Taken.KEPT)
    lost = set(range(1, len(chunks) + 1)) - set(arriving)
    assembly = assemble(store.texts, store.total)
    assert store.fault is None
    assert parts.complete == (not lost)
    if not lost:
        assert not assembly.gaps
        assert joined(assembly, [piece.text for piece in assembly.pieces], len(chunks)) == "".join(chunks)
    elif arriving:
        named = {number for first, last in assembly.gaps for number in range(first, last + 1)}
        assert named == lost
        assert "".join(piece.text for piece in assembly.pieces) == "".join(
            chunk for number, chunk in enumerate(chunks, 1) if number not in lost
        )


@given(deliveries(), st.integers(1, 12), st.text(min_size=1, max_size=5))
def test_a_chunk_that_changes_is_a_fault_for_good_whenever_it_comes(
    case: tuple[list[str], list[int], list[int]], number: int, other: str
) -> None:
    chunks, arriving, _ = case
    store = Store()
    for each in arriving:
        store.take(store.parts(), each, len(chunks), chunks[each - 1])
    before = dict(store.texts)
    is_known = number in before
    changed = store.take(
        store.parts(), number, len(chunks), f"{chunks[number - 1]}{other}" if number <= len(chunks) else other
    )
    if number > len(chunks):
        assert (changed, store.fault) == (Taken.REFUSED, Fault.BEYOND)
    elif is_known:
        assert (changed, store.fault) == (Taken.REFUSED, Fault.CONFLICT)
    else:
        assert changed is Taken.KEPT
        return
    for each, text in enumerate(chunks, 1):
        assert store.take(store.parts(), each, len(chunks), text) is Taken.REFUSED
    assert store.texts == before
    assert verdict(store.parts(), True, LATER, NOW) == Verdict(RequestState.FAULTY, None)


@given(st.sets(st.integers(1, 200)), st.integers(1, 200))
def test_a_gap_map_shows_every_gap_and_no_other(numbers: set[int], total: int) -> None:
    lost = {number for number in numbers if number <= total}
    drawn = gap_map(runs(lost), total)
    assert len(drawn) == min(total, 40)
    assert ("□" in drawn) == bool(lost)
    if total <= 40:
        assert {at for at, sign in enumerate(drawn, 1) if sign == "□"} == lost


@pytest.mark.parametrize(
    ("taken", "more", "fault"),
    [
        ([(1, 2, "a")], (2, 3, "b"), Fault.TOTAL),
        ([(1, 2, "a")], (1, 3, "a"), Fault.TOTAL),
        ([], (1, 1_001, "a"), Fault.TOO_MANY),
        ([], (2, 1, "a"), Fault.BEYOND),
        ([(1, 2, "x" * (MOST_BYTES - 1))], (2, 2, "é"), Fault.TOO_LARGE),
    ],
)
def test_what_does_not_fit_together_is_named(
    taken: list[tuple[int, int, str]], more: tuple[int, int, str], fault: Fault
) -> None:
    parts = Parts()
    for each in taken:
        assert parts.take(*each) is Taken.KEPT
    assert parts.take(*more) is Taken.REFUSED
    assert parts.fault is fault
    assert len(parts.digests) == len(taken)


def test_eight_mebibytes_are_not_too_many() -> None:
    parts = Parts()
    assert parts.take(1, 1, "x" * MOST_BYTES) is Taken.KEPT
    assert parts.complete


@pytest.mark.parametrize(
    ("parts", "sent", "now", "expected"),
    [
        (Parts(), True, NOW, Verdict(RequestState.SILENT, None)),
        (Parts(), False, NOW, Verdict(RequestState.ASKED, LATER)),
        (Parts(), False, LATER, Verdict(RequestState.EXPIRED, None)),
        (Parts(2, 1, None, {1: "a"}), True, NOW, Verdict(RequestState.INCOMPLETE, LATER)),
        (Parts(2, 1, None, {1: "a"}), True, LATER, Verdict(RequestState.INCOMPLETE, None)),
        (Parts(1, 1, None, {1: "a"}), True, LATER, Verdict(RequestState.ANSWERED, None)),
        (Parts(1, 1, Fault.TOTAL, {1: "a"}), True, NOW, Verdict(RequestState.FAULTY, None)),
    ],
)
def test_a_request_whose_time_is_over_becomes(parts: Parts, sent: bool, now: object, expected: Verdict) -> None:
    assert verdict(parts, sent, LATER, now) == expected  # type: ignore[arg-type]


def test_a_round_trip_is_exact_only_with_both_readings_of_one_clock() -> None:
    heard_at = NOW + timedelta(seconds=2)
    assert round_trip(1.0, 1.25, NOW, heard_at).ms == 250
    assert not round_trip(1.0, 1.25, NOW, heard_at).approximate
    for departed, arrived in ((None, 1.25), (9.0, 1.25)):
        measured = round_trip(departed, arrived, NOW, heard_at)
        assert (measured.ms, measured.approximate) == (2_000, True)
    assert round_trip(None, None, heard_at, NOW).ms == 0  # a wall clock may be set back


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.95, 4), (1.0, 4)])
def test_a_percentile_is_one_of_the_samples(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected
