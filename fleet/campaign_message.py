"""A campaign as people see it: its one live message, and the buttons that make sense just now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fleet.campaign import RETRIABLE, UNSETTLED, CampaignKind, CampaignStatus, TargetState
from fleet.cause import token
from fleet.message import Button, Message, Style, word

_BAR = 20
_GROUPS = 5  # of failures, that have buttons of their own
_AT_WORK = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.SOAKING)


_STAYS: Mapping[CampaignKind, str] = MappingProxyType(
    {
        CampaignKind.CONFIG: "What devices have taken stays, and what the broker keeps for a device it still gets.",
        CampaignKind.FIRMWARE: "At its end the orders that the broker keeps for devices are cleared.",
        CampaignKind.RESTART: "The broker keeps no order: a device that was not asked yet is not restarted.",
        CampaignKind.ROTATE_CERTS: "The broker keeps no order; certificates that were renewed stay so.",
        CampaignKind.DECOMMISSION: "Devices that are decommissioned stay so, and the others stay as they are.",
    }
)


def stays(kind: CampaignKind, downgrades: bool) -> str:
    """What becomes of what is already out there when a campaign is aborted: said before it is, and after."""
    if kind is not CampaignKind.FIRMWARE:
        return _STAYS[kind]
    have_it = "are brought back to what they ran before, if that is kept here" if downgrades else "keep it"
    return f"{_STAYS[kind]} Devices that have the firmware {have_it}."


def _before_abort(kind: CampaignKind, downgrades: bool) -> str:
    sweep = (
        "The sweep goes on pushing it to devices that have it as their target." if kind is CampaignKind.CONFIG else ""
    )
    ends = "The campaign sends nothing more, and what is under way finishes."
    return " ".join(each for each in (ends, stays(kind, downgrades), sweep) if each)


def bar(settled: int, total: int) -> str:
    """`█████░░░░░░░░░░░░░░░`: how much is settled; full only when all is."""
    full = _BAR if settled >= total else _BAR * settled // max(total, 1)
    return "█" * full + "░" * (_BAR - full)


def settled(tally: Mapping[TargetState, int]) -> int:
    """How many devices of the plan need nothing more; those that an abort left as they are were not done."""
    return sum(count for state, count in tally.items() if state not in (*UNSETTLED, TargetState.CANCELLED))


def message(status: CampaignStatus, data: Mapping[str, Any], failures: Sequence[Mapping[str, Any]]) -> Message:
    """The live message. `failures`: groups of (why, model, firmware, devices), the largest first."""
    shown = {**data, "status": status.value, "failures": [dict(each) for each in failures]}
    confirm = _before_abort(CampaignKind(data["kind"]), bool(data["downgrades"]))
    below = buttons(status, str(data["campaign_id"]), failures, confirm)
    return Message(template="bulk/campaign", data=shown, buttons=below)


def buttons(
    status: CampaignStatus, campaign_id: str, failures: Sequence[Mapping[str, Any]], confirm: str = ""
) -> tuple[Button, ...]:
    """What may be done with a campaign in this state; `failures` are offered to be retried, each cause by itself.

    `confirm`: what an abort means, for whoever is about to.
    """
    made: list[Button] = []
    if status in _AT_WORK:
        made.append(Button(text="Pause", run=f"bulk pause {campaign_id}"))
    if status is CampaignStatus.PAUSED:
        made.append(Button(text="Resume", run=f"bulk resume {campaign_id}", style=Style.PRIMARY))
    if status in (*_AT_WORK, CampaignStatus.PAUSED):
        made.append(Button(text="Abort", run=f"bulk abort {campaign_id}", style=Style.DANGER, confirm=confirm or None))
    if failures and status in RETRIABLE:
        made.append(Button(text="Retry failed", run=f"bulk retry {campaign_id}"))
        few = failures[:_GROUPS] if len(failures) > 1 else ()
        made += [button for each in few if (button := _retry(campaign_id, each))]
    if status in (*_AT_WORK, CampaignStatus.PAUSED):
        models = dict.fromkeys(str(each["model"]) for each in failures[:_GROUPS])
        made += [button for model in models if (button := _exclude(campaign_id, model))]
    made.append(Button(text="Details", run=f"bulk show {campaign_id}"))
    return tuple(made)


def _retry(campaign_id: str, group: Mapping[str, Any]) -> Button | None:
    """For exactly the devices of one group; None if no line can be trusted to mean them."""
    cause, model, firmware = (str(group[name]) for name in ("why", "model", "firmware"))
    flags = {"model": _value(model), "firmware": _value(firmware)}
    if None in flags.values():
        return None
    run = " ".join([f"bulk retry {campaign_id} --cause {token(cause)}", *(f"--{k} {v}" for k, v in flags.items())])
    which = " ".join(each for each in (model, firmware) if each) or "no model known"
    return Button(text=f"Retry these {group['devices']:,}: {which}, {cause}"[:75], run=run)


def _value(text: str) -> str | None:
    """As the value of a flag, where empty means that it is not known."""
    return word(text) if text else '""'


def _exclude(campaign_id: str, model: str) -> Button | None:
    value = word(model)
    if not value:
        return None
    confirm = f"Devices of the model {model} that have not had their turn are left out."
    run = f"bulk exclude {campaign_id} --go-on model:{value}"
    return Button(text=f"Exclude {model} and go on"[:75], run=run, confirm=confirm[:300])
