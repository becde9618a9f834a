"""Who someone in Slack is to Muster: user ids from app.yaml at once, user groups by asking Slack, briefly believed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from slack_sdk.errors import SlackApiError

from bot.slack_errors import LOST
from fleet.errors import FleetError
from fleet.roles import Person, Role
from fleet.settings import RoleMembers, RolesSettings

Members = Callable[[str], Awaitable[frozenset[str]]]
"""The user ids in a user group; raises what slack_sdk raises, or a FleetError."""

_PATIENCE = timedelta(seconds=5)
"""How long Slack may take to list a group: a command waits for it. Also how long a failure is believed."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was last heard of a group: its members, or why there is no telling."""

    until: datetime
    members: frozenset[str] = frozenset()
    failure: str = ""


class People:
    """Roles by person. A group that cannot be read gives nobody a role, and the person's `why` says so."""

    def __init__(self, roles: RolesSettings, members: Members) -> None:
        self._roles = roles
        self._members = members
        self._known: dict[str, _Known] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def person(self, user_id: str, now: datetime, *, fresh: bool = False) -> Person:
        """The person with their highest role, and where it comes from. Slack is asked only about groups of higher
        roles than the one that their id already has; `fresh` asks about these although they are known. Never raises."""
        role, why = self._by_id(user_id)
        failures: list[str] = []
        for higher in reversed(Role):
            if higher.rank <= role.rank:
                break
            for group in self._named(higher).groups:
                known = await self._group(group, now, fresh=fresh)
                if user_id in known.members:
                    return Person(user_id, higher, _and(f"in user group {group}, roles.{higher}.groups", failures))
                if known.failure:
                    failures.append(
                        f"user group {group} could not be read ({known.failure}), so nobody is {higher} by it just now"
                    )
        return Person(user_id, role, _and(why, failures))

    def _by_id(self, user_id: str) -> tuple[Role, str]:
        everyone = self._roles.everyone
        for role in reversed(Role):
            if role.rank > everyone.rank and user_id in self._named(role).users:
                return role, f"named in roles.{role}.users"
        return everyone, "not named in app.yaml, so roles.everyone holds"

    def _named(self, role: Role) -> RoleMembers:
        match role:
            case Role.NONE:
                return RoleMembers()
            case Role.VIEWER:
                return self._roles.viewer
            case Role.OPERATOR:
                return self._roles.operator
            case Role.APPROVER:
                return self._roles.approver
            case Role.ADMIN:
                return self._roles.admin

    async def _group(self, group: str, now: datetime, *, fresh: bool) -> _Known:
        """From memory while that is believed; otherwise from Slack, asked once however many people wait."""
        async with self._asking[group]:
            known = self._known.get(group)
            if fresh or known is None or now >= known.until:
                known = self._known[group] = await self._ask(group, now)
            return known

    async def _ask(self, group: str, now: datetime) -> _Known:
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                members = await self._members(group)
        except SlackApiError as refused:
            failure = str(refused.response.get("error", "refused by Slack"))
        except TimeoutError:
            failure = f"Slack did not answer within {_PATIENCE.total_seconds():.0f} s"
        except (FleetError, *LOST) as lost:
            failure = str(lost) or type(lost).__name__
        else:
            return _Known(now + self._roles.group_cache, members)
        return _Known(now + min(_PATIENCE, self._roles.group_cache), failure=failure)


def _and(why: str, failures: list[str]) -> str:
    return "; ".join([why, *failures])
