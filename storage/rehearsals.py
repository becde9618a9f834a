"""Rehearsals that were asked for, and the copy of a campaign that they are played on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import CampaignStatus, TargetState
from fleet.rehearsal import Behaviour
from fleet.rollout import Rollout
from fleet.settings import Settings
from storage import ids
from storage.db import Database, wake
from storage.tables import (
    Rehearsal,
    campaign_devices,
    campaigns,
    config_versions,
    devices,
    firmware,
    metadata,
    rehearsals,
)

_DUE = text("rehearsals.done_at IS NULL")  # as the partial index has it
_PAGE = 2000
_ALWAYS = timedelta(days=3650)
"""A device that is online was heard so long after the beginning: it stays online for the whole rehearsal."""


async def ask(
    session: AsyncSession, campaign_id: str, behaviour: Behaviour, by: str, channel: str, now: datetime
) -> None:
    """Ask for one."""
    row = Rehearsal(
        id=ids.new("re", now),
        campaign_id=campaign_id,
        params=behaviour.model_dump(mode="json"),
        asked_by=by,
        channel=channel,
        created_at=now,
    )
    session.add(row)
    wake(session, "rehearsals")


async def claim(session: AsyncSession, now: datetime, by: str, until: datetime) -> Rehearsal | None:
    """Take the oldest that waits."""
    free = or_(rehearsals.c.claimed_until.is_(None), rehearsals.c.claimed_until <= now)
    oldest = select(rehearsals.c.id).where(_DUE, free).order_by(rehearsals.c.created_at).limit(1)
    picked = oldest.with_for_update(skip_locked=True).cte("picked")
    statement = update(rehearsals).where(rehearsals.c.id == picked.c.id).values(claimed_by=by, claimed_until=until)
    taken = await session.scalar(statement.returning(rehearsals.c.id))
    return await session.get(Rehearsal, taken) if taken else None


async def done(session: AsyncSession, rehearsal_id: str, now: datetime) -> None:
    """It was played through, and its asker was told."""
    await session.execute(update(rehearsals).where(rehearsals.c.id == rehearsal_id).values(done_at=now))


async def create(db: Database) -> None:
    """All tables, in an empty database."""
    async with db.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


async def copy(
    source: Database, to: Database, campaign_id: str, behaviour: Behaviour, now: datetime, settings: Settings
) -> int:
    """Copy a campaign with its targets, as if it began now. Of a large one every n-th device of each wave after the
    canary; returns n.
    """
    async with source.read() as session:
        found = await session.execute(select(campaigns).where(campaigns.c.id == campaign_id))
        row: dict[str, Any] = dict(found.mappings().one())
        versions = (await session.execute(select(config_versions))).mappings().all()
        artefacts = (await session.execute(select(firmware))).mappings().all()
    every: int = max(math.ceil(row["targets"] / settings.campaigns.rehearse_limit), 1)
    fresh = {"status": CampaignStatus.SCHEDULED, "due_at": now, "start_at": None, "wave": 0, "told_at": None}
    fresh |= dict.fromkeys(("started_at", "ended_at", "wave_at", "tail_until", "tail_at", "paced_until"))
    fresh |= {"forgiven": 0, "forgiven_failed": 0, "unproven_ok": 0, "why": "", "approval_id": None}
    row |= {**fresh, "rollout": _scaled(row["rollout"], every)}
    async with to.begin() as session:
        await _insert(session, config_versions, versions)
        await _insert(session, firmware, artefacts)
        await session.execute(insert(campaigns), [row])
    after = ""
    while True:
        async with source.read() as session:
            page = await _page(session, campaign_id, every, after)
        if not page:
            return every
        await _write(to, page, behaviour, now, settings.drift.online_within)
        after = str(page[-1]["device_id"])


def _scaled(rollout: Mapping[str, Any], every: int) -> dict[str, Any]:
    """The same for a part of the devices: caps shrink with it, or it would seem to go faster."""
    whole = Rollout.model_validate(rollout)
    shrunk = {
        "concurrency": max(whole.concurrency // every, 1),
        "per_minute": max(whole.per_minute // every, 1) if whole.per_minute else None,
        "max_unavailable": max(whole.max_unavailable // every, 1) if whole.max_unavailable else None,
        "stagger": whole.stagger * every,
        "tail": timedelta(0),  # nobody waits for the offline ones
    }
    return whole.model_copy(update=shrunk).model_dump(mode="json")


async def _page(session: AsyncSession, campaign_id: str, every: int, after: str) -> Sequence[Mapping[str, Any]]:
    target = campaign_devices.c
    statement = (
        select(devices, target.wave, target.position, target.site.label("frozen_site"))
        .join(campaign_devices, target.device_id == devices.c.device_id)
        .where(target.campaign_id == campaign_id, target.state != TargetState.SKIPPED, target.device_id > after)
        .where(or_(target.wave == 1, target.position % every == 0))
        .order_by(target.device_id)
        .limit(_PAGE)
    )
    return [dict(each) for each in (await session.execute(statement)).mappings().all()]


async def _write(
    to: Database, page: Sequence[Mapping[str, Any]], behaviour: Behaviour, now: datetime, within: timedelta
) -> None:
    registry, targets = [], []
    for each in page:
        columns = {name: value for name, value in each.items() if name in devices.c}
        online = each["last_seen_at"] is not None and now - each["last_seen_at"] <= within
        away = behaviour.is_offline(each["device_id"], online)
        columns |= {"last_seen_at": None if away else now + _ALWAYS, "target_config_version": None}
        registry.append(columns)
        target = {name: each[name] for name in ("device_id", "wave", "position", "site", "model")}
        target |= {"state": TargetState.PLANNED, "firmware": each["firmware_version"], "tries": 0, "boot_id": ""}
        targets.append(target)
    async with to.begin() as session:
        campaign_id = await session.scalar(select(campaigns.c.id))
        await session.execute(insert(devices), registry)
        for one in targets:
            one |= {"campaign_id": campaign_id, "why": ""}
        await session.execute(insert(campaign_devices), targets)


async def _insert(session: AsyncSession, table: Any, rows: Sequence[Any]) -> None:
    if rows:
        await session.execute(insert(table), [dict(each) for each in rows])


async def cast(session: AsyncSession, campaign_id: str) -> tuple[dict[str, str], list[tuple[int, int]]]:
    """The model of each device; and of each wave its devices, and those of the site that has most of them."""
    target = campaign_devices.c
    mine = target.campaign_id == campaign_id
    models = dict((await session.execute(select(target.device_id, target.model).where(mine))).all())
    per_site = (
        select(target.wave, func.count().label("devices")).where(mine).group_by(target.wave, target.site).subquery()
    )
    per_wave = select(func.sum(per_site.c.devices), func.max(per_site.c.devices)).group_by(per_site.c.wave)
    return models, [(int(each), most) for each, most in (await session.execute(per_wave)).all()]


async def certificate_ends(session: AsyncSession) -> dict[str, datetime]:
    """When the certificate of each device in the copy ends, of those that have one."""
    statement = select(devices.c.device_id, devices.c.certificate_not_after)
    return {name: at for name, at in await session.execute(statement) if at}


async def late(session: AsyncSession, ends: Mapping[str, datetime], now: datetime) -> int:
    """How many devices' former certificates (`ends`) ended before they had another one, up to `now`."""
    target = campaign_devices.c
    settled = case((target.state == TargetState.SUCCEEDED, target.settled_at), else_=None)
    rows = await session.execute(select(target.device_id, settled))
    return sum(ends[name] <= (at or now) for name, at in rows if name in ends)
