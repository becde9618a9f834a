"""One simulated device: how it behaves, and where it has got to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from link.wire import Payload
from sandbox.devices.identity import Identity


class Behaviour(StrEnum):
    PROMPT = "prompt"  # applies and acks within a second
    SLOW = "slow"  # applies and acks after `slow_after`
    OFFLINE = "offline"  # is never heard
    RETURNS = "returns"  # is away until `returns_after`, then prompt
    NEVER_ACKS = "never_acks"  # goes on sending statuses with its old version
    REJECTS = "rejects"  # refuses configurations, restarts and firmware, with its reason
    GARBAGE = "garbage"  # prompt, but now and then sends what cannot be read
    FAILS = "fails"  # prompt, but each firmware fails while it is verified
    DIES = "dies"  # prompt, but starts anew after the second chunk of a log
    LOSES = "loses"  # prompt, but the second chunk of a log never leaves
    ROLLS_BACK = "rolls_back"  # prompt, but comes back from each firmware with the old one


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things happen, in seconds; the times between statuses are spread by a third."""

    status_every: float = 10.0
    telemetry_every: float = 30.0
    prompt_within: float = 1.0
    slow_after: float = 20.0
    reboot_within: float = 2.0
    step_within: float = 2.0  # each step of a firmware update
    claim_every: float = 5.0  # a claim that is not answered is made again
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
    expired: int = 0  # orders that came too late to be obeyed
    answers: dict[tuple[str, int], Payload] = field(default_factory=dict)  # the last one by (operation, attempt)
    identity: Identity = field(default_factory=Identity)

    def obeys(self, expires_at: datetime) -> bool:
        """False for an order that came too late, which is counted, and for a device that never answers."""
        if expires_at <= datetime.now(UTC):
            self.expired += 1
            return False
        return self.behaviour is not Behaviour.NEVER_ACKS

    @property
    def boot_id(self) -> str:
        return f"{self.device_id}-boot-{self.boot}"


EACH_OF_TWENTY: Mapping[Behaviour, float] = {each: 0.05 for each in Behaviour if each is not Behaviour.PROMPT}
_GOLDEN = 0.6180339887498949  # its multiples fill the unit interval evenly, however many there are


def mixed(
    count: int,
    version: str = "",
    sites: Sequence[str] = ("oslo", "bergen", "tromso"),
    *,
    shares: Mapping[Behaviour, float] = EACH_OF_TWENTY,
    models: Sequence[str] = ("gw2", "gw3", "meter-1"),
    rejecting_model: str | None = None,
) -> list[SimulatedDevice]:
    """`dev-1` to `dev-<count>`: each behaviour with its share, spread evenly, and prompt ones for what is left.

    Every device of the `rejecting_model` rejects, whatever else it would have done.
    """
    made = []
    for number in range(1, count + 1):
        model = models[number % len(models)]
        behaviour = _at(number * _GOLDEN % 1, shares)
        made.append(
            SimulatedDevice(
                device_id=f"dev-{number}",
                behaviour=Behaviour.REJECTS if model == rejecting_model else behaviour,
                site=sites[number % len(sites)],
                model=model,
                reported_version=version,
            )
        )
    return made


def _at(point: float, shares: Mapping[Behaviour, float]) -> Behaviour:
    for behaviour, share in shares.items():
        if point < share:
            return behaviour
        point -= share
    return Behaviour.PROMPT
