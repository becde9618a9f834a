"""Campaigns, the devices in them, their rehearsals, and the fence that stops everything."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from fleet.campaign import CampaignKind, CampaignStatus, TargetState
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table

OPEN_CAMPAIGN = "status NOT IN ('done', 'failed', 'aborted', 'rejected', 'expired')"
PLANNED = "state = 'planned'"
UNDER_WAY = "state IN ('dispatched', 'acked', 'verifying')"
PARKED = "state = 'parked'"
SETTLED = "settled_at IS NOT NULL"
"""The predicates of the partial indexes, rendered with the same literals in every statement that should use them."""


class Campaign(SQLModel, table=True):
    """One thing done to many devices. A job looks at it again and again; the rule is in fleet/campaign.py.

    `params` is what its kind needs (`version`), `rollout` a `fleet.rollout.Rollout`. `targets_sha256` is of the sorted
    ids of the devices that were planned, joined by newlines. `due_at` is the deadline of its present status. `why`
    says why it stands as it does: what paused, stopped or refused it. `paced_until`: the next free place where it has
    a pace of its own; `held_until`: a freeze or its window held it back until then when it was last looked at;
    `told_at`: when its message is due to be written; `parent_id`: the campaign that it tops up.
    """

    __tablename__ = "campaigns"
    __table_args__ = (
        index("ix_campaigns_open", OPEN_CAMPAIGN, "status"),
        Index("ix_campaigns_created_at", "created_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    kind: CampaignKind = Field(sa_type=cast(Any, enum_by_value(CampaignKind)))
    title: str = Field(max_length=256)
    status: CampaignStatus = Field(sa_type=cast(Any, enum_by_value(CampaignStatus)))
    selector: str = Field(sa_type=Text)
    params: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    rollout: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    targets: int = 0
    targets_sha256: str = Field(default="", max_length=64)
    waves: int = 1
    wave: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str = Field(max_length=64)
    channel: str = Field(default="", max_length=64)
    approval_id: str | None = Field(default=None, max_length=40)
    parent_id: str | None = Field(default=None, max_length=40)
    start_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    wave_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    tail_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    tail_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    why: str = Field(default="", sa_type=Text)
    changed_by: str = Field(default="", max_length=64)
    forgiven: int = 0
    forgiven_failed: int = 0
    unproven_ok: int = 0
    paced_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    held_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reported_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CampaignDevice(SQLModel, table=True):
    """One device in a campaign, as it was when the targets were frozen (`site`, `model`, `firmware`).

    `position` is its place in the order. `operation_id` is what is asked of it now, `tries` how often it was sent.
    `boot_id` is the one before. `due_at` is the deadline while it is under way. `why` says what came of it, in the
    device's words where it has some; `failed_before` what it had failed of when somebody had it tried again. The
    registry may lose the device: there is no foreign key.
    """

    __tablename__ = "campaign_devices"
    __table_args__ = (
        index("ix_campaign_devices_planned", PLANNED, "campaign_id", "wave", "position"),
        index("ix_campaign_devices_under_way", UNDER_WAY, "campaign_id", "due_at"),
        index("uq_campaign_devices_under_way_device_id", UNDER_WAY, "device_id", unique=True),
        index("ix_campaign_devices_parked", PARKED, "campaign_id", "device_id"),
        index("ix_campaign_devices_settled_at", SETTLED, "settled_at"),
        Index("ix_campaign_devices_campaign_id_wave_state", "campaign_id", "wave", "state"),
        Index("ix_campaign_devices_device_id", "device_id"),
    )

    campaign_id: str = Field(primary_key=True, foreign_key="campaigns.id", max_length=40)
    device_id: str = Field(primary_key=True, max_length=128)
    state: TargetState = Field(sa_type=cast(Any, enum_by_value(TargetState)))
    wave: int = 1
    position: int = 0
    site: str = Field(default="", max_length=128)
    model: str = Field(default="", max_length=128)
    firmware: str = Field(default="", max_length=128)
    operation_id: str | None = Field(default=None, max_length=40)
    tries: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    boot_id: str = Field(default="", max_length=128, sa_column_kwargs={"server_default": ""})
    dispatched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    why: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    failed_before: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


class Fence(SQLModel, table=True):
    """While one stands (`lifted_at` is NULL), nothing is sent to any device by any replica.

    `told`: what its message counts (`storage.fences.OutThere`).
    """

    __tablename__ = "fences"
    __table_args__ = (index("uq_fences_standing", "lifted_at IS NULL", "name", unique=True),)

    id: str = Field(primary_key=True, max_length=40)
    name: str = Field(default="stop-all", max_length=32)
    put_by: str = Field(max_length=64)
    put_at: datetime = Field(sa_type=UtcDateTime)
    why: str = Field(default="", sa_type=Text)
    lifted_by: str | None = Field(default=None, max_length=64)
    lifted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    told: dict[str, Any] = Field(default_factory=dict, sa_type=JSON, sa_column_kwargs={"server_default": "{}"})


class Rehearsal(SQLModel, table=True):
    """A campaign to be played through without touching a device: `params` say how its devices behave."""

    __tablename__ = "rehearsals"
    __table_args__ = (index("ix_rehearsals_due", "done_at IS NULL", "created_at"),)

    id: str = Field(primary_key=True, max_length=40)
    campaign_id: str = Field(foreign_key="campaigns.id", max_length=40)
    params: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    asked_by: str = Field(max_length=64)
    channel: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    claimed_by: str | None = Field(default=None, max_length=128)
    claimed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


campaigns = table(Campaign)
campaign_devices = table(CampaignDevice)
fences = table(Fence)
rehearsals = table(Rehearsal)
