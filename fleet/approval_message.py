"""A request for approval as people see it: what will happen, to how much, and the buttons that still make sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fleet.approval import ApprovalState
from fleet.message import Button, Message, Style
from fleet.rollout import Freeze, frozen


def message(state: ApprovalState, data: Mapping[str, Any]) -> Message:
    """The request as it stands now. `data` is its row as a mapping, with `approved_by` and `may_approve`."""
    return Message(
        template="approve/request",
        data={**data, "state": state.value},
        buttons=buttons(str(data["approval_id"]), bool(data["type_count"])) if state is ApprovalState.PENDING else (),
    )


def schedule(params: Mapping[str, Any], since: datetime, freezes: Sequence[Freeze]) -> dict[str, Any]:
    """When a plan begins and ends, for people. `params`: of the plan; `since`: it was decided, or asked for, then.

    `starts_at` is None if nothing keeps it from beginning at once; `starts_there` is the same on the clocks that a
    maintenance was planned by (2026-12-01 01:30 Europe/Oslo), or empty; `frozen` is the freeze that a campaign waits
    for; `lasts_s` and `ends_at` are those of a maintenance window.
    """
    given = params.get("at") or params.get("starts_at")
    at = max(datetime.fromisoformat(given), since) if given else since
    freeze = frozen(freezes, at) if params.get("campaign") else None
    begins, lasts = freeze.until if freeze else at, params.get("for_s")
    later, zone = begins > since, params.get("zone")
    return {
        "starts_at": begins if later else None,
        "starts_there": f"{begins.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}" if later and zone else "",
        "frozen": asdict(freeze) if freeze else None,
        "lasts_s": lasts,
        "ends_at": begins + timedelta(seconds=lasts) if lasts else None,
    }


def buttons(approval_id: str, type_count: bool) -> tuple[Button, ...]:
    """What can be done about a pending request: two of them open a form where something must be written."""
    return (
        Button(text="Approve", run=f"approve yes {approval_id}", style=Style.PRIMARY, form=type_count),
        Button(text="Reject", run=f"approve no {approval_id}", style=Style.DANGER, form=True),
        Button(text="Show", run=f"approve show {approval_id}"),
    )
