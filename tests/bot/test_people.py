from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from slack_sdk.errors import SlackApiError

from bot import people
from bot.people import People
from fleet.errors import Unavailable
from fleet.roles import Role
from fleet.settings import RolesSettings

ROLES = RolesSettings.model_validate(
    {
        "everyone": "viewer",
        "operator": {"users": ["U0OPERATOR", "U0BOTH"], "groups": ["S0OPERATORS"]},
        "approver": {"groups": ["S0APPROVERS"]},
        "admin": {"users": ["U0ADMIN", "U0BOTH"]},
        "group_cache": "1m",
    }
)


class Groups:
    """User groups as Slack would list them; `broken` is raised instead while it is set."""

    def __init__(self) -> None:
        self.members = {"S0OPERATORS": {"U0ANN", "U0BOB"}, "S0APPROVERS": {"U0BOB", "U0OPERATOR"}}
        self.broken: Exception | None = None
        self.asked: list[str] = []

    async def __call__(self, group: str) -> frozenset[str]:
        self.asked.append(group)
        await asyncio.sleep(0)
        if self.broken:
            raise self.broken
        return frozenset(self.members[group])


@pytest.mark.parametrize(
    ("user", "role", "why"),
    [
        ("U0ADMIN", Role.ADMIN, "named in roles.admin.users"),
        ("U0BOTH", Role.ADMIN, "named in roles.admin.users"),
        ("U0OPERATOR", Role.APPROVER, "in user group S0APPROVERS, roles.approver.groups"),
        ("U0BOB", Role.APPROVER, "in user group S0APPROVERS, roles.approver.groups"),
        ("U0ANN", Role.OPERATOR, "in user group S0OPERATORS, roles.operator.groups"),
        ("U0ELSE", Role.VIEWER, "not named in app.yaml, so roles.everyone holds"),
    ],
)
async def test_the_highest_role_wins(now: datetime, user: str, role: Role, why: str) -> None:
    person = await People(ROLES, Groups()).person(user, now)
    assert (person.id, person.role, person.why) == (user, role, why)


async def test_groups_that_could_not_raise_the_role_are_not_asked_for(now: datetime) -> None:
    groups = Groups()
    await People(ROLES, groups).person("U0ADMIN", now)
    assert groups.asked == []
    await People(ROLES, groups).person("U0OPERATOR", now)
    assert groups.asked == ["S0APPROVERS"]


async def test_members_are_believed_for_the_time_that_is_set(now: datetime) -> None:
    groups = Groups()
    everybody = People(ROLES, groups)
    await everybody.person("U0ANN", now)
    groups.members["S0OPERATORS"] = set()
    assert (await everybody.person("U0ANN", now + timedelta(seconds=59))).role is Role.OPERATOR
    assert (await everybody.person("U0ANN", now + timedelta(seconds=60))).role is Role.VIEWER


async def test_many_people_at_once_ask_slack_once(now: datetime) -> None:
    groups = Groups()
    everybody = People(ROLES, groups)
    await asyncio.gather(*(everybody.person("U0ANN", now) for _ in range(20)))
    assert groups.asked == ["S0APPROVERS", "S0OPERATORS"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (SlackApiError("no", {"ok": False, "error": "missing_scope"}), "missing_scope"),
        (Unavailable("Slack is away"), "Slack is away"),
        (OSError("no_such_subteam"), "no_such_subteam"),
        (TimeoutError(), "Slack did not answer within 5 s"),
    ],
)
async def test_a_group_that_cannot_be_read_gives_no_role_and_says_so(
    now: datetime, broken: Exception, said: str
) -> None:
    groups = Groups()
    groups.broken = broken
    everybody = People(ROLES, groups)
    person = await everybody.person("U0OPERATOR", now)
    assert person.role is Role.OPERATOR
    assert person.why == (
        f"named in roles.operator.users; user group S0APPROVERS could not be read ({said}), "
        "so nobody is approver by it just now"
    )


async def test_stale_members_are_not_believed_when_the_group_cannot_be_read(now: datetime) -> None:
    groups = Groups()
    everybody = People(ROLES, groups)
    assert (await everybody.person("U0ANN", now)).role is Role.OPERATOR
    groups.broken = OSError("timeout")
    assert (await everybody.person("U0ANN", now + timedelta(minutes=2))).role is Role.VIEWER
    groups.broken = None
    soon = now + timedelta(minutes=2, seconds=1)
    assert (await everybody.person("U0ANN", soon)).role is Role.VIEWER
    assert (await everybody.person("U0ANN", soon + timedelta(seconds=5))).role is Role.OPERATOR


async def test_a_group_that_takes_too_long_is_given_up(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(group: str) -> frozenset[str]:
        await asyncio.Event().wait()
        return frozenset()

    monkeypatch.setattr(people, "_PATIENCE", timedelta(milliseconds=1))
    person = await People(ROLES, never).person("U0ANN", now)
    assert person.role is Role.VIEWER
    assert "did not answer" in person.why


async def test_what_needs_a_fresh_role_does_not_believe_what_was_known(now: datetime) -> None:
    groups = Groups()
    people = People(ROLES, groups)
    assert (await people.person("U0BOB", now)).role is Role.APPROVER
    groups.members["S0APPROVERS"].remove("U0BOB")
    assert (await people.person("U0BOB", now)).role is Role.APPROVER
    assert (await people.person("U0BOB", now, fresh=True)).role is Role.OPERATOR
    groups.broken = Unavailable("Slack is away.")
    person = await people.person("U0ANN", now, fresh=True)
    assert person.role is Role.VIEWER
    assert "user group S0OPERATORS could not be read (Slack is away.)" in person.why
