"""Approvals: does app.yaml name enough people for what its policies want?"""

from __future__ import annotations

from collections.abc import Iterator

from bot.doctor.finding import Finding, fine, warning
from fleet.approval_policy import may_decide
from fleet.settings import Settings


def check(settings: Settings) -> Iterator[Finding]:
    """Where a user group has the role nobody is counted: who is in it changes, and Slack knows."""
    short = []
    for rule in settings.approvals.policies:
        groups, users = may_decide(settings.roles, rule.role)
        if rule.approvals > len(users) and not groups:
            short.append(f"{rule.operation} needs {rule.approvals} with the role {rule.role}, of {len(users)} named")
    if short:
        yield warning("approvals", "; ".join(short), "Name more people under roles in app.yaml, or ask for fewer.")
    else:
        yield fine("approvals", "there are people enough for every policy")
