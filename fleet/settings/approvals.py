"""`approvals`: who must agree to what."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from fleet.roles import Role
from fleet.settings.values import Duration, Section


class ApprovalRule(Section):
    """One line of the policy: which plans it means, and what they need. The first that matches holds."""

    operation: str = Field(default="*", description="which operations, as a pattern: device.decommission, bulk.*")
    devices: int = Field(default=0, ge=0, description="for so many devices or more")
    site: str = Field(default="*", description="for devices at this site, as a pattern")
    approvals: int = Field(ge=0, le=20, description="how many people must approve; 0 needs nobody")
    role: Role = Field(default=Role.APPROVER, description="what role each of them needs: operator, approver or admin")
    valid_for: Duration | None = Field(default=None, description="how long they may; approvals.valid_for without it")
    type_count: bool = Field(default=False, description="each of them types the number of devices")

    @field_validator("role")
    @classmethod
    def _may_decide(cls, role: Role) -> Role:
        if not role.reaches(Role.OPERATOR):
            raise ValueError("only operator, approver and admin may decide")
        return role


class ApprovalSettings(Section):
    policies: tuple[ApprovalRule, ...] = Field(
        default=(
            ApprovalRule(operation="*.decommission", approvals=2, type_count=True),
            ApprovalRule(operation="bulk.*", devices=500, approvals=2),
            ApprovalRule(operation="bulk.*", approvals=1),
            ApprovalRule(operation="device.*", approvals=0),
        ),
        description="who must approve what; the first line that matches holds, and what none names needs one approval",
    )
    valid_for: Duration = Field(default=timedelta(hours=4), description="how long a request waits for its approvals")
    remind_before: Duration = Field(
        default=timedelta(minutes=30), description="so long before it expires, its approvers are reminded; 0s never"
    )
