"""How simulated devices behave in a rehearsal: the same every time, so that two plans can be compared."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class Behaviour(BaseModel):
    """`offline`, `failing`: parts of the devices (0 to 1); None takes offline those that are now.

    A device answers after a time between 1 s and `slowest`. `rejecting`: a model of which every device says no.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    offline: float | None = Field(default=None, ge=0, le=1)
    failing: float = Field(default=0.0, ge=0, le=1)
    slowest: timedelta = timedelta(seconds=5)
    rejecting: str = ""

    def is_offline(self, device_id: str, now_online: bool) -> bool:
        return not now_online if self.offline is None else _chance(device_id, "offline") < self.offline

    def fails(self, device_id: str, model: str) -> bool:
        return (bool(self.rejecting) and model == self.rejecting) or _chance(device_id, "fails") < self.failing

    def answers_after(self, device_id: str) -> timedelta:
        first = timedelta(seconds=1)
        return first + max(self.slowest - first, timedelta(0)) * _chance(device_id, "slow")


def _chance(device_id: str, what: str) -> float:
    """From 0 to 1, always the same for the same device and question."""
    return int.from_bytes(hashlib.blake2b(f"{what} {device_id}".encode(), digest_size=4).digest()) / 2**32


def tick(predicted: timedelta) -> timedelta:
    """How coarse the virtual clock is: a long campaign is not played second by second."""
    return min(max(predicted / 1000, timedelta(seconds=1)), timedelta(seconds=10))
