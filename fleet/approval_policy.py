"""Who must approve what: the first line of app.yaml that matches, for each site that a plan touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from fleet.plan import Plan
from fleet.roles import Role
from fleet.settings import ApprovalRule, ApprovalSettings, RolesSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """What one plan needs: how many people of which role, for how long they may, and whether they type the count."""

    approvals: int
    role: Role
    valid_for: timedelta
    type_count: bool


def policy(plan: Plan, settings: ApprovalSettings) -> Policy:
    """The policy for a plan. For each of its sites the first rule that matches holds; of several, what is strictest.

    What no rule names needs one approval: a forgotten line must not open a door.
    """
    rules = [_first(plan, site, settings.policies) for site in plan.sites or ("",)]
    return Policy(
        approvals=max(rule.approvals for rule in rules),
        role=max((rule.role for rule in rules), key=lambda role: role.rank),
        valid_for=min(rule.valid_for or settings.valid_for for rule in rules),
        type_count=any(rule.type_count for rule in rules),
    )


_UNNAMED = ApprovalRule(approvals=1)


def _first(plan: Plan, site: str, rules: Sequence[ApprovalRule]) -> ApprovalRule:
    for rule in rules:
        named = fnmatchcase(plan.operation, rule.operation) and fnmatchcase(site, rule.site)
        if named and plan.count >= rule.devices:
            return rule
    return _UNNAMED


def may_decide(roles: RolesSettings, least: Role) -> tuple[list[str], list[str]]:
    """The user groups and the people, by id, that app.yaml gives this role or a higher one."""
    of = {Role.OPERATOR: roles.operator, Role.APPROVER: roles.approver, Role.ADMIN: roles.admin}
    able = [members for role, members in of.items() if role.reaches(least)]
    groups = dict.fromkeys(group for members in able for group in members.groups)
    return list(groups), list(dict.fromkeys(user for members in able for user in members.users))


def first_look(policy: Policy, remind_before: timedelta, now: datetime) -> datetime:
    """When the clock looks at a new request: to remind its approvers, or to let a short one expire."""
    return now + policy.valid_for - (remind_before if remind_before < policy.valid_for else timedelta(0))
