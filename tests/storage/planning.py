"""Campaigns planned on rows, without a command."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from fleet.campaign import CampaignKind, CampaignStatus
from fleet.rollout import Rollout
from fleet.selector import parse
from storage import campaign_plan, campaigns, ids
from storage.campaign_plan import Moment
from storage.db import AnyRow, Database
from storage.tables import Campaign, campaign_devices
from tests.build import NEW


async def planned(db: Database, now: datetime, which: str = "all", status: str = "planned", **more: Any) -> Campaign:
    """A config campaign over the devices that a selector means."""
    rollout = more.pop("rollout", Rollout())
    async with db.begin() as session:
        row = {
            "id": ids.new("ca", now),
            "kind": CampaignKind.CONFIG,
            "title": "Configuration",
            "status": CampaignStatus(status),
            "selector": which,
            "params": {"version": NEW},
            "rollout": rollout.model_dump(mode="json"),
            "created_at": now,
            "created_by": "olga",
            **more,
        }
        await campaigns.add(session, row)
        made = await campaigns.get(session, row["id"])
        await campaign_plan.freeze(session, made, parse(which), Moment(now, timedelta(minutes=5)))
    return made


async def targets(db: Database, campaign_id: str) -> dict[str, AnyRow]:
    async with db.read() as session:
        statement = select(campaign_devices).where(campaign_devices.c.campaign_id == campaign_id)
        rows = (await session.execute(statement.order_by(campaign_devices.c.position))).all()
    return {row.device_id: row for row in rows}
