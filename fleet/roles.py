"""Who may do what: viewer < operator < approver < admin.

A role comes from app.yaml (Slack user ids and user groups); whoever is not named there has the role
`roles.everyone`, which may be `none`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    NONE = "none"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for none up to 4 for admin."""
        return list(Role).index(self)

    def reaches(self, needed: Role) -> bool:
        """True if this role may do what `needed` may do."""
        return self.rank >= needed.rank


def is_person(user_id: str) -> bool:
    """True for somebody in Slack, False for Muster's own jobs, whatever they call themselves."""
    return user_id[:1] in ("U", "W")


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in Slack, or Muster itself.

    `why` says where the role comes from, or why it could not be established: it is shown when something is refused.
    """

    id: str
    role: Role
    why: str = ""

    @property
    def mention(self) -> str:
        """As mrkdwn: `<@U123>` for people, the plain name for Muster's own jobs."""
        return f"<@{self.id}>" if is_person(self.id) else self.id


MUSTER = Person(id="muster", role=Role.ADMIN, why="work that happens by itself")
