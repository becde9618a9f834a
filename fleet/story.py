"""A device's story: what happened to it, who did it, and where that stands in Slack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fleet.operation import OperationKind, OperationState

_LONGEST = 200
_SHOWN_ELSEWHERE = frozenset({"devices", "digest", "values"})

DOUBLED = frozenset(
    {"config.pushed", "drift.escalated", "drift.resolved", "alert.changed", "alert.acknowledged", "alerts.summarised"}
)
"""Audit entries that say of many devices what the device's own operations, cases and alerts say better."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `key` is that of its message in the outbox, if it has one; `url` where that stands.

    `times`: it happened so often in a row, the last time at `until`.
    """

    at: datetime
    who: str
    what: str
    detail: str = ""
    key: str = ""
    url: str = ""
    times: int = 1
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, the oldest first; `earlier` is the moment before which there are more."""

    events: tuple[Event, ...]
    earlier: datetime | None


def page(found: Sequence[Event], limit: int) -> Page:
    """The newest of these: up to `limit`, and whatever happened in the same moment as the oldest of them."""
    in_order = sorted(found, key=lambda event: event.at)  # those of one moment stay as they were given
    if len(in_order) <= limit:
        return Page(tuple(in_order), None)
    edge = in_order[-limit].at
    kept = [event for event in in_order if event.at >= edge]
    return Page(tuple(kept), edge if len(in_order) > len(kept) else None)


def folded(events: Iterable[Event]) -> list[Event]:
    """The same in order, where what happened again and again with nothing between is one event."""
    made: list[Event] = []
    for event in events:
        if made and _alike(made[-1]) == _alike(event):
            made[-1] = replace(made[-1], times=made[-1].times + 1, until=event.at)
        else:
            made.append(event)
    return made


def _alike(event: Event) -> tuple[str, ...]:
    return event.who, event.what, event.detail, event.key


def outcome(kind: OperationKind, state: OperationState, was_sent: bool, in_campaign: bool) -> str:
    """What became of an operation. A push that a newer round took the place of was cancelled by nobody."""
    replaced = state is OperationState.CANCELLED and kind is OperationKind.CONFIG and not in_campaign
    return "no answer" if was_sent and (replaced or state is OperationState.EXPIRED) else state.value


def linked(told: Page, urls: Mapping[str, str]) -> Page:
    """The same, with the address of each message that stands in Slack."""
    return replace(told, events=tuple(replace(event, url=urls.get(event.key, "")) for event in told.events))


def words(action: str) -> str:
    """An audit action as words: `device.moved` -> `device moved`."""
    return action.replace(".", " ").replace("_", " ")


def detail(data: Mapping[str, Any]) -> str:
    """What is worth a line of an entry's data: `from: active, to: suspended, why: …`; of a mapping its names."""
    shown = {name: value for name, value in data.items() if name not in _SHOWN_ELSEWHERE}
    said = {name: ", ".join(value) if isinstance(value, Mapping) else value for name, value in shown.items()}
    said = {name: value for name, value in said.items() if isinstance(value, (str, int, float))}
    text = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in said.items() if value != "")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def url(channel: str, ts: str) -> str:
    """Where a message stands in Slack; its web app finds the workspace."""
    return f"https://slack.com/archives/{channel}/p{ts.replace('.', '')}"
