"""Slack: the tokens, their scopes, the ops channel, the people named in app.yaml, and the clock."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot import scopes
from bot.doctor.finding import Finding, fine, problem, warning
from bot.slack import web_client
from bot.slack_errors import LOST
from fleet.roles import Role
from fleet.settings import Settings, SlackMode

SKEW_WARNED, SKEW_WRONG = timedelta(seconds=5), timedelta(minutes=1)
"""Above the first, deadlines and lateness are told wrongly; Slack's own checks of time end at five minutes."""

_TOKEN_FAULTS = {
    "invalid_auth": "Copy it anew from the app's page.",
    "not_authed": "Set it: it is empty.",
    "account_inactive": "The app was removed from the workspace: install it again.",
    "token_revoked": "Install the app to the workspace again, and copy the new token.",
    "not_allowed_token_type": "It is another kind of token: slack.bot_token is xoxb-…, slack.app_token xapp-….",
    "missing_scope": "Give the app-level token the scope connections:write.",
}


async def check(settings: Settings, now: Callable[[], datetime]) -> AsyncIterator[Finding]:
    client = web_client(settings.slack, None, retries=True)
    asked = now()
    try:
        answer = await client.auth_test()
    except SlackApiError as refused:
        yield _token("slack.bot_token", refused)
        return
    except LOST as lost:
        yield problem("Slack", f"{settings.slack.base_url} cannot be reached: {lost or type(lost).__name__}", _NETWORK)
        return
    took = now() - asked
    yield fine("bot token", f"{answer['user']} in the workspace {answer['team']}")
    headers = {str(name).lower(): value for name, value in answer.headers.items()}
    yield _clock(headers, asked + took / 2)
    if settings.slack.mode is SlackMode.SOCKET:
        yield await _app_token(client, settings)
    granted = frozenset(filter(None, re.split(r"[,\s]+", _text(headers.get("x-oauth-scopes", "")))))
    for finding in _scopes(granted, settings):
        yield finding
    yield await _channel(client, settings.slack.ops_channel)
    async for finding in _people(client, settings):
        yield finding


_NETWORK = "Check slack.base_url, the network, and the proxy of this machine."


def _token(setting: str, refused: SlackApiError) -> Finding:
    error = _error(refused)
    return problem(
        setting, f"Slack refuses it: {error}", _TOKEN_FAULTS.get(error, "Look the word up at docs.slack.dev.")
    )


async def _app_token(client: AsyncWebClient, settings: Settings) -> Finding:
    token = settings.slack.app_token.get_secret_value() if settings.slack.app_token else ""
    try:
        await client.apps_connections_open(app_token=token)
    except SlackApiError as refused:
        return _token("slack.app_token", refused)
    except LOST as lost:
        return problem("slack.app_token", f"it could not be tried: {lost or type(lost).__name__}", _NETWORK)
    return fine("app token", "Socket Mode may be opened")


def _clock(headers: Mapping[str, Any], here: datetime) -> Finding:
    """Slack's Date header is of whole seconds, so half a second is added to it."""
    try:
        there = parsedate_to_datetime(_text(headers.get("date", ""))) + timedelta(milliseconds=500)
    except ValueError:
        return warning("clock", "Slack's answer has no Date, so the clock cannot be compared", "Check it by hand.")
    skew = here - there
    where = "ahead of" if skew > timedelta() else "behind"
    said = f"this machine's clock is {abs(skew.total_seconds()):.1f} s {where} Slack's"
    mend = "Let it be set by NTP (timedatectl set-ntp true)."
    if abs(skew) > SKEW_WRONG:
        return problem("clock", said, mend)
    return warning("clock", said, mend) if abs(skew) > SKEW_WARNED else fine("clock", said)


def _scopes(granted: frozenset[str], settings: Settings) -> Iterator[Finding]:
    missing = {scope: purpose for scope, purpose in scopes.needed().items() if scope not in granted}
    if not missing:
        yield fine("scopes", "the bot token has all that Muster uses")
        return
    by_group = any(getattr(settings.roles, role).groups for role in Role if role is not Role.NONE)
    optional = scopes.OPTIONAL - ({"usergroups:read"} if by_group else set())
    for scope, purpose in missing.items():
        said = f"the bot token lacks the scope {scope}, which Muster needs {purpose}"
        found = warning if scope in optional else problem
        yield found("scopes", said, "Add it to the app (`muster manifest` has all), then install the app again.")


async def _channel(client: AsyncWebClient, channel_id: str) -> Finding:
    part = "ops channel"
    try:
        channel: Any = (await client.conversations_info(channel=channel_id))["channel"]
    except SlackApiError as refused:
        if (error := _error(refused)) == "channel_not_found":
            mend = (
                "Set slack.ops_channel to its id (C…, at the end of its details); invite Muster first if it is private."
            )
            return problem(part, f"there is no channel {channel_id} that Muster can see (channel_not_found)", mend)
        return problem(part, f"Slack does not show {channel_id}: {error}", "Mend the scopes first, then ask again.")
    except LOST as lost:
        return problem(part, f"it could not be looked at: {lost or type(lost).__name__}", _NETWORK)
    name = f"#{channel.get('name')}"
    if channel.get("is_archived"):
        return problem(part, f"{name} is archived", "Unarchive it, or name another in slack.ops_channel.")
    if not channel.get("is_member"):
        return problem(part, f"Muster is not a member of {name}", f"Invite it: type /invite @Muster in {name}.")
    return fine(part, f"{name} ({channel_id}), and Muster is a member")


async def _people(client: AsyncWebClient, settings: Settings) -> AsyncIterator[Finding]:
    """Each user and group that app.yaml names, asked for one by one."""
    wrong = unasked = 0
    for person, place in _named(settings).items():
        try:
            if person.startswith("S"):
                await client.usergroups_users_list(usergroup=person)
            else:
                user: Any = (await client.users_info(user=person))["user"]
                if user.get("deleted"):
                    wrong += 1
                    yield warning("people", f"{person} in {place} is deactivated", "Take the id out of app.yaml.")
        except SlackApiError as refused:
            error = _error(refused)
            if error == "missing_scope":
                unasked += 1  # which scope is said above
                continue
            wrong += 1
            yield warning("people", f"{person} in {place} is nobody in this workspace ({error})", _ID)
        except LOST as lost:
            yield warning("people", f"{person} could not be looked up: {lost or type(lost).__name__}", _NETWORK)
            return
    if unasked:
        yield warning("people", f"{unasked} ids in app.yaml could not be looked up", "Mend the scopes first.")
    elif not wrong:
        yield fine("people", f"all ids in app.yaml are known to Slack ({len(_named(settings))})")


_ID = "Copy the id from the profile's or the group's menu; names do not work."


def _named(settings: Settings) -> dict[str, str]:
    """User and group ids, and the first place that names each."""
    found: dict[str, str] = {}
    for role in Role:
        if role is not Role.NONE:
            members = getattr(settings.roles, role)
            for person in (*members.users, *members.groups):
                found.setdefault(person, f"roles.{role}")
    for rung in settings.alerts.ladder:
        for person in re.findall(r"<(?:@|!subteam\^)([A-Z0-9]+)", rung.mention):
            found.setdefault(person, "alerts.ladder")
    return found


def _error(refused: SlackApiError) -> str:
    data = getattr(refused.response, "data", None)
    return str(data.get("error")) if isinstance(data, dict) else f"HTTP {getattr(refused.response, 'status_code', '?')}"


def _text(value: Any) -> str:
    """slack_sdk gives header values as text or as lists of it."""
    return ",".join(value) if isinstance(value, list) else str(value)
