"""A campaign as people see it: its one live message, and the buttons that make sense just now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.campaign import RETRIABLE, UNSETTLED, CampaignStatus, TargetState
from fleet.message import Button, Message, Style, word

_BAR = 20
_GROUPS = 2  # of failures, that have buttons of their own
_AT_WORK = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.SOAKING)


def bar(settled: int, total: int) -> str:
    """`█████░░░░░░░░░░░░░░░`: how much is settled; full only when all is."""
    full = _BAR if settled >= total else _BAR * settled // max(total, 1)
    return "█" * full + "░" * (_BAR - full)


def settled(tally: Mapping[TargetState, int]) -> int:
    """How many devices of the plan need nothing more; those that an abort left as they are were not done."""
    return sum(count for state, count in tally.items() if state not in (*UNSETTLED, TargetState.CANCELLED))


def message(status: CampaignStatus, data: Mapping[str, Any], failures: Sequence[Mapping[str, Any]]) -> Message:
    """The live message. `failures`: groups of (state, why, model, firmware, devices), the greatest first."""
    shown = {**data, "status": status.value, "failures": [dict(each) for each in failures]}
    return Message(template="bulk/campaign", data=shown, buttons=buttons(status, str(data["campaign_id"]), failures))


def buttons(status: CampaignStatus, campaign_id: str, failures: Sequence[Mapping[str, Any]]) -> tuple[Button, ...]:
    made: list[Button] = []
    if status in _AT_WORK:
        made.append(Button(text="Pause", run=f"bulk pause {campaign_id}"))
    if status is CampaignStatus.PAUSED:
        made.append(Button(text="Resume", run=f"bulk resume {campaign_id}", style=Style.PRIMARY))
    if status in (*_AT_WORK, CampaignStatus.PAUSED):
        confirm = "Nothing more is sent. What is under way finishes, and what devices have taken stays."
        made.append(Button(text="Abort", run=f"bulk abort {campaign_id}", style=Style.DANGER, confirm=confirm))
    if failures and status in RETRIABLE:
        made.append(Button(text="Retry failed", run=f"bulk retry {campaign_id}"))
        for each in failures[:_GROUPS] if len(failures) > 1 else ():
            made += _group(status, campaign_id, each)
        if len(failures) == 1:
            made += _exclude(status, campaign_id, failures[0])
    made.append(Button(text="Details", run=f"bulk show {campaign_id}"))
    return tuple(made)


def _group(status: CampaignStatus, campaign_id: str, of: Mapping[str, Any]) -> list[Button]:
    model, firmware = word(str(of["model"])), word(str(of["firmware"]))
    if not (model and firmware):
        return []  # no line can be trusted to mean exactly these
    retry = f"bulk retry {campaign_id} model:{model} firmware:{firmware}"
    text = f"Retry these: {of['model']} {of['firmware']}"
    return [Button(text=text[:75], run=retry), *_exclude(status, campaign_id, of)]


def _exclude(status: CampaignStatus, campaign_id: str, of: Mapping[str, Any]) -> list[Button]:
    model = word(str(of["model"]))
    if not model or status not in (*_AT_WORK, CampaignStatus.PAUSED):
        return []
    text = f"Exclude {of['model']} and go on"
    confirm = f"Devices of the model {of['model']} that have not had their turn are left out."
    return [Button(text=text[:75], run=f"bulk exclude {campaign_id} --go-on model:{model}", confirm=confirm[:300])]
