"""The way back from a firmware campaign that was aborted: a campaign for each version that its devices ran before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, exists, func, insert, literal, not_, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import CampaignKind, CampaignStatus, TargetState
from fleet.message import as_title
from storage import campaign_plan, campaigns, ids
from storage.campaign_conditions import BY_KIND
from storage.db import AnyRow
from storage.tables import Campaign, campaign_devices, devices, firmware

_target = campaign_devices.c


def _kept() -> ColumnElement[bool]:
    """What a device ran before is kept here, for its model."""
    fits = firmware.c.model.in_((devices.c.model, ""))
    return exists().where(firmware.c.version == _target.firmware, fits)


async def versions(session: AsyncSession, row: Campaign) -> Sequence[str]:
    """What the devices that got the firmware ran before, as far as it is kept here for any of them."""
    statement = (
        select(_target.firmware)
        .distinct()
        .join(devices, devices.c.device_id == _target.device_id)
        .where(_target.campaign_id == row.id, _target.state == TargetState.SUCCEEDED, _target.firmware != "", _kept())
        .order_by(_target.firmware)
    )
    return (await session.scalars(statement)).all()


async def left_behind(session: AsyncSession, row: Campaign) -> Sequence[AnyRow]:
    """The devices that run the firmware of an aborted campaign and have no way back, although that was asked for.

    By what they ran before, the largest group first: `firmware` (empty where it was not known), `devices`.
    """
    if row.kind is not CampaignKind.FIRMWARE or not row.params.get("downgrade_on_abort"):
        return []
    count = func.count().label("devices")
    statement = (
        select(_target.firmware, count)
        .join(devices, devices.c.device_id == _target.device_id)
        .where(_target.campaign_id == row.id, _target.state == TargetState.SUCCEEDED, not_(_kept()))
        .where(devices.c.firmware_version == row.params["version"])
        .group_by(_target.firmware)
        .order_by(count.desc(), _target.firmware)
    )
    return (await session.execute(statement)).all()


async def plan(session: AsyncSession, row: Campaign, version: str, now: datetime) -> Campaign:
    """A campaign that brings those devices back to `version`: it begins at once, in one wave, without canaries.

    The approval of the aborted one is its own: the way back was asked for there. Devices without an artefact are
    skipped with the reason.
    """
    rollout = campaigns.rollout_of(row).model_copy(
        update={"canary": "", "wave": "", "soak": timedelta(0), "window": ""}
    )
    made = {
        "id": ids.new("ca", now),
        "kind": CampaignKind.FIRMWARE,
        "title": as_title(f"Back to firmware {version}")[:256],
        "status": CampaignStatus.SCHEDULED,
        "selector": row.selector,
        "params": {"version": version, "downgrade_on_abort": False, "after": row.id},
        "rollout": rollout.model_dump(mode="json"),
        "created_at": now,
        "created_by": row.changed_by,
        "changed_by": row.changed_by,
        "channel": row.channel,
        "approval_id": row.approval_id,
        "due_at": now,
    }
    await campaigns.add(session, made)
    new = await campaigns.get(session, str(made["id"]))
    await _freeze(session, new, row)
    return new


async def _freeze(session: AsyncSession, new: Campaign, aborted: Campaign) -> None:
    version = new.params["version"]
    why = case(*BY_KIND[CampaignKind.FIRMWARE].unfit(new.params), else_="")
    columns = {
        "campaign_id": literal(new.id),
        "device_id": _target.device_id,
        "state": case((why == "", TargetState.PLANNED.value), else_=TargetState.SKIPPED.value),
        "wave": case((why == "", 1), else_=0),
        "position": func.row_number().over(order_by=(devices.c.last_seen_at.desc(), _target.device_id)),
        "site": devices.c.site,
        "model": devices.c.model,
        "firmware": devices.c.firmware_version,
        "why": why,
    }
    given = (
        select(*(value.label(name) for name, value in columns.items()))
        .join(devices, devices.c.device_id == _target.device_id)
        .where(_target.campaign_id == aborted.id, _target.state == TargetState.SUCCEEDED, _target.firmware == version)
    )
    await session.execute(insert(campaign_devices).from_select(list(columns), given, include_defaults=False))
    planned = select(func.count()).where(_target.campaign_id == new.id, _target.state == TargetState.PLANNED)
    digest = await campaign_plan.digest(session, new.id)
    targets = await session.scalar(planned) or 0
    await campaigns.change(session, new, targets=targets, waves=1, targets_sha256=digest)
