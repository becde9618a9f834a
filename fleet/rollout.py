"""How a campaign goes over its devices: the canary, the waves, the pace, and what stops it.

    wave 1            waves 2, 3, …                            last waves
    ┌────────┐ soak ┌───────────┐ soak ┌───────────┐  …  soak ┌────────────────┐
    │ canary │ ───> │ N or %    │ ───> │ N or %    │ ───────> │ those of `last`│
    └────────┘ gate └───────────┘ gate └───────────┘     gate └────────────────┘

A rollout is frozen into the campaign when it is planned: settings that change later change no campaign under way.
Shares are written as people type them, `5` or `5%`; the canary may also be a selector, such as `group:canary`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import Protocol
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from fleet.durations import short
from fleet.errors import BadInput

_SHARE = re.compile(r"(\d{1,7}(?:\.\d+)?)(%?)")
_WINDOW = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")

LONGEST = timedelta(days=90)
"""What would take longer is not planned: somebody has mistyped a pace. A rotation says its length itself."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many devices, or such a part of them (0 to 1)."""

    count: int | None = None
    part: float | None = None

    def of(self, total: int) -> int:
        """At least 1 and at most `total`; 0 of 0."""
        wanted = self.count if self.count is not None else math.ceil(total * (self.part or 0) - 1e-9)
        return min(max(wanted, 1), total)


def share(text: str) -> Share | None:
    """`5` or `5%`; None if it is neither (a selector, perhaps)."""
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        return None
    number = float(found[1])
    if found[2]:
        return Share(part=number / 100) if 0 < number <= 100 else None
    return Share(count=int(number)) if number >= 1 and number.is_integer() else None


def part(text: str, flag: str) -> float:
    """`5%` as 0.05. Raises BadInput naming the flag."""
    found = _SHARE.fullmatch(text.strip())
    if found is None or not found[2] or float(found[1]) > 100:
        raise BadInput(f"{flag} needs a percentage from 0% to 100%, like 5%; {text} is none.")
    return float(found[1]) / 100


