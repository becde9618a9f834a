"""`slack` and `roles`: the workspace, and what its people may do."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import Field, SecretStr, model_validator

from fleet.roles import Role
from fleet.settings.values import Duration, Section


class SlackMode(StrEnum):
    SOCKET = "socket"
    HTTP = "http"


class SlackSettings(Section):
    bot_token: SecretStr = Field(description="xoxb-… token of the installed app")
    mode: SlackMode = Field(
        default=SlackMode.SOCKET,
        description="`socket`: Muster opens connections to Slack; `http`: Slack posts to /slack/events of `web`",
    )
    app_token: SecretStr | None = Field(default=None, description="xapp-… token with connections:write, for `socket`")
    signing_secret: SecretStr | None = Field(default=None, description="what Slack signs its requests with, for `http`")
    base_url: str = Field(default="https://slack.com/api/", description="the Web API; another address only for tests")
    command: str = Field(default="/fleet", pattern=r"^/[a-z0-9_-]{1,31}$", description="the root slash command")
    sockets: int = Field(default=2, ge=1, le=10, description="Socket Mode connections; Slack allows 10 for the app")
    ops_channel: str = Field(description="id of the channel that gets alerts and escalations")
    channel_per_second: float = Field(default=1.0, gt=0, description="messages a second into one channel")
    updates_per_minute: float = Field(default=50.0, gt=0, description="edits a minute in the whole workspace")
    say_late_after: Duration = Field(default=timedelta(minutes=2), description="say so when a post is later than this")
    give_up_after: Duration = Field(default=timedelta(hours=24), description="how long an undelivered post is retried")
    file_max_bytes: int = Field(default=50_000_000, ge=1000, description="largest file that a command may send")

    @model_validator(mode="after")
    def _mode_has_its_secret(self) -> SlackSettings:
        needed, value = {
            SlackMode.SOCKET: ("app_token", self.app_token),
            SlackMode.HTTP: ("signing_secret", self.signing_secret),
        }[self.mode]
        if value is None:
            name = f"MUSTER_SLACK_{needed.upper()}"
            raise ValueError(f"{needed} must be set with mode {self.mode}; app.yaml takes it from {name}")
        return self


class RoleMembers(Section):
    users: tuple[str, ...] = Field(default=(), description="Slack user ids (U… or W…)")
    groups: tuple[str, ...] = Field(default=(), description="Slack user group ids (S…), where the plan has them")


class RolesSettings(Section):
    everyone: Role = Field(default=Role.VIEWER, description="the role of whoever is not named below; `none` denies")
    viewer: RoleMembers = RoleMembers()
    operator: RoleMembers = RoleMembers()
    approver: RoleMembers = RoleMembers()
    admin: RoleMembers = RoleMembers()
    group_cache: Duration = Field(default=timedelta(minutes=1), description="how long a group's members are believed")
