"""What Slack shows of a campaign: one live message, edited in place, and a word in its thread for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import campaign_message as shown
from fleet.campaign import OVER, UNDER_WAY, UNSUCCESSFUL, CampaignKind, CampaignStatus, TargetState
from fleet.message import Message
from fleet.rollout import Rollout
from fleet.settings import Settings
from storage import (
    audit,
    campaign_devices,
    campaign_downgrade,
    campaign_failures,
    campaign_holds,
    campaign_outcomes,
    campaign_skips,
    campaigns,
    certificate_ends,
    outbox,
)
from storage.db import AnyRow
from storage.tables import Campaign
from storage.tables import campaign_devices as targets
from storage.tables.campaigns import SETTLED

_GROUPS = 5
_REASONS = 3  # why devices were skipped, or left out by the plan
_BY_PEOPLE = [f"campaign.{what}" for what in ("paused", "resumed", "aborted", "retried", "excluded")]
_LATELY = timedelta(minutes=5)
_SILENT = (CampaignStatus.PLANNED, CampaignStatus.WAITING)
_CUT_SHORT = (CampaignStatus.STOPPING, CampaignStatus.ABORTED)


async def open_message(session: AsyncSession, row: Campaign, now: datetime, settings: Settings) -> None:
    """Post it: the campaign is going to begin."""
    said = {campaigns.message_key(row.id): await message(session, row, now, settings)}
    await outbox.put(session, said, row.channel or settings.slack.ops_channel, now)


async def tell(
    session: AsyncSession, row: Campaign, now: datetime, settings: Settings, *, changed: bool, at_once: bool = False
) -> datetime | None:
    """Edit it: at once, or with all that changes until `campaigns.edit_every` has passed. Returns when that is."""
    if row.status in _SILENT:
        return None
    due = row.told_at
    if at_once:
        due = now
    elif changed and due is None:
        due = now + settings.campaigns.edit_every
    if due is not None and due <= now:
        await outbox.revise(session, {campaigns.message_key(row.id): await message(session, row, now, settings)}, now)
        due = None
    if due != row.told_at:
        await campaigns.change(session, row, told_at=due)
    return due


async def call(session: AsyncSession, row: Campaign, now: datetime, settings: Settings) -> None:
    """It stands still and needs a person: said in the thread of its message, where an edit would call nobody."""
    key = campaigns.message_key(row.id)
    data = {"campaign_id": row.id, "title": row.title, "why": row.why, "by": row.created_by}
    said = {f"{key}:paused:{int(now.timestamp())}": Message(template="bulk/stopped", data=data)}
    channel = row.channel or settings.slack.ops_channel
    await outbox.put(session, said, channel, now, outbox.ESCALATION, thread_key=key)


async def message(session: AsyncSession, row: Campaign, now: datetime, settings: Settings) -> Message:
    """As it should read now."""
    groups = await failures(session, row.id, _GROUPS)
    holds = asdict(await campaign_holds.of(session, row, now, settings))
    data = {**await facts(session, row, now), **holds, "last": await _last(session, row)}
    return shown.message(row.status, data, groups)


async def changed(session: AsyncSession, row: Campaign, now: datetime, settings: Settings) -> None:
    """Say in the thread of its message what somebody has just done to it, if people see it by now."""
    last = None if row.status in _SILENT else await _last(session, row)
    if last is None:
        return
    key = campaigns.message_key(row.id)
    said = {f"{key}:{last['entry']}": Message(template="bulk/by_whom", data={"title": row.title, "last": last})}
    await outbox.put(session, said, row.channel or settings.slack.ops_channel, now, thread_key=key)


async def _last(session: AsyncSession, row: Campaign) -> dict[str, Any] | None:
    """What somebody did to it last: what, by, at, devices, which, left, status, and the id of the entry."""
    found = await audit.latest(session, row.id, _BY_PEOPLE)
    if found is None:
        return None
    what = str(found.action).removeprefix("campaign.")
    data = {name: found.data.get(name) for name in ("why", "devices", "which", "left", "status")}
    return {"what": what, "by": found.actor, "at": found.at, "entry": found.id, **data}


async def failures(session: AsyncSession, campaign_id: str, limit: int) -> list[dict[str, Any]]:
    """What failed, as templates and buttons know it."""
    return [dict(each._mapping) for each in await campaign_failures.groups(session, campaign_id, limit)]


async def progress(session: AsyncSession, campaign_id: str) -> dict[str, Any]:
    """How far a campaign is: the part of `facts` that the states of its devices tell."""
    return _progress(*await _counted(session, campaign_id))


async def _counted(session: AsyncSession, campaign_id: str) -> tuple[dict[TargetState, int], Sequence[AnyRow]]:
    """How many devices are in which state, and those of them that the plan left out, by reason."""
    tally = await campaigns.tally(session, campaign_id)
    return tally, await campaign_skips.left_out(session, campaign_id) if tally.get(TargetState.SKIPPED) else []


def _progress(tally: Mapping[TargetState, int], by_plan: Sequence[AnyRow]) -> dict[str, Any]:
    left_out = sum(each.devices for each in by_plan)
    skipped = tally.get(TargetState.SKIPPED, 0) - left_out
    done = shown.settled(tally) - left_out - skipped
    of = max(sum(tally.values()) - left_out, 0)
    return {
        "targets": of,
        "settled": done,
        "bar": shown.bar(done, of),
        "percent": 100 * done // of if of else 0,
        "states": _states(tally, by_plan),
        "skipped": skipped,
        "succeeded": tally.get(TargetState.SUCCEEDED, 0),
        "failed": sum(tally.get(state, 0) for state in UNSUCCESSFUL),
        "parked": tally.get(TargetState.PARKED, 0),
    }


async def facts(session: AsyncSession, row: Campaign, now: datetime) -> dict[str, Any]:
    """The campaign as templates know it."""
    rollout = campaigns.rollout_of(row)
    tally, by_plan = await _counted(session, row.id)
    so_far = _progress(tally, by_plan)
    rate = await _rate(session, row, now)
    left = await campaign_outcomes.left_to_the_sweep(session, row) if row.status in _CUT_SHORT else 0
    return {
        "campaign_id": row.id,
        "kind": row.kind.value,
        "downgrades": bool(row.params.get("downgrade_on_abort")),
        "title": row.title,
        "selector": row.selector,
        "why": row.why,
        "changed_by": row.changed_by,
        "created_by": row.created_by,
        "now": now,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "due_at": row.due_at,
        "tail_until": row.tail_until,
        "wave": row.wave,
        "waves": row.waves,
        **so_far,
        "reasons": await _reasons(session, row.id) if so_far["skipped"] else [],
        "left_to_the_sweep": left,
        "no_way_back": await no_way_back(session, row) if row.status in _CUT_SHORT else None,
        "old_certificates": await _old_certificates(session, row),
        "rate": rate,
        "eta": _eta(row, rollout, tally, rate, now),
        "gate": await _gate(session, row, rollout),
    }


async def no_way_back(session: AsyncSession, row: Campaign) -> dict[str, Any] | None:
    """Of a firmware campaign that is cut short: how many devices keep its firmware, and what they ran before."""
    found = await campaign_downgrade.left_behind(session, row)
    if not found:
        return None
    former = [[each.devices, each.firmware] for each in found]
    return {"version": row.params["version"], "devices": sum(each.devices for each in found), "former": former}


async def _old_certificates(session: AsyncSession, row: Campaign) -> dict[str, Any] | None:
    """What a rotation that has ended leaves to the clock: how many old certificates still work, until when at least."""
    if row.kind is not CampaignKind.ROTATE_CERTS or row.status not in OVER:
        return None
    still, until = await certificate_ends.replaced(session, row.id)
    return {"devices": still, "until": until} if still else None


async def _reasons(session: AsyncSession, campaign_id: str) -> list[list[Any]]:
    return [[each.devices, each.why] for each in await campaign_skips.groups(session, campaign_id, _REASONS)]


def _states(tally: Mapping[TargetState, int], by_plan: Sequence[AnyRow]) -> list[str]:
    """How many are in which state; those that the plan left out were never approved, and stand apart, with the why."""
    left_out = sum(each.devices for each in by_plan)
    counts = {**tally, TargetState.SKIPPED: tally.get(TargetState.SKIPPED, 0) - left_out}
    said = [f"{counts[state]:,} {_said(state)}" for state in TargetState if counts.get(state)]
    if not left_out:
        return said
    reasons = [f"{each.devices:,} × {each.why}" for each in by_plan[:_REASONS]]
    more = ["others"] if len(by_plan) > _REASONS else []
    return [*said, f"{left_out:,} left out by the plan ({'; '.join([*reasons, *more])})"]


def _said(state: TargetState) -> str:
    return "offline" if state is TargetState.PARKED else state.value.replace("_", " ")


async def _rate(session: AsyncSession, row: Campaign, now: datetime) -> float:
    """Devices settled a minute, lately."""
    if row.started_at is None or row.status in OVER:
        return 0.0
    since = max(now - _LATELY, row.started_at)
    settled = targets.c.settled_at
    literal = text(f"campaign_devices.{SETTLED}")
    tried = targets.c.state.in_((TargetState.SUCCEEDED, *UNSUCCESSFUL))
    statement = select(func.count()).where(literal, settled > since, targets.c.campaign_id == row.id, tried)
    minutes = max((now - since).total_seconds(), 1.0) / 60
    return (await session.scalar(statement) or 0) / minutes


def _eta(row: Campaign, rollout: Rollout, tally: dict[TargetState, int], rate: float, now: datetime) -> datetime | None:
    """When it may be over, if it goes on at its own pace, or else as lately; the offline ones are not in it."""
    pace = rollout.per_minute or rate
    left = sum(tally.get(state, 0) for state in (TargetState.PLANNED, *UNDER_WAY))
    if row.status not in (CampaignStatus.RUNNING, CampaignStatus.SOAKING) or not pace or not left:
        return None
    soaks_until = row.due_at if row.status is CampaignStatus.SOAKING else None
    work, gaps = timedelta(minutes=left / pace), max(row.waves - row.wave - bool(soaks_until), 0)
    by_work = (soaks_until or now) + work + gaps * rollout.soak
    last_wave = (soaks_until or row.wave_at or now) + gaps * rollout.every
    return max(by_work, last_wave + work / (gaps + 1))


async def _gate(session: AsyncSession, row: Campaign, rollout: Rollout) -> dict[str, Any] | None:
    """The gate of the present wave, with its denominator."""
    if row.wave < 1:
        return None
    counts = await campaign_devices.counts(session, row)
    canary = row.wave == 1 and bool(rollout.canary)
    return {
        "failed": counts.failed - row.forgiven_failed,
        "tried": counts.tried - row.forgiven,
        "anew": bool(row.forgiven),
        "limit": rollout.canary_max_failed if canary else rollout.max_failed,
        "canary": canary,
    }
