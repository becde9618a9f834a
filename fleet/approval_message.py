"""A request for approval as people see it: what will happen, to how much, and the buttons that still make sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.approval import ApprovalState
from fleet.message import Button, Message, Style


def message(state: ApprovalState, data: Mapping[str, Any]) -> Message:
    """The request as it stands now. `data` is its row as a mapping, with `approved_by` and `may_approve`."""
    return Message(
        template="approve/request",
        data={**data, "state": state.value},
        buttons=buttons(str(data["approval_id"]), bool(data["type_count"])) if state is ApprovalState.PENDING else (),
    )


def buttons(approval_id: str, type_count: bool) -> tuple[Button, ...]:
    """What can be done about a pending request: two of them open a form where something must be written."""
    return (
        Button(text="Approve", run=f"approve yes {approval_id}", style=Style.PRIMARY, form=type_count),
        Button(text="Reject", run=f"approve no {approval_id}", style=Style.DANGER, form=True),
        Button(text="Show", run=f"approve show {approval_id}"),
    )
