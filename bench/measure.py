"""Numbers: samples with their median and spread, processor time of processes, and what a bench gives back."""

from __future__ import annotations

import math
import os
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one quantity, in the order they were taken."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def low(self) -> float:
        return min(self.samples)

    @property
    def high(self) -> float:
        return max(self.samples)


def series(samples: Sequence[float]) -> Series:
    return Series(tuple(samples))


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` of all (0 to 1) do not exceed."""
    return sorted(samples)[max(0, math.ceil(len(samples) * share) - 1)]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `ratio` is Muster to floor by their medians; `met` is None where there is no goal."""

    what: str
    unit: str
    muster: Series
    floor: Series | None = None
    goal: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        return self.muster.median / self.floor.median if self.floor else None


@dataclass(slots=True)
class Result:
    """What one bench found; `notes` are sentences: what was saturated, what the surroundings were."""

    bench: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def at_most(self, what: str, unit: str, muster: Sequence[float], floor: Sequence[float], ratio: float) -> None:
        """Muster may cost `ratio` times what the floor costs."""
        ours, least = series(muster), series(floor)
        met = ours.median <= ratio * least.median
        self.figures.append(Figure(what, unit, ours, least, f"ratio ≤ {ratio:g}", met))

    def at_least(self, what: str, unit: str, muster: Sequence[float], floor: Sequence[float], ratio: float) -> None:
        """Muster must do `ratio` times what the floor does."""
        ours, least = series(muster), series(floor)
        met = ours.median >= ratio * least.median
        self.figures.append(Figure(what, unit, ours, least, f"ratio ≥ {ratio:g}", met))

    def below(self, what: str, unit: str, muster: Sequence[float], limit: float) -> None:
        """Muster by itself stays below `limit`."""
        ours = series(muster)
        self.figures.append(Figure(what, unit, ours, None, f"< {limit:g} {unit}", ours.median < limit))

    def told(self, what: str, unit: str, muster: Sequence[float]) -> None:
        """Without a goal."""
        self.figures.append(Figure(what, unit, series(muster)))


class Stopwatch:
    """Wall and processor seconds of this process, all its threads, since `start` or its making."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), own_cpu()

    @property
    def wall(self) -> float:
        return time.perf_counter() - self._wall

    @property
    def cpu(self) -> float:
        return own_cpu() - self._cpu


def own_cpu() -> float:
    """Processor seconds that this process has used, in user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_of(pid: int) -> float:
    """Processor seconds that another process has used; 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
