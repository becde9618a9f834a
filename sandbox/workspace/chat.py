"""chat.* and reactions.add."""

from __future__ import annotations

import re
from typing import Any

from sandbox.workspace import ids, rules, shapes
from sandbox.workspace.errors import SlackError
from sandbox.workspace.methods import Api, Arguments, Json, method
from sandbox.workspace.state import Blocks, Channel, Message


def _content(api: Api, args: Arguments) -> tuple[str | None, Blocks | None, list[Json] | None]:
    """Text, blocks and attachments; None where not given. Checked against Slack's limits."""
    text = None if args.values.get("text") is None else args.text("text")
    blocks = args.parsed("blocks", "invalid_blocks_format")
    attachments = args.parsed("attachments", "invalid_attachments")
    if not text and not blocks and not attachments:
        raise SlackError("no_text")
    rules.check_text(text or "")
    if blocks is not None:
        rules.check_blocks(blocks)
        blocks = shapes.with_ids(api.state, blocks)
    return text, blocks, attachments


def _metadata(args: Arguments) -> dict[str, Any] | None:
    metadata = args.parsed("metadata", "invalid_metadata_format")
    if not metadata:
        return {} if metadata == {} else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    return metadata


def _writable(api: Api, args: Arguments) -> Channel:
    """A channel to post to, by id or name; a person's id means the direct messages with that person."""
    name = args.text("channel")
    if name in api.state.users and name != ids.BOT_USER:
        return api.state.im(name)
    channel = api.channel(args)
    if channel.is_archived:
        raise SlackError("is_archived")
    if ids.BOT_USER not in channel.members:
        raise SlackError("not_in_channel")
    return channel


@method("chat.postMessage", scope="chat:write")
def post_message(api: Api, args: Arguments) -> Json:
    channel = _writable(api, args)
    text, blocks, attachments = _content(api, args)
    metadata = _metadata(args)
    api.limiter.post(channel.id)
    message = Message(
        channel.id,
        api.state.next_ts(),
        ids.BOT_USER,
        text or "",
        blocks or [],
        attachments or [],
        thread_ts=args.text("thread_ts") or None,
        metadata=metadata or None,
        broadcast=args.flag("reply_broadcast"),
    )
    api.state.post(message)
    api.people.said_by_bot(message)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "message": shapes.message(api.state, message, metadata=True),
    }


def _own(api: Api, channel: Channel, ts: str, refusal: str) -> Message:
    message = api.state.message(channel.id, ts)
    if message is None:
        raise SlackError("message_not_found")
    if message.user != ids.BOT_USER:
        raise SlackError(refusal)
    return message


@method("chat.update", scope="chat:write")
def update(api: Api, args: Arguments) -> Json:
    """Blocks, attachments and metadata that are not given stay; an empty list removes them."""
    channel = api.channel(args)
    message = _own(api, channel, args.text("ts"), "cant_update_message")
    text, blocks, attachments = _content(api, args)
    metadata = _metadata(args)
    api.limiter.update()
    api.state.edit(message, text=text, blocks=blocks, attachments=attachments, metadata=metadata)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.text,
        "message": shapes.message(api.state, message, metadata=True),
    }


@method("chat.delete", scope="chat:write")
def delete(api: Api, args: Arguments) -> Json:
    channel = api.channel(args)
    message = _own(api, channel, args.text("ts"), "cant_delete_message")
    api.state.remove(message)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.postEphemeral", scope="chat:write")
def post_ephemeral(api: Api, args: Arguments) -> Json:
    channel = _writable(api, args)
    user = args.text("user")
    if user not in api.state.users:
        raise SlackError("user_not_found" if user else "invalid_arguments")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    text, blocks, attachments = _content(api, args)
    message = api.state.post(
        Message(
            channel.id,
            api.state.next_ts(),
            ids.BOT_USER,
            text or "",
            blocks or [],
            attachments or [],
            thread_ts=args.text("thread_ts") or None,
            ephemeral_to=user,
        )
    )
    return {"message_ts": message.ts}


@method("chat.getPermalink")
def get_permalink(api: Api, args: Arguments) -> Json:
    channel = api.channel(args)
    message = api.state.message(channel.id, args.text("message_ts"))
    if message is None:
        raise SlackError("message_not_found")
    link = f"{api.url}archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


@method("reactions.add", scope="reactions:write")
def add_reaction(api: Api, args: Arguments) -> Json:
    channel = api.channel(args, member=True)
    message = api.state.message(channel.id, args.text("timestamp"))
    if message is None:
        raise SlackError("message_not_found")
    name = args.text("name").strip(":")
    if not re.fullmatch(r"[a-z0-9_+'-]+(::skin-tone-[2-6])?", name):
        raise SlackError("invalid_name")
    users = message.reactions.setdefault(name, [])
    if ids.BOT_USER in users:
        raise SlackError("already_reacted")
    users.append(ids.BOT_USER)
    api.state.changes.tell("message", message)
    return {}
