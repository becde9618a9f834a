"""What follows for a campaign (drawn in fleet/campaign.py): its next step, from its row and the counts of its devices.

`next_step` is the whole rule of the engine. A wave goes out as far as `concurrency` allows; when it is over, it is
watched for the soak, and then the next one begins. Whatever happens, `tripped` may stop it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fleet.campaign import CampaignStatus
from fleet.rollout import Rollout

_S = CampaignStatus


class Campaign(Protocol):
    """The part of a campaign's row that the rule looks at.

    `wave` is the present one, `waves` how many there are. `wave_at`: when it began. `due_at` means by `status`: the
    draft's or the request's end, the planned start, the end of the soak, the end of a pause. `forgiven_failed` of
    `forgiven` tried devices of this wave were accepted by whoever resumed; `unproven_ok` is a wave that may be left
    although nobody in it could be tried. `tail_until`: when parked devices are given up.
    """

    @property
    def status(self) -> CampaignStatus: ...
    @property
    def wave(self) -> int: ...
    @property
    def waves(self) -> int: ...
    @property
    def wave_at(self) -> datetime | None: ...
    @property
    def due_at(self) -> datetime | None: ...
    @property
    def tail_until(self) -> datetime | None: ...
    @property
    def forgiven(self) -> int: ...
    @property
    def forgiven_failed(self) -> int: ...
    @property
    def unproven_ok(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Devices that matter now: `planned` of all waves begun, `under_way` and `parked` of the whole campaign;
    `succeeded` and `failed` (rejected, timed out and failed) of the present wave, `succeeded_before` of the others.
    """

    planned: int = 0
    under_way: int = 0
    parked: int = 0
    succeeded: int = 0
    failed: int = 0
    succeeded_before: int = 0

    @property
    def tried(self) -> int:
        return self.succeeded + self.failed


@dataclass(frozen=True, slots=True)
class StartWave:
    number: int


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send to up to so many devices; windows, staggers and budgets of their sites may allow fewer."""

    devices: int


@dataclass(frozen=True, slots=True)
class Soak:
    until: datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """A gate tripped; `why` is a whole sentence with its numbers."""

    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Begin to end it: nothing more is sent. `why` is a whole sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class GiveUpParked:
    """The time of the offline ones is over."""


@dataclass(frozen=True, slots=True)
class Finish:
    status: CampaignStatus


@dataclass(frozen=True, slots=True)
class Wait:
    """For devices and people; until that moment at the latest, where there is one."""

    until: datetime | None = None


Step = StartWave | Dispatch | Soak | Pause | Stop | GiveUpParked | Finish | Wait


def next_step(
    row: Campaign, counts: Counts, now: datetime, rollout: Rollout, frozen_until: datetime | None = None
) -> Step:
    """What follows for a campaign. `frozen_until`: nothing new is sent before (freeze calendar)."""
    due = row.due_at is None or row.due_at <= now
    match row.status:
        case _S.PLANNED | _S.WAITING:
            return Finish(_S.EXPIRED) if due else Wait(row.due_at)
        case _S.SCHEDULED:
            if not due or frozen_until:
                return Wait(frozen_until if due else row.due_at)
            return StartWave(1)
        case _S.PAUSED:
            return Stop("Nobody resumed it in time.") if row.due_at and due else Wait(row.due_at)
        case _S.STOPPING:
            return Wait() if counts.under_way else Finish(_S.ABORTED)
        case _S.RUNNING | _S.SOAKING:
            return _running(row, counts, now, rollout, frozen_until)
        case _:
            return Wait()


def _running(row: Campaign, counts: Counts, now: datetime, rollout: Rollout, frozen_until: datetime | None) -> Step:
    if why := tripped(row, counts, rollout):
        return Pause(why)
    if counts.planned and not frozen_until and (room := rollout.concurrency - counts.under_way) > 0:
        return Dispatch(min(room, counts.planned))
    if counts.planned or counts.under_way:
        return Wait(frozen_until if counts.planned else None)
    if row.wave < row.waves:
        return _between_waves(row, now, rollout, frozen_until)
    if counts.parked:
        return GiveUpParked() if row.tail_until and row.tail_until <= now else Wait(row.tail_until)
    return Finish(_S.DONE if counts.succeeded + counts.succeeded_before or not counts.failed else _S.FAILED)


def _between_waves(row: Campaign, now: datetime, rollout: Rollout, frozen_until: datetime | None) -> Step:
    if row.status is _S.RUNNING:
        earliest = row.wave_at + rollout.every if row.wave_at else now
        until = max(now + rollout.soak, earliest)
        if until > now:
            return Soak(until)
    elif row.due_at and row.due_at > now:
        return Wait(row.due_at)
    return Wait(frozen_until) if frozen_until else StartWave(row.wave + 1)


def tripped(row: Campaign, counts: Counts, rollout: Rollout) -> str | None:
    """Why the campaign must not go on by itself, as a sentence; None if it may.

    Looked at all the time. A gate trips from `min_sample` tried devices on, when its wave is over, or as soon as the
    wave cannot end below it any more. With nothing left to protect it does not trip.
    """
    active = counts.planned + counts.under_way
    if not counts.planned and row.wave >= row.waves and not counts.parked:
        return None
    canary = row.wave == 1 and bool(rollout.canary)
    if canary and not active and not counts.tried and row.waves > 1 and row.unproven_ok != row.wave:
        return "No canary could be tried, so nothing is proven: all of them are offline, or were left out."
    tried, failed = counts.tried - row.forgiven, counts.failed - row.forgiven_failed
    limit = rollout.canary_max_failed if canary else rollout.max_failed
    if failed <= 0 or tried <= 0:
        return None
    certain = failed > limit * (tried + active)
    if failed <= limit * tried or not (certain or tried >= rollout.min_sample or not active):
        return None
    who = "canaries" if canary else f"devices tried in wave {row.wave}"
    since = " since it was resumed" if row.forgiven else ""
    may = f"at most {limit:.1%} may" if limit else "none may"
    return f"{failed:,} of {tried:,} {who} failed{since} ({failed / tried:.1%}); {may}."
