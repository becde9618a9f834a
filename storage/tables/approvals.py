"""What was asked for and waits for four eyes, and who said what about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from fleet.approval import ApprovalState, Request, Verdict
from fleet.plan import Plan
from fleet.roles import Role
from storage.columns import UtcDateTime, enum_by_value
from storage.tables.base import index, table


class Approval(SQLModel, table=True):
    """One plan, and how far it is from being done. `plan_sha256` is its digest from when it was asked for.

    `needed`, `role`, `expires_at` and `type_count` are the policy of that moment. `due_at` is when the clock looks at
    it next: to remind, to let it expire, or to start it; NULL once nothing follows. `ended_by`, `ended_at` and
    `reason` tell who rejected or cancelled it, or broke the glass (`glass_broken`), `error` why it could not start.
    `told` is what was known when it was asked for and is no part of the plan: how many devices were `online`, and how
    long a campaign takes (`takes_s`, seconds).
    """

    __tablename__ = "approvals"
    __table_args__ = (
        index("ix_approvals_due_at", "due_at IS NOT NULL", "state", "due_at"),
        Index("ix_approvals_requested_at", "requested_at"),
    )

    id: str = Field(primary_key=True, max_length=40)
    operation: str = Field(max_length=64)
    title: str = Field(sa_type=Text)
    params: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    device_ids: list[str] = Field(default_factory=list, sa_type=JSON)
    count: int
    sites: list[str] = Field(default_factory=list, sa_type=JSON)
    targets_sha256: str = Field(max_length=64)
    plan_sha256: str = Field(max_length=64)
    needed: int
    role: Role = Field(sa_type=cast(Any, enum_by_value(Role)))
    type_count: bool = False
    state: ApprovalState = Field(sa_type=cast(Any, enum_by_value(ApprovalState)))
    requested_by: str = Field(max_length=64)
    requested_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reminded: bool = False
    glass_broken: bool = False
    ended_by: str = Field(default="", max_length=64)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason: str = Field(default="", sa_type=Text)
    error: str = Field(default="", sa_type=Text)
    told: dict[str, Any] = Field(default_factory=dict, sa_type=JSON, sa_column_kwargs={"server_default": "{}"})

    @property
    def plan(self) -> Plan:
        """The plan as the row has it now; `plan_sha256` says whether it is still the one that was asked for."""
        return Plan(
            operation=self.operation,
            title=self.title,
            params=self.params,
            device_ids=tuple(self.device_ids),
            count=self.count,
            sites=tuple(self.sites),
            targets_sha256=self.targets_sha256,
        )

    @property
    def request(self) -> Request:
        """What a decision about it needs to know."""
        return Request(
            state=self.state,
            requested_by=self.requested_by,
            needed=self.needed,
            role=self.role,
            expires_at=self.expires_at,
            count=self.count,
            type_count=self.type_count,
            ended_by=self.ended_by,
            reason=self.reason,
            campaign=str(self.params.get("campaign") or ""),
        )


class ApprovalDecision(SQLModel, table=True):
    """What one person said about one request: the key lets each of them count once."""

    __tablename__ = "approval_decisions"

    approval_id: str = Field(primary_key=True, foreign_key="approvals.id", max_length=40)
    person: str = Field(primary_key=True, max_length=64)
    verdict: Verdict = Field(sa_type=cast(Any, enum_by_value(Verdict)))
    reason: str = Field(default="", sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime)


approvals = table(Approval)
approval_decisions = table(ApprovalDecision)
