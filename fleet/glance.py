"""The fleet at a glance: which sites to name, and which to add up.

sites --by_trouble--> the worst `top`, worst first, and the rest as one line
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.lifecycle import DeviceStatus

EXPECTED = frozenset({DeviceStatus.ACTIVE, DeviceStatus.MAINTENANCE, DeviceStatus.SUSPENDED})
"""Devices in these states send data, so one of them that is not heard from is offline."""


@dataclass(frozen=True, slots=True)
class Site:
    """One site in numbers. `offline` counts devices that should be heard from; the name may be empty."""

    name: str
    devices: int = 0
    online: int = 0
    offline: int = 0
    drifted: int = 0
    alerts: int = 0

    @property
    def trouble(self) -> tuple[int, int, int, int]:
        """What people look at first: alerts, then drift, then silence; a larger site before a smaller one."""
        return self.alerts, self.drifted, self.offline, self.devices

    def __add__(self, other: Site) -> Site:
        return Site(
            self.name,
            self.devices + other.devices,
            self.online + other.online,
            self.offline + other.offline,
            self.drifted + other.drifted,
            self.alerts + other.alerts,
        )


@dataclass(frozen=True, slots=True)
class Ranked:
    """The sites that are named, worst first; how many are not, and what those have together."""

    named: tuple[Site, ...]
    others: int
    rest: Site


def by_trouble(sites: Iterable[Site], top: int) -> Ranked:
    """The `top` sites with the most trouble. A single one beyond them is named too: its line costs as much."""
    ordered = sorted(sites, key=lambda site: (*(-number for number in site.trouble), site.name))
    if len(ordered) == top + 1:
        top += 1
    left = ordered[top:]
    return Ranked(tuple(ordered[:top]), len(left), sum(left, Site("")))
