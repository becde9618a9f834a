"""The states a device goes through, from manufacture to decommission.

                                                                    ┌──────────────> maintenance
                  certificate,                 first telemetry      │  planned         │
                  first configuration          billing starts       │  downtime        │ its window ends
    manufactured ─────────────────> provisioned ──────────────> active <───────────────┘
                                                                │ ^  └── end of life ──> decommissioned
                                                   by a person  │ │  by a person
                                           billing stops, flag  v │  billing resumes
                                                              suspended

No other move is legal. What each of them brings with it is in `storage/lifecycle_actions.py`, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class DeviceStatus(StrEnum):
    MANUFACTURED = "manufactured"
    PROVISIONED = "provisioned"
    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    SUSPENDED = "suspended"
    DECOMMISSIONED = "decommissioned"


class Retention(StrEnum):
    """What is kept of a device's data: `operational` as long as it works, `long_term_archive` until `retain_until`."""

    OPERATIONAL = "operational"
    LONG_TERM_ARCHIVE = "long_term_archive"


MOVES: Mapping[DeviceStatus, frozenset[DeviceStatus]] = MappingProxyType(
    {
        DeviceStatus.MANUFACTURED: frozenset({DeviceStatus.PROVISIONED}),
        DeviceStatus.PROVISIONED: frozenset({DeviceStatus.ACTIVE}),
        DeviceStatus.ACTIVE: frozenset({DeviceStatus.MAINTENANCE, DeviceStatus.SUSPENDED, DeviceStatus.DECOMMISSIONED}),
        DeviceStatus.MAINTENANCE: frozenset({DeviceStatus.ACTIVE}),
        DeviceStatus.SUSPENDED: frozenset({DeviceStatus.ACTIVE}),
        DeviceStatus.DECOMMISSIONED: frozenset(),
    }
)

ALERTS_PAUSED = frozenset({DeviceStatus.MAINTENANCE, DeviceStatus.SUSPENDED})
"""Alerts about a device in one of these states wait; the drift case itself goes on."""

AT_WORK = frozenset({DeviceStatus.ACTIVE, *ALERTS_PAUSED})
"""Devices that have begun to work and have not ended: the default alert rules hold for them."""
UNWATCHED = frozenset({DeviceStatus.MANUFACTURED, DeviceStatus.DECOMMISSIONED})
"""Devices in these states are outside the monitoring: they have no drift, and no alert is ever opened about them."""

BILLED = frozenset({DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE})
"""A device in one of these states has an open billing period, one in any other state has none."""

FLAGGED = frozenset({DeviceStatus.SUSPENDED})
"""Devices in these states are marked wherever devices are shown."""


def sources(of: DeviceStatus) -> tuple[DeviceStatus, ...]:
    """The states from which `of` can be reached: the condition of every compare-and-set."""
    return tuple(state for state, reached in MOVES.items() if of in reached)


def refusal(current: DeviceStatus, to: DeviceStatus) -> str | None:
    """Why a device cannot go from one state to the other, naming the moves that are legal; None if it can."""
    legal = MOVES[current]
    if to in legal:
        return None
    if not legal:
        return f"A {current} device stays so for ever: it cannot become {to}."
    ways = " or ".join(state for state in DeviceStatus if state in legal)
    if current is to:
        there = f"in {current}" if current is DeviceStatus.MAINTENANCE else current
        return f"It is {there} already. From {current} it can become {ways}."
    return f"A device that is {current} cannot become {to}. From {current} it can become {ways}."
