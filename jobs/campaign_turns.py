"""Whose turn it is in a campaign: the next devices in their order, as windows, staggers and budgets of sites allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import TargetState
from fleet.campaign_turn import Settle, turn
from fleet.rollout import Rollout
from jobs.campaign_kinds import BY_KIND
from jobs.campaign_spec import Asked, Turn
from jobs.spec import Run
from storage import campaign_devices, campaign_holds, campaign_turns, campaigns
from storage.campaign_conditions import BY_KIND as CONDITIONS
from storage.db import AnyRow
from storage.tables import Campaign

_BATCH = 500
_ENDLESS = 1_000_000
_PACED_AHEAD = timedelta(minutes=1)
"""How far ahead devices are given their places where a campaign has a pace."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many devices moved, and when to look again if none did."""

    moved: int
    again_at: datetime | None


@dataclass(slots=True)
class Sites:
    """What each site allows: `each` devices, or those that are left of them in `allowed`; none where it is `shut`.

    `not_before`: when a site may be sent to. `again_at`: when the first one opens by time alone.
    """

    each: int = _ENDLESS
    allowed: dict[str, int] = field(default_factory=dict)
    not_before: dict[str, datetime] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    again_at: datetime | None = None

    def take(self, site: str) -> bool:
        """One device of that site goes; False if it must not."""
        left = self.allowed.get(site, self.each)
        if left <= 1:
            self.shut.add(site)
        self.allowed[site] = left - 1
        return left > 0


async def take(run: Run, session: AsyncSession, row: Campaign, most: int) -> Taken:
    """Ask up to `most` devices; those that cannot be asked are settled, or parked, on the way."""
    rollout = campaigns.rollout_of(row)
    sites = await _sites(run, session, row, rollout)
    going, settled = await _choose(run, session, row, sites, _slots(run, row, rollout, most))
    await campaign_devices.settle(session, row, settled, run.now)
    if going:
        await _ask(run, session, row, going, sites)
    return Taken(len(settled) + len(going), sites.again_at or _pace_opens(run, row, rollout))


async def _sites(run: Run, session: AsyncSession, row: Campaign, rollout: Rollout) -> Sites:
    sites = Sites()
    opens = await campaign_holds.openings(session, row, run.now, run.settings)
    sites.shut |= {site for site, at in opens.items() if at > run.now}
    sites.again_at = min((at for at in opens.values() if at > run.now), default=None)
    if rollout.max_unavailable:
        sites.each = rollout.max_unavailable
        under_way = await campaign_turns.under_way_by_site(session, row)
        sites.allowed = {site: rollout.max_unavailable - count for site, count in under_way.items()}
        sites.shut |= {site for site, left in sites.allowed.items() if left <= 0}
    if rollout.stagger:
        sites.each = 1
        sites.allowed = {site: min(left, 1) for site, left in sites.allowed.items()}
        for site, lane in (await campaign_turns.lanes(session, row.kind, run.now - rollout.stagger)).items():
            if lane.waits:
                sites.shut.add(site)  # until that one has left nobody knows when the next may
            else:
                sites.not_before[site] = lane.last + rollout.stagger
    return sites


async def _choose(
    run: Run, session: AsyncSession, row: Campaign, sites: Sites, most: int
) -> tuple[list[AnyRow], list[dict[str, str]]]:
    """The devices that go, and those that are settled instead. A site with its share is left out of the next page."""
    rollout, conditions = campaigns.rollout_of(row), CONDITIONS[row.kind]
    going: list[AnyRow] = []
    settled: list[dict[str, str]] = []
    seen: set[str] = set()
    since = run.now - run.settings.drift.online_within
    while len(going) < most:
        page = await campaign_turns.next_ones(session, row, sites.shut, _BATCH)
        fresh = [each for each in page if each.device_id not in seen]
        for each in fresh:
            if len(going) >= most:
                break
            online = not conditions.needs_device or (each.last_seen_at is not None and each.last_seen_at >= since)
            outcome = turn(row.kind, each, online, rollout)
            if isinstance(outcome, Settle):
                settled.append({"device_id": each.device_id, "state": outcome.state.value, "why": outcome.why})
            elif each.site in sites.shut or not sites.take(each.site):
                continue
            else:
                going.append(each)
            seen.add(each.device_id)
        if not fresh or len(page) < _BATCH:
            break
    return going, settled


def _slots(run: Run, row: Campaign, rollout: Rollout, most: int) -> int:
    """How many fit into the batch; with a pace, into the next minute."""
    if not rollout.per_minute:
        return min(most, _BATCH)
    ahead = max((row.paced_until or run.now) - run.now, timedelta(0))
    return min(most, _BATCH, max(int((_PACED_AHEAD - ahead) / rollout.spacing), 0))


def _pace_opens(run: Run, row: Campaign, rollout: Rollout) -> datetime | None:
    """When there are free places again; not at once, or a campaign whose sites are all shut would never rest."""
    if not rollout.per_minute:
        return None
    return max(run.now + timedelta(seconds=1), (row.paced_until or run.now) - _PACED_AHEAD / 2)


async def _ask(run: Run, session: AsyncSession, row: Campaign, going: Sequence[AnyRow], sites: Sites) -> None:
    rollout, turns = campaigns.rollout_of(row), []
    paced = max(row.paced_until or run.now, run.now)
    for each in going:
        due_at = max(run.now, sites.not_before.get(each.site, run.now))
        if rollout.per_minute:
            due_at = paced = max(due_at, paced)
            paced += rollout.spacing
        turns.append(Turn(each.device_id, due_at))
    asked = await BY_KIND[row.kind](Asked(session, row, run.now, run.settings), turns)
    if rollout.per_minute:
        await campaigns.change(session, row, paced_until=paced)
    rows = [
        {
            "device_id": each.device_id,
            "operation_id": asked[each.device_id],
            "due_at": each.due_at + rollout.answer_within,
        }
        for each in turns
        if each.device_id in asked
    ]
    await campaign_devices.dispatched(session, row, rows, run.now)
    failed = {"state": TargetState.FAILED.value, "why": "It could not be asked."}
    unasked = [{"device_id": each.device_id, **failed} for each in turns if each.device_id not in asked]
    await campaign_devices.settle(session, row, unasked, run.now)
