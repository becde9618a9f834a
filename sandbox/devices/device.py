"""One simulated device: how it behaves, and where it has got to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from link.wire import ConfigAck


class Behaviour(StrEnum):
    PROMPT = "prompt"  # applies and acks within a second
    SLOW = "slow"  # applies and acks after `slow_after`
    OFFLINE = "offline"  # is never heard
    RETURNS = "returns"  # is away until `returns_after`, then prompt
    NEVER_ACKS = "never_acks"  # goes on sending statuses with its old version
    REJECTS = "rejects"  # acks each configuration with an error
    GARBAGE = "garbage"  # prompt, but now and then sends what cannot be read


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things happen, in seconds; the times between statuses are spread by a third."""

    status_every: float = 10.0
    telemetry_every: float = 30.0
    prompt_within: float = 1.0
    slow_after: float = 20.0
    returns_after: float = 45.0
    garbage_share: float = 0.2  # garbage messages for each status


@dataclass(slots=True)
class SimulatedDevice:
    """What it is to begin with, and where it has got to. Only the fleet changes it; tests read it."""

    device_id: str
    behaviour: Behaviour = Behaviour.PROMPT
    site: str = "oslo"
    model: str = "gw2"
    firmware: str = "1.4.0"
    reported_version: str = ""
    boot: int = 1
    online: bool = False
    pushes_seen: int = 0  # configurations delivered, duplicates too
    applied: list[str] = field(default_factory=list)  # versions, in order
    acks_sent: int = 0
    statuses_sent: int = 0
    telemetry_sent: int = 0
    garbage_sent: int = 0
    unreadable: int = 0  # orders that this device could not read
    answers: dict[tuple[str, int], ConfigAck] = field(default_factory=dict)  # by (operation, attempt)

    @property
    def boot_id(self) -> str:
        return f"{self.device_id}-boot-{self.boot}"


def mixed(count: int, version: str = "", sites: Sequence[str] = ("oslo", "bergen", "tromso")) -> list[SimulatedDevice]:
    """`dev-1` to `dev-<count>`, most of them prompt, every behaviour among each twenty."""
    few = [behaviour for behaviour in Behaviour if behaviour is not Behaviour.PROMPT]
    return [
        SimulatedDevice(
            device_id=f"dev-{number}",
            behaviour=few[number % 20] if number % 20 < len(few) else Behaviour.PROMPT,
            site=sites[number % len(sites)],
            reported_version=version,
        )
        for number in range(1, count + 1)
    ]
