"""Whatever is done to a chain, one edit, removal, exchange or cut: it is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.audit import EMPTY, Entry, Seal, Verifier, chain, parse_seal
from tests.conftest import NOW

KEY = b"k" * 32
Sealed = tuple[Entry, Seal]

TEXTS = st.text(max_size=8)
DATA = st.dictionaries(TEXTS, st.none() | st.integers() | st.lists(TEXTS, max_size=3), max_size=3)
ENTRIES = st.lists(st.tuples(TEXTS, TEXTS, TEXTS, DATA), min_size=2, max_size=12).map(
    lambda rows: [Entry(f"au-{n}", NOW + timedelta(seconds=n), *row) for n, row in enumerate(rows)]
)


def sealed(entries: list[Entry]) -> list[Sealed]:
    return list(zip(entries, chain(KEY, entries, EMPTY), strict=True))


def faults(found: list[Sealed], head: Seal, published: list[Seal] | None = None, key: bytes = KEY) -> list[str]:
    verifier = Verifier(key, published or [])
    said = [fault.said for entry, seal in found for fault in verifier.feed(entry, seal)]
    return [*said, *(fault.said for fault in verifier.ending(head))]


@given(ENTRIES)
def test_a_chain_that_nobody_touched_is_whole_against_all_its_heads(entries: list[Entry]) -> None:
    whole = sealed(entries)
    assert faults(whole, whole[-1][1], [seal for _, seal in whole]) == []


@given(ENTRIES, st.data())
def test_any_edit_of_one_entry_is_found(entries: list[Entry], draw: st.DataObject) -> None:
    whole = sealed(entries)
    at = draw.draw(st.integers(0, len(whole) - 1))
    entry, seal = whole[at]
    edits = {
        "id": entry.id + "x",
        "at": entry.at + timedelta(microseconds=1),
        "actor": entry.actor + " ",
        "action": entry.action + "x",
        "subject": "x" + entry.subject,
        "data": {**entry.data, "more": None},
    }
    name = draw.draw(st.sampled_from([*edits, "mac"]))
    if name == "mac":
        seal = replace(seal, mac=seal.mac[:-1] + ("0" if seal.mac[-1] != "0" else "1"))
    else:
        entry = replace(entry, **{name: edits[name]})
    edited = [*whole[:at], (entry, seal), *whole[at + 1 :]]
    assert faults(edited, whole[-1][1])


@given(ENTRIES, st.data())
def test_any_removal_is_found_although_the_rest_is_numbered_anew(entries: list[Entry], draw: st.DataObject) -> None:
    whole = sealed(entries)
    at = draw.draw(st.integers(0, len(whole) - 2))
    without = whole[:at] + whole[at + 1 :]
    assert f"Entry {at + 1} is missing." in faults(without, whole[-1][1])
    renumbered = [(entry, replace(seal, seq=n)) for n, (entry, seal) in enumerate(without, 1)]
    assert faults(renumbered, renumbered[-1][1])


@given(ENTRIES, st.data())
def test_two_entries_that_changed_places_are_found(entries: list[Entry], draw: st.DataObject) -> None:
    whole = sealed(entries)
    one = draw.draw(st.integers(0, len(whole) - 2))
    other = draw.draw(st.integers(one + 1, len(whole) - 1))
    swapped = list(whole)
    swapped[one], swapped[other] = (whole[other][0], whole[one][1]), (whole[one][0], whole[other][1])
    assert faults(swapped, whole[-1][1])
    moved = list(whole)
    moved[one], moved[other] = (
        (whole[other][0], Seal(one + 1, whole[other][1].mac)),
        (whole[one][0], Seal(other + 1, whole[one][1].mac)),
    )
    assert faults(moved, moved[-1][1])


@given(ENTRIES, st.data())
def test_a_tail_cut_after_a_published_head_is_found_and_one_cut_with_the_own_head_left(
    entries: list[Entry], draw: st.DataObject
) -> None:
    whole = sealed(entries)
    left = whole[: draw.draw(st.integers(1, len(whole) - 1))]
    head = whole[-1][1]
    assert faults(left, left[-1][1], [head])
    assert faults(left, head)
    assert faults([], EMPTY, [head])


@given(ENTRIES)
def test_a_chain_made_anew_without_the_key_is_found(entries: list[Entry]) -> None:
    forged = list(zip(entries, chain(b"guessed", entries, EMPTY), strict=True))
    assert len(faults(forged, forged[-1][1])) == len(entries)


def test_a_head_is_read_as_it_is_published() -> None:
    head = Seal(12, "ab" * 32)
    assert parse_seal(f" {head} ") == head
    for wrong in ("", "12", "12:ab", "x:" + "ab" * 32):
        with pytest.raises(ValueError, match=r".*"):
            parse_seal(wrong)
