"""The draft of a campaign: its devices are frozen and shown, and nothing happens before somebody asks for approval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from commands.spec import Call
from fleet.campaign import CampaignKind, CampaignStatus
from fleet.errors import BadInput, Refused
from fleet.message import Button, Message, Style, as_title
from fleet.rollout import Rollout, frozen, in_turn, predicted, rules, share
from fleet.selector import Selector, parse
from storage import audit, campaign_plan, campaigns, devices, groups, ids
from storage.campaign_plan import Moment, Preview
from storage.tables import Campaign

_TAKES = {
    CampaignKind.CONFIG: timedelta(seconds=5),
    CampaignKind.RESTART: timedelta(minutes=1),
    CampaignKind.FIRMWARE: timedelta(minutes=10),
    CampaignKind.ROTATE_CERTS: timedelta(minutes=1),
    CampaignKind.DECOMMISSION: timedelta(seconds=5),
}
"""How long one device may take, for the predicted duration, as long as no campaign of the kind has shown it."""

_NAMED = 10  # ids that are not in the registry


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to do to the devices that `which` means. `parent`: the campaign that it tops up; `notes`:
    sentences for the preview.
    """

    kind: CampaignKind
    title: str
    which: Selector
    rollout: Rollout
    params: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    parent: str = ""
    notes: Sequence[str] = ()


async def plan(call: Call, draft: Draft) -> Message:
    """Freeze the targets of a campaign and show them. It is a draft: it ends by itself if nobody asks for approval.

    Raises Refused if there is nothing to do, and NotFound for a group that is none.
    """
    if draft.at and draft.at <= call.now:
        raise BadInput(f"--at {draft.at.isoformat(timespec='minutes')} has passed. Leave it out to begin at once.")
    at = Moment(call.now, call.settings.drift.online_within)
    async with call.db.begin() as session:
        for selector in _typed(draft, call):
            await groups.refuse_unknown(session, selector)
        row_id = ids.new("ca", call.now)
        await campaigns.add(session, _row(row_id, draft, call))
        made = await campaigns.get(session, row_id)
        await campaign_plan.freeze(session, made, draft.which, at, draft.parent)
        shown = await campaign_plan.preview(session, made, at)
        if made.targets == 0:
            _, meant = await devices.ids(session, draft.which, at.now, at.online_within, 1)
            raise Refused(_nothing(draft, shown, meant))
        told = {"title": made.title, "selector": made.selector, "targets": made.targets}
        await audit.add(session, call.now, call.person.id, "campaign.planned", row_id, told)
        unknown = await devices.unknown_among(session, draft.which.exact_ids)
    return _preview(made, shown, call, [*draft.notes, *_not_there(unknown)])


def _row(row_id: str, draft: Draft, call: Call) -> dict[str, Any]:
    return {
        "id": row_id,
        "kind": draft.kind,
        "title": as_title(draft.title)[:256],
        "status": CampaignStatus.PLANNED,
        "selector": str(draft.which),
        "params": draft.params,
        "rollout": draft.rollout.model_dump(mode="json"),
        "created_at": call.now,
        "created_by": call.person.id,
        "changed_by": call.person.id,
        "channel": call.settings.slack.ops_channel,
        "parent_id": draft.parent or None,
        "start_at": draft.at,
        "due_at": call.now + call.settings.campaigns.draft_expires,
    }


def _typed(draft: Draft, call: Call) -> Iterator[Selector]:
    """The selectors of somebody's line: those of the settings may name a group that is to come."""
    policy = call.settings.campaigns
    usual = ("", policy.canary, policy.firmware_canary, policy.restart_last)
    yield draft.which
    for text in (draft.rollout.canary, draft.rollout.last):
        if text not in usual and share(text) is None:
            yield parse(text)


def _not_there(unknown: Sequence[str]) -> list[str]:
    """A note about the ids of somebody's line that no device has."""
    if not unknown:
        return []
    more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
    return [f":warning: Not in the registry: {', '.join(unknown[:_NAMED])}{more}."]


def _nothing(draft: Draft, shown: Preview, meant: int) -> str:
    """Why there is nothing to do. `meant`: how many devices match, those of a campaign that is topped up among them."""
    which = draft.which
    if not meant:
        return f"No device matches {which}. Nothing was planned; look with /fleet find {which}."
    if not shown.skipped:
        return f"All devices that match {which} are in campaign {draft.parent[-6:]} already. Nothing was planned."
    others = f" and are not in campaign {draft.parent[-6:]}" if draft.parent else ""
    reasons = "; ".join(f"{count:,} × {why}" for why, count in shown.skipped)
    return f"None of the devices that match {which}{others} can take part: {reasons}. Nothing was planned."


def _preview(row: Campaign, shown: Preview, call: Call, notes: Sequence[str] = ()) -> Message:
    """The blast radius, and what can be done with the plan."""
    rollout = campaigns.rollout_of(row)
    device_takes = shown.took if shown.took is not None else _TAKES[row.kind]
    takes = predicted(rollout, shown.sizes, device_takes)
    pairs = {
        name: [list(each) for each in getattr(shown, name)] for name in ("sites", "models", "firmwares", "statuses")
    }
    return Message(
        template="bulk/preview",
        data={
            **pairs,
            "campaign_id": row.id,
            "kind": row.kind.value,
            "title": row.title,
            "selector": row.selector,
            "targets": row.targets,
            "online": shown.online,
            "skipped": [[count, why] for why, count in shown.skipped],
            "waves": in_turn([devices for _, devices in shown.waves], canary=bool(rollout.canary)),
            "gate": {
                "canary": bool(rollout.canary) and row.waves > 1,
                "canary_limit": rollout.canary_max_failed,
                "limit": rollout.max_failed,
            },
            "sample": [each.device_id for each in shown.sample],
            "takes_s": takes.total_seconds(),
            "device_takes_s": device_takes.total_seconds(),
            "measured": shown.took is not None,
            "window": rollout.window,
            "starts_at": row.start_at,
            "frozen": frozen(call.settings.campaigns.freezes, row.start_at or call.now),
            "expires_at": row.due_at,
            "rollout": rules(rollout),
            "notes": list(notes),
            "now": call.now,
        },
        buttons=(
            Button(text="Ask for approval", run=f"bulk ask {row.id}", style=Style.PRIMARY),
            Button(text="Rehearse", run=f"bulk rehearse {row.id}"),
            Button(text="All devices as a file", run=f"bulk show {row.id} --csv"),
            Button(text="Discard", run=f"bulk abort {row.id}"),
        ),
    )
