"""The names of everything in the workspace: tokens, people, groups and channels.

The ids have the shape of Slack's (a type letter, then capitals and digits) but can be read by a person.
"""

from __future__ import annotations

from typing import Final

BOT_TOKEN: Final = "xoxb-sandbox"
APP_TOKEN: Final = "xapp-sandbox"
VERIFICATION_TOKEN: Final = "sandbox-verification"

TEAM: Final = "T0SANDBOX"
TEAM_NAME: Final = "Sandbox"
TEAM_DOMAIN: Final = "sandbox"
APP: Final = "A0MUSTER"

BOT_USER: Final = "U0MUSTER"
BOT: Final = "B0MUSTER"
SLACKBOT: Final = "USLACKBOT"

OPERATOR: Final = "U0OPERATOR"
APPROVER1: Final = "U0APPROVER1"
APPROVER2: Final = "U0APPROVER2"
ONCALL: Final = "U0ONCALL"
VIEWER: Final = "U0VIEWER"
PERSONAS: Final = (OPERATOR, APPROVER1, APPROVER2, ONCALL, VIEWER)

GROUP_ONCALL: Final = "S0ONCALL"
GROUP_APPROVERS: Final = "S0APPROVERS"

FLEET_OPS: Final = "C0FLEETOPS"
FLEET_REPORTS: Final = "C0REPORTS"
RANDOM: Final = "C0RANDOM"

#: What the bot token may do, as the manifest of the real app would ask for it.
SCOPES: Final = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:write",
    "team:read",
    "usergroups:read",
    "users:read",
    "users:read.email",
)
