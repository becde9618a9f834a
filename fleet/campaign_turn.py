"""One device in a campaign: whether it is asked when its turn comes, and what becomes of it when its time is over.

             sent                 accepted           answered, not yet proven
planned ───────────> dispatched ───────────> acked ───────────────────────────> verifying
  ^ │                 │ │ │ └───────────────────┴──── done, proven ────────────────┴────> succeeded
  │ │ not legal,      │ │ └── it says no ──> rejected          not proven in time ──> failed
  │ │ has it already  │ └── no answer in time, heard since ──> (again, while retries are left) timed_out
  │ v                 v no answer, and not heard since
  │ skipped, removed  parked ── its time is over ──> skipped
  └───── heard ─────────┘
planned, parked ── abort ──> cancelled          any ── deleted or decommissioned meanwhile ──> removed

What had failed and is planned anew by a person is failed again, not cancelled or skipped, if its turn does not come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fleet.campaign import LEGAL, CampaignKind, TargetState
from fleet.lifecycle import DeviceStatus
from fleet.rollout import Rollout

_UNSENT_MOST = 5
"""How often what is asked of a device may be called off before it was sent, beyond its retries."""

_NOT_CONFIRMED = "Nobody confirmed the export of its data in time, so it stays as it is."


class Candidate(Protocol):
    """A planned device, with what the registry says of it now (None where it is gone).

    `unfit`: why it is left out, such as that it has it already; empty if it is not. `elsewhere`: another campaign that
    is ahead with it.
    """

    @property
    def status(self) -> DeviceStatus | None: ...
    @property
    def site(self) -> str: ...
    @property
    def site_now(self) -> str | None: ...
    @property
    def tries(self) -> int: ...
    @property
    def unfit(self) -> str: ...
    @property
    def elsewhere(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Go:
    """It is asked now."""


@dataclass(frozen=True, slots=True)
class Again:
    """Back to `planned`, to be sent anew."""


@dataclass(frozen=True, slots=True)
class Settle:
    state: TargetState
    why: str


def turn(kind: CampaignKind, device: Candidate, online: bool, rollout: Rollout) -> Go | Settle:
    """Whether a device is asked, now that it is its turn: everything is looked at again."""
    if device.status is None:
        return Settle(TargetState.REMOVED, "It is not in the registry any more.")
    if device.status not in LEGAL[kind]:
        gone = device.status is DeviceStatus.DECOMMISSIONED
        return Settle(TargetState.REMOVED if gone else TargetState.SKIPPED, f"its state is {device.status}")
    if device.site_now != device.site:
        return Settle(TargetState.SKIPPED, f"moved to {device.site_now or 'no site'}")
    if device.unfit:
        return Settle(TargetState.SKIPPED, device.unfit)
    if device.elsewhere:
        return Settle(TargetState.SKIPPED, f"in another campaign ({device.elsewhere[-6:]})")
    if device.tries > rollout.retries + _UNSENT_MOST:
        return Settle(TargetState.FAILED, "It could not be asked: every time it was called off.")
    return Go() if online else Settle(TargetState.PARKED, "offline")


def overdue(kind: CampaignKind, state: TargetState, tries: int, heard_since: bool, rollout: Rollout) -> Again | Settle:
    """What becomes of a device under way whose deadline has passed. `heard_since`: it spoke after it was sent to."""
    if kind is CampaignKind.DECOMMISSION:  # nothing was sent to it: it waits for the telemetry store
        return Settle(TargetState.TIMED_OUT, _NOT_CONFIRMED)
    if state is TargetState.VERIFYING:
        return Settle(TargetState.FAILED, "It answered, but did not prove it in time.")
    if not heard_since:
        return Settle(TargetState.PARKED, "It went offline before it answered.")
    if tries <= rollout.retries:
        return Again()
    return Settle(TargetState.TIMED_OUT, "It is online, but did not answer in time.")
