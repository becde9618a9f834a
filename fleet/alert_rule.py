"""Alert rules: what is measured of a device, past which threshold and for how long it is brought before people.

kind          threshold             for how long       looks at
offline       none                  15m                when the device was last heard
cpu ram disk  percent               0s, 10m            measurements: answers to `diag metrics`, and telemetry
certificate   none                  none               the end of its certificate; how early: certificates.alert_days
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from fleet.alert import AlertKind, Severity
from fleet.durations import short


class RuleKind(StrEnum):
    OFFLINE = "offline"
    CPU = "cpu"
    RAM = "ram"
    DISK = "disk"
    CERTIFICATE = "certificate"

    @property
    def alerts(self) -> AlertKind:
        """The kind of the alerts that such a rule opens."""
        return AlertKind(self.value)


def when(kind: RuleKind, threshold: float | None, for_s: int) -> str:
    """What a rule looks for, in words: `cpu at 90 % or more for 15m`."""
    lasting = short(timedelta(seconds=for_s))
    match kind:
        case RuleKind.OFFLINE:
            return f"not heard for {lasting}"
        case RuleKind.CERTIFICATE:
            return "certificate ends soon"
        case _:
            return f"{kind.value} at {threshold:g} % or more" + (f" for {lasting}" if for_s else "")


MEASURED = (RuleKind.CPU, RuleKind.RAM, RuleKind.DISK)


@dataclass(frozen=True, slots=True)
class Default:
    """A rule that every registry begins with; it can be changed and disabled, but not removed."""

    name: str
    kind: RuleKind
    threshold: float | None
    lasting: timedelta
    severity: Severity


DEFAULTS = (
    Default("offline", RuleKind.OFFLINE, None, timedelta(minutes=30), Severity.WARNING),
    Default("high-cpu", RuleKind.CPU, 90.0, timedelta(minutes=15), Severity.WARNING),
    Default("disk-nearly-full", RuleKind.DISK, 90.0, timedelta(0), Severity.WARNING),
    Default("certificate", RuleKind.CERTIFICATE, None, timedelta(0), Severity.WARNING),
)
