"""The draft of a campaign: its devices are frozen and shown, and nothing happens before somebody asks for approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call
from fleet.campaign import CampaignKind, CampaignStatus
from fleet.errors import BadInput, Refused
from fleet.message import Button, Message, Style, as_title
from fleet.rollout import LONGEST, Rollout, frozen, in_turn, predicted, rules, share
from fleet.selector import Selector, parse
from storage import alert_devices, audit, campaign_plan, campaign_waiting, campaigns, devices, groups, ids
from storage.campaign_plan import Moment, Outlook, Preview
from storage.db import AnyRow
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
_OVERLAPS = 3  # campaigns that wait and have the same devices


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to do to the devices that `which` means.

    `parent`: the campaign that it tops up; `notes`: sentences for the preview. `or_canary`: so many go first where the
    canary means none of them; None refuses that, if it was typed.
    """

    kind: CampaignKind
    title: str
    which: Selector
    rollout: Rollout
    params: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    parent: str = ""
    or_canary: str | None = None
    notes: Sequence[str] = ()


async def plan(call: Call, draft: Draft) -> Message:
    """Freeze the targets of a campaign and show them. It is a draft: it ends by itself if nobody asks for approval.

    Raises Refused if there is nothing to do, NotFound for a group that is none, and BadInput for a canary of nobody.
    """
    if draft.at and draft.at <= call.now:
        raise BadInput(f"--at {draft.at.isoformat(timespec='minutes')} has passed. Leave it out to begin at once.")
    at = Moment(call.now, call.settings.drift.online_within)
    async with call.db.begin() as session:
        await _refuse_unknown(session, draft, call)
        row_id = ids.new("ca", call.now)
        await campaigns.add(session, _row(row_id, draft, call))
        made = await campaigns.get(session, row_id)
        canaries = await campaign_plan.freeze(session, made, draft.which, at, draft.parent, draft.or_canary or "")
        shown = await campaign_plan.preview(session, made, at)
        if made.targets == 0:
            _, meant = await devices.ids(session, draft.which, at.now, at.online_within, 1)
            raise Refused(_nothing(draft, shown, meant))
        notes = [*draft.notes, *_who_goes_first(draft, made, canaries, call)]
        if draft.kind is not CampaignKind.ROTATE_CERTS and (length := takes(made, shown)) > LONGEST:
            raise Refused(_too_long(length))
        told = {"title": made.title, "selector": made.selector, "targets": made.targets}
        await audit.add(session, call.now, call.person.id, "campaign.planned", row_id, told)
        notes += await _ill(session, made, canaries)
        notes += _waiting(await campaign_waiting.overlaps(session, made))
        notes += _not_there(await devices.unknown_among(session, draft.which.exact_ids))
    return _preview(made, shown, call, notes)


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


def _canary_is_typed(draft: Draft, call: Call) -> bool:
    return draft.or_canary is None and draft.rollout.canary not in ("", call.settings.campaigns.canary)


async def _refuse_unknown(session: AsyncSession, draft: Draft, call: Call) -> None:
    """Raises NotFound for groups of somebody's line that are none, and BadInput for devices of its flags that are none.

    The selectors of the settings may name a group that is to come.
    """
    await groups.refuse_unknown(session, draft.which)
    flags = {"canary": draft.rollout.canary} if _canary_is_typed(draft, call) else {}
    if draft.rollout.last not in ("", call.settings.campaigns.restart_last):
        flags["last"] = draft.rollout.last
    for flag, text in flags.items():
        if share(text) is not None:
            continue
        await groups.refuse_unknown(session, parse(text))
        if unknown := await devices.unknown_among(session, parse(text).exact_ids):
            raise BadInput(f"--{flag} names what is not in the registry: {_some(unknown)}.", field=flag)


def _who_goes_first(draft: Draft, made: Campaign, canaries: int, call: Call) -> list[str]:
    """Notes about a canary that is not what it seems. Raises BadInput if somebody typed one that means nobody."""
    asked, chosen = draft.rollout.canary, campaigns.rollout_of(made).canary
    if chosen != asked and _canary_is_typed(draft, call):
        before = " that go before those of --last" if draft.rollout.last else ""
        raise BadInput(
            f"--canary {asked} means none of the {made.targets:,} devices of this plan{before}, so nobody would go "
            "first. Give a number, a selector that means some of them, or none.",
            field="canary",
        )
    if chosen != asked:
        instead = f"{canaries:,} of them {'goes' if canaries == 1 else 'go'} first" if canaries else "nobody goes first"
        return [f":warning: None of these devices is in {asked}: {instead}."]
    if canaries == made.targets > 1 and chosen != call.settings.campaigns.canary:
        return [f":warning: All {canaries:,} devices are canaries: they go in one wave, with no gate between them."]
    return []


async def _ill(session: AsyncSession, made: Campaign, canaries: int) -> list[str]:
    """A note about devices that have an open alert: one canary of these may stop the campaign by itself."""
    ill = await alert_devices.in_campaign(session, made.id)
    if not ill:
        return []
    have = "has an open alert" if ill == 1 else "have open alerts"
    first = await alert_devices.in_campaign(session, made.id, wave=1) if canaries else 0
    among = f", {first:,} of the {canaries:,} canaries among them" if first else ""
    return [f":warning: {ill:,} of these devices {have}{among}: what is wrong with them may trip a gate."]


def _waiting(overlaps: Sequence[AnyRow]) -> list[str]:
    """Notes about campaigns that wait for approval and have devices of this plan."""
    notes = [
        f":warning: {each.devices:,} of these devices {'is' if each.devices == 1 else 'are'} also in {each.title} "
        f"({each.id[-6:]}), which waits for approval: each of the two leaves out what the other is at."
        for each in overlaps[:_OVERLAPS]
    ]
    more = len(overlaps) - len(notes)
    return [*notes, f":warning: So are some in {more:,} more that wait for approval."] if more else notes


def _not_there(unknown: Sequence[str]) -> list[str]:
    """A note about the ids of somebody's line that no device has."""
    if not unknown:
        return []
    return [f":warning: Not in the registry: {_some(unknown)}."]


def _some(named: Sequence[str]) -> str:
    more = f" and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
    return f"{', '.join(named[:_NAMED])}{more}"


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


def takes(row: Campaign, shown: Outlook) -> timedelta:
    """How long a campaign takes at its pace, if all goes well."""
    rollout = campaigns.rollout_of(row)
    # where a wave has its day, the last one has a whole day too
    return max(predicted(rollout, shown.sizes, _device_takes(row, shown)), row.waves * rollout.every)


def _too_long(length: timedelta) -> str:
    return (
        f"At this pace it would take about {length.days:,} days, and a campaign takes at most {LONGEST.days}. "
        "Nothing was planned: choose a shorter --soak or --stagger, larger waves with --wave, or fewer devices."
    )


def _device_takes(row: Campaign, shown: Outlook) -> timedelta:
    return shown.took if shown.took is not None else _TAKES[row.kind]


def _preview(row: Campaign, shown: Preview, call: Call, notes: Sequence[str] = ()) -> Message:
    """The blast radius, and what can be done with the plan."""
    rollout = campaigns.rollout_of(row)
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
            "takes_s": takes(row, shown).total_seconds(),
            "device_takes_s": _device_takes(row, shown).total_seconds(),
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
