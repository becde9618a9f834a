"""Faults that a test asks for: the next calls of a method fail in a chosen way."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """One order. `method` is a Web API method, `response_url`, or `*`; `channel` narrows it to one channel's id.

    Of the ways to fail, the first that is set counts:
    `accept_then_drop` does the work and then cuts the connection; `drop` cuts it without doing the work;
    `hang` never answers; `error` is a Slack error code (HTTP 200 unless `status` says else); `status` alone is
    429 or a 5xx. `delay` seconds pass first, and a delay alone only slows the call down.
    """

    model_config = ConfigDict(extra="forbid")

    method: str
    times: int = Field(default=1, ge=1)
    channel: str | None = None
    accept_then_drop: bool = False
    drop: bool = False
    hang: bool = False
    error: str | None = None
    status: int | None = None
    retry_after: float = 1.0
    delay: float = 0.0

    @property
    def name(self) -> str:
        for way in ("accept_then_drop", "drop", "hang"):
            if getattr(self, way):
                return way
        return self.error or (str(self.status) if self.status else "delay")


class Faults:
    """Orders are used up in the order in which they were given."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []

    def order(self, fault: Fault) -> None:
        self._orders.append(fault)

    def take(self, method: str, channel: str | None = None) -> Fault | None:
        for fault in self._orders:
            if fault.method in (method, "*") and fault.channel in (None, channel):
                fault.times -= 1
                if fault.times <= 0:
                    self._orders.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        self._orders.clear()

    def pending(self) -> list[dict[str, Any]]:
        return [fault.model_dump() for fault in self._orders]
