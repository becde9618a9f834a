"""Exactly what will be done: frozen when it is asked for, and known again by its digest when it starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fleet.message import as_title

IDS_KEPT = 1000
"""A plan for more devices than these names them by their digest alone; their ids are kept by whoever works on them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Exactly what will be done: approved as it is, and done as it was approved.

    `operation` is `device.…` or `bulk.…`, `title` says in a few words what will happen ("Decommission dev-1"),
    `params` are JSON values; a `why` among them is shown to whoever decides. `targets_sha256` is the digest of the
    sorted device ids, joined by newlines.
    """

    operation: str
    title: str
    params: Mapping[str, Any]
    device_ids: tuple[str, ...]
    count: int
    sites: tuple[str, ...]
    targets_sha256: str

    @property
    def sha256(self) -> str:
        """The digest of all of it, in hex."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def plan_for(
    operation: str, title: str, params: Mapping[str, Any], device_ids: Sequence[str], sites: Sequence[str]
) -> Plan:
    """The plan for these devices, at these sites. Above IDS_KEPT the digest stands for the ids."""
    targets = tuple(sorted(set(device_ids)))
    return Plan(
        operation=operation,
        title=as_title(title),
        params=params,
        device_ids=targets if len(targets) <= IDS_KEPT else (),
        count=len(targets),
        sites=tuple(sorted(set(sites))),
        targets_sha256=targets_sha256(targets),
    )


def targets_sha256(device_ids: Sequence[str]) -> str:
    """The digest of a set of devices, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(device_ids)).encode()).hexdigest()
