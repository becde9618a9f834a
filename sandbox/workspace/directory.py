"""api.test, auth.test, apps.connections.open, users.*, usergroups.*, team.info and bots.info."""

from __future__ import annotations

from sandbox.workspace import ids, shapes
from sandbox.workspace.errors import SlackError
from sandbox.workspace.methods import Api, Arguments, Json, method, paged


@method("api.test", token=None)
def api_test(api: Api, args: Arguments) -> Json:
    if error := args.text("error"):
        raise SlackError(error, extra={"args": args.values})
    return {"args": args.values}


@method("auth.test")
def auth_test(api: Api, args: Arguments) -> Json:
    return {
        "url": api.url,
        "team": ids.TEAM_NAME,
        "user": "muster",
        "team_id": ids.TEAM,
        "user_id": ids.BOT_USER,
        "bot_id": ids.BOT,
        "is_enterprise_install": False,
    }


@method("apps.connections.open", token=ids.APP_TOKEN)
def open_connection(api: Api, args: Arguments) -> Json:
    """A one-use address for a socket. Slack's is `wss`; on loopback there is no TLS."""
    ticket = api.sockets.issue_ticket()
    base = api.url.replace("http://", "ws://", 1)
    return {"url": f"{base}link/?ticket={ticket}&app_id={ids.APP}"}


@method("users.info", scope="users:read")
def user_info(api: Api, args: Arguments) -> Json:
    found = api.state.users.get(args.text("user"))
    if found is None:
        raise SlackError("user_not_found")
    return {"user": shapes.user(found)}


@method("users.list", scope="users:read")
def user_list(api: Api, args: Arguments) -> Json:
    page, more = paged(list(api.state.users.values()), args, default=1000)
    return {"members": [shapes.user(found) for found in page], "response_metadata": more}


@method("users.lookupByEmail", scope="users:read.email")
def lookup_by_email(api: Api, args: Arguments) -> Json:
    email = args.text("email").lower()
    for found in api.state.users.values():
        if email and found.email.lower() == email:
            return {"user": shapes.user(found)}
    raise SlackError("users_not_found")


@method("usergroups.list", scope="usergroups:read")
def group_list(api: Api, args: Arguments) -> Json:
    users, count = args.flag("include_users"), args.flag("include_count")
    found = [one for one in api.state.groups.values() if args.flag("include_disabled") or not one.disabled]
    return {"usergroups": [shapes.group(one, users=users, count=count) for one in found]}


@method("usergroups.users.list", scope="usergroups:read")
def group_users(api: Api, args: Arguments) -> Json:
    found = api.state.groups.get(args.text("usergroup"))
    if found is None or (found.disabled and not args.flag("include_disabled")):
        raise SlackError("no_such_subteam")
    return {"users": list(found.users)}


@method("team.info", scope="team:read")
def team_info(api: Api, args: Arguments) -> Json:
    return {"team": {"id": ids.TEAM, "name": ids.TEAM_NAME, "domain": ids.TEAM_DOMAIN, "url": api.url}}


@method("bots.info", scope="users:read")
def bot_info(api: Api, args: Arguments) -> Json:
    if args.text("bot", ids.BOT) != ids.BOT:
        raise SlackError("bot_not_found")
    return {"bot": shapes.bot()}