class Rollout(BaseModel):
    """`canary`: a share or a selector, empty for none. `wave`: a share of what is left, empty for all at once.

    `last`: a selector of devices that go in waves of their own after all others. `max_failed` and `canary_max_failed`
    are parts of the devices that were tried (0 to 1), from `min_sample` of them on, or when the wave is over.
    `stagger` lies between two devices of one site, measured from when the first has left. `max_unavailable`: so many
    devices of a site may be under way at once. `per_minute`: so many in the whole campaign. `every`: from the
    beginning of one wave to that of the next at least. `ack_within`, `verify_within`: how long a device may take to
    answer, and then to prove it. `tail`: how long devices that are offline are waited for, from the beginning.
    `window`: the hours of the site's own day in which anything is sent, such as `22:00-05:00`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    canary: str = "5"
    wave: str = "20%"
    last: str = ""
    soak: timedelta = timedelta(minutes=10)
    every: timedelta = timedelta(0)
    max_failed: float = Field(default=0.05, ge=0, le=1)
    canary_max_failed: float = Field(default=0.0, ge=0, le=1)
    min_sample: int = Field(default=20, ge=1)
    concurrency: int = Field(default=500, ge=1)
    max_unavailable: int | None = Field(default=None, ge=1)
    per_minute: int | None = Field(default=None, ge=1)
    stagger: timedelta = timedelta(0)
    retries: int = Field(default=1, ge=0, le=20)
    ack_within: timedelta = timedelta(minutes=5)
    verify_within: timedelta = timedelta(minutes=10)
    tail: timedelta = timedelta(days=7)
    window: str = ""

    @property
    def answer_within(self) -> timedelta:
        """A device is given up at the earliest when the next of its site may go: a retry keeps the stagger too."""
        return max(self.ack_within, self.stagger)

    @property
    def spacing(self) -> timedelta:
        """Between two devices of the whole campaign."""
        return timedelta(minutes=1) / self.per_minute if self.per_minute else timedelta(0)


@dataclass(frozen=True, slots=True)
class Waves:
    """How many devices go in which wave: `canary` in the first (0: there is none), then `size`, then `last_size`.

    `first` is the number of the first wave after the canary, `first_last` that of the first of the last ones.
    """

    canary: int
    size: int
    first: int
    first_last: int
    last_size: int
    total: int


def waves(rollout: Rollout, ordinary: int, last: int, canary: int | None = None) -> Waves:
    """Cut `ordinary` devices and the `last` ones into waves. `canary`: how many its selector means, if it is one.

    Where all are the last ones, or none are, there is nothing to put behind: the canary is cut from what there is.
    """
    if ordinary == 0:
        ordinary, last = last, 0
    chosen = 0
    if rollout.canary:
        given = share(rollout.canary)
        chosen = min(canary or 0, ordinary) if given is None else given.of(ordinary)
    first = 2 if chosen else 1
    left = ordinary - chosen
    size, last_size = _size(rollout.wave, left), _size(rollout.wave, last)
    first_last = first + math.ceil(left / size) if left else first
    total = first_last - 1 + (math.ceil(last / last_size) if last else 0)
    return Waves(chosen, size, first, first_last, last_size, max(total, 1))


def _size(wave: str, devices: int) -> int:
    given = share(wave) if wave else None
    return max(given.of(devices) if given else devices, 1)


def in_turn(sizes: Sequence[int], canary: bool) -> str:
    """`6: first 5, then 4 × 239, 234`: how many waves there are, and how many devices each has."""
    runs = [(size, len(list(same))) for size, same in groupby(sizes)]
    if canary and len(sizes) > 1:
        size, times = runs[0]
        first, runs = f"first {size:,}, then ", [(size, times - 1), *runs[1:]] if times > 1 else runs[1:]
    else:
        first = ""
    told = ", ".join(f"{size:,}" if times == 1 else f"{times:,} × {size:,}" for size, times in runs)
    return f"{len(sizes):,}: {first}{told}"


def predicted(rollout: Rollout, sizes: Sequence[tuple[int, int]], answer: timedelta) -> timedelta:
    """How long it takes if all goes well. `sizes`: of each wave its devices, and those of the site that has most of
    them; `answer`: how long one device takes.
    """
    took = [_wave_takes(rollout, devices, at_one_site, answer) for devices, at_one_site in sizes]
    between = sum((max(rollout.soak, rollout.every - each) for each in took[:-1]), timedelta(0))
    return sum(took, timedelta(0)) + between


def _wave_takes(rollout: Rollout, devices: int, at_one_site: int, answer: timedelta) -> timedelta:
    budget = math.ceil(at_one_site / rollout.max_unavailable) if rollout.max_unavailable else 0
    return answer + max(
        rollout.stagger * max(at_one_site - 1, 0),
        rollout.spacing * max(devices - 1, 0),
        answer * max(math.ceil(devices / rollout.concurrency) - 1, 0),
        answer * max(budget - 1, 0),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """From one time of the day to another, in the time of a place; over midnight where `until` is not later."""

    since: time
    until: time

    def open_at(self, now: datetime, zone: ZoneInfo) -> datetime:
        """`now` if it is open at that place, else when it opens next (in the zone of `now`)."""
        local = now.astimezone(zone)
        if self._holds(local.time()):
            return now
        opens = local.replace(hour=self.since.hour, minute=self.since.minute, second=0, microsecond=0, fold=0)
        if opens <= local:
            opens += timedelta(days=1)  # wall time: the same hour of the next day, whatever the clocks do
        return opens.astimezone(now.tzinfo)

    def _holds(self, moment: time) -> bool:
        if self.since < self.until:
            return self.since <= moment < self.until
        return moment >= self.since or moment < self.until


def window(text: str) -> Window | None:
    """`22:00-05:00`; None for the empty text, which is always open. Raises BadInput."""
    if not text:
        return None
    found = _WINDOW.fullmatch(text.replace("–", "-").strip())
    if found is None:
        raise BadInput(f"A window is written like 22:00-05:00, in the time of each site; {text} is none.")
    since, until = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if since == until:
        raise BadInput(f"The window {text} has no length. Leave it out to send at any hour.")
    return Window(since, until)


class Freeze(Protocol):
    """A time in which nothing new is sent, as the settings have it."""

    @property
    def since(self) -> datetime: ...
    @property
    def until(self) -> datetime: ...
    @property
    def why(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Frozen:
    """Nothing new is sent until then; `why` is what the settings say of it, and may be empty."""

    until: datetime
    why: str


def frozen(freezes: Sequence[Freeze], moment: datetime) -> Frozen | None:
    """The freezes that hold a moment, as one; None outside of them. Ends may touch."""
    until, why = moment, []
    for each in sorted(freezes, key=lambda freeze: (freeze.since, freeze.until)):
        if each.since <= until < each.until:
            until = each.until
            why.append(each.why)
    return Frozen(until, ", ".join(dict.fromkeys(filter(None, why)))) if until > moment else None


def rules(rollout: Rollout) -> list[list[str]]:
    """The rollout as pairs of a name and a value, for people."""
    canaries = f", canaries {rollout.canary_max_failed:.1%}" if rollout.canary else ""
    told = {
        "Canary": rollout.canary or "none",
        "Waves": rollout.wave or "all at once",
        "Last": rollout.last,
        "Soak": _words(rollout.soak),
        "Stagger at a site": _words(rollout.stagger) if rollout.stagger else "",
        "At once": f"{rollout.concurrency:,}",
        "At once at a site": f"{rollout.max_unavailable:,}" if rollout.max_unavailable else "",
        "A minute": f"{rollout.per_minute:,}" if rollout.per_minute else "",
        "May fail": f"{rollout.max_failed:.1%}{canaries}",
        "Window": rollout.window,
        "Offline ones": f"waited for {_words(rollout.tail)}",
    }
    return [[name, value] for name, value in told.items() if value]


def _words(length: timedelta) -> str:
    """`4d 5m`: as it would be typed, with days apart from what is left of them."""
    whole = timedelta(days=length.days)
    return " ".join(short(each) for each in (whole, length - whole) if each) or "none"
