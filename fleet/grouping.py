"""Many alerts of one cause at one site are one grouped alert.

    an open group of that kind, cause and site ──> it takes them in
    else: more than `above` of them, counting those that were told singly a short while ago ──> a new group
    else: each is told singly

So a power cut at a site that strikes device after device is a few single messages and then one, and 2,000 devices that
fall due together are one message from the start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleet.alert import Severity

_LONGEST_KEY = 256


def group_key(cause: str, site: str) -> str:
    """The key of a cause at a site: never a device id, and never that of another pair."""
    key = json.dumps([cause, site], ensure_ascii=False)
    return key if len(key) <= _LONGEST_KEY else json.dumps([hashlib.sha256(key.encode()).hexdigest()])


@dataclass(frozen=True, slots=True)
class Found:
    """A device with a cause that people must know. `data` is what a message about it alone shows.

    `key` names the cause and the site: devices with the same one belong together. `shared` is what a grouped message
    shows, and is the same for all of one key. `detail` is what the device said, for causes that end when it says
    something else; `ends_at` the same as a moment. `rule_id` is the alert rule that found it, where there is one.
    """

    device_id: str
    key: str
    data: Mapping[str, Any]
    shared: Mapping[str, Any]
    line: str = ""
    detail: str = ""
    ends_at: datetime | None = None
    level: int = 0
    level_at: datetime | None = None
    rule_id: str = ""
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is told singly, and who in which group."""

    singles: list[Found] = field(default_factory=list)
    groups: dict[str, list[Found]] = field(default_factory=dict)


def plan(found: Sequence[Found], standing: Collection[str], recent: Mapping[str, int], above: int) -> Plan:
    """`standing`: keys with an open group; `recent`: single alerts of a key during the last while."""
    by_key: dict[str, list[Found]] = {}
    for each in found:
        by_key.setdefault(each.key, []).append(each)
    made = Plan()
    for key, members in by_key.items():
        if key in standing or len(members) + recent.get(key, 0) > above:
            made.groups[key] = members
        else:
            made.singles.extend(members)
    return made
