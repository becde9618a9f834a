"""conversations.* and users.conversations."""

from __future__ import annotations

from sandbox.workspace import ids, shapes
from sandbox.workspace.errors import SlackError
from sandbox.workspace.methods import Api, Arguments, Json, method, paged
from sandbox.workspace.state import Channel, Message


def _of_types(api: Api, args: Arguments) -> list[Channel]:
    types = {kind.strip() for kind in args.text("types", "public_channel").split(",")}
    if unknown := types - {"public_channel", "private_channel", "im", "mpim"}:
        raise SlackError("invalid_types", extra={"needed": sorted(unknown)})
    found = []
    for channel in api.state.channels.values():
        kind = "im" if channel.is_im else "private_channel" if channel.is_private else "public_channel"
        hidden = kind == "private_channel" and ids.BOT_USER not in channel.members
        if kind in types and not hidden and not (channel.is_archived and args.flag("exclude_archived")):
            found.append(channel)
    return found


@method("conversations.list", scope="channels:read")
def list_channels(api: Api, args: Arguments) -> Json:
    page, more = paged(_of_types(api, args), args)
    return {"channels": [shapes.channel(api.state, channel) for channel in page], "response_metadata": more}


@method("users.conversations", scope="channels:read")
def of_user(api: Api, args: Arguments) -> Json:
    user = args.text("user", ids.BOT_USER)
    if user not in api.state.users:
        raise SlackError("user_not_found")
    page, more = paged([channel for channel in _of_types(api, args) if user in channel.members], args)
    return {"channels": [shapes.channel(api.state, channel) for channel in page], "response_metadata": more}


@method("conversations.info", scope="channels:read")
def info(api: Api, args: Arguments) -> Json:
    return {"channel": shapes.channel(api.state, api.channel(args))}


@method("conversations.members", scope="channels:read")
def members(api: Api, args: Arguments) -> Json:
    page, more = paged(api.channel(args).members, args)
    return {"members": page, "response_metadata": more}


@method("conversations.open", scope="im:write")
def open_channel(api: Api, args: Arguments) -> Json:
    """Direct messages with one person; there are no group conversations here."""
    if args.text("channel"):
        channel, known = api.channel(args), True
    else:
        users = [user for user in args.text("users").split(",") if user]
        if not users:
            raise SlackError("users_list_not_supplied")
        if len(users) > 1:
            raise SlackError("not_enough_users", extra={"detail": "the sandbox opens one-to-one conversations only"})
        if users[0] not in api.state.users:
            raise SlackError("user_not_found")
        if api.state.users[users[0]].is_bot:
            raise SlackError("cannot_dm_bot")
        known = f"D{users[0][1:]}" in api.state.channels
        channel = api.state.im(users[0])
    shape = shapes.channel(api.state, channel) if args.flag("return_im") else {"id": channel.id}
    return {"channel": shape, **({"no_op": True, "already_open": True} if known else {})}


def _between(message: Message, args: Arguments) -> bool:
    oldest, latest = args.text("oldest"), args.text("latest")
    inclusive = args.flag("inclusive")
    key = _seconds(message.ts)
    after = not oldest or key > _seconds(oldest) or (inclusive and key == _seconds(oldest))
    before = not latest or key < _seconds(latest) or (inclusive and key == _seconds(latest))
    return after and before


def _seconds(ts: str) -> int:
    """A ts as whole microseconds: floats would lose the last digit, and bounds come as `1700000000` too."""
    whole, _, part = ts.partition(".")
    try:
        return int(whole) * 1_000_000 + int((part + "000000")[:6])
    except ValueError as wrong:
        raise SlackError("invalid_ts_latest") from wrong


@method("conversations.history", scope="channels:history")
def history(api: Api, args: Arguments) -> Json:
    """Newest first; replies only where they were also sent to the channel. Ephemeral messages never."""
    channel = api.channel(args, member=True)
    found = [
        message
        for message in channel.newest_first()
        if (not message.is_reply or message.broadcast) and _between(message, args)
    ]
    page, more = paged(found, args, most=999)
    metadata = args.flag("include_all_metadata")
    return {
        "messages": [shapes.message(api.state, message, metadata=metadata) for message in page],
        "has_more": bool(more["next_cursor"]),
        "pin_count": 0,
        "response_metadata": more,
    }


@method("conversations.replies", scope="channels:history")
def replies(api: Api, args: Arguments) -> Json:
    """The parent and its replies, oldest first."""
    channel = api.channel(args, member=True)
    asked = channel.messages.get(args.text("ts"))
    if asked is None:
        raise SlackError("thread_not_found")
    parent = channel.messages.get(asked.thread_ts or asked.ts, asked)
    below = [channel.messages[ts] for ts in channel.threads.get(parent.ts, []) if ts in channel.messages]
    found = [parent, *(message for message in below if _between(message, args))]
    page, more = paged(found, args, default=1000)
    metadata = args.flag("include_all_metadata")
    return {
        "messages": [shapes.message(api.state, message, metadata=metadata) for message in page],
        "has_more": bool(more["next_cursor"]),
        "response_metadata": more,
    }
