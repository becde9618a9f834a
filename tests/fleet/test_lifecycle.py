"""The states of a device: exactly these moves."""

from __future__ import annotations

import itertools

import pytest

from fleet.lifecycle import MOVES, DeviceStatus, refusal, sources

LEGAL = {
    ("manufactured", "provisioned"),
    ("provisioned", "active"),
    ("active", "maintenance"),
    ("active", "suspended"),
    ("active", "decommissioned"),
    ("maintenance", "active"),
    ("suspended", "active"),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(DeviceStatus, DeviceStatus)))
def test_only_these_seven_moves_of_36_are_legal(before: DeviceStatus, after: DeviceStatus) -> None:
    refused = refusal(before, after)
    assert (refused is None) == ((before.value, after.value) in LEGAL)
    assert (before in sources(after)) == (refused is None)
    if refused:
        assert before in refused
        assert after in refused
        assert all(way in refused for way in MOVES[before])


def test_a_refusal_names_the_moves_that_are_legal() -> None:
    assert refusal(DeviceStatus.ACTIVE, DeviceStatus.PROVISIONED) == (
        "A device that is active cannot become provisioned. "
        "From active it can become maintenance or suspended or decommissioned."
    )
    assert refusal(DeviceStatus.SUSPENDED, DeviceStatus.SUSPENDED) == (
        "It is suspended already. From suspended it can become active."
    )
    assert refusal(DeviceStatus.MAINTENANCE, DeviceStatus.MAINTENANCE) == (
        "It is in maintenance already. From maintenance it can become active."
    )
    assert refusal(DeviceStatus.DECOMMISSIONED, DeviceStatus.ACTIVE) == (
        "A decommissioned device stays so for ever: it cannot become active."
    )
