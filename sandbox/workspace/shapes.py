"""How the workspace's things look in Slack's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.workspace import ids

if TYPE_CHECKING:
    from sandbox.workspace.state import Blocks, Channel, File, Group, Message, State, User
    from sandbox.workspace.surfaces import View

Json = dict[str, Any]


def with_ids(state: State, blocks: Blocks) -> Blocks:
    """Slack gives every block a block_id and every interactive element an action_id where the app gave none."""
    complete: Blocks = []
    for block in blocks:
        copy = {**block, "block_id": block.get("block_id") or state.next_id("b")}
        if isinstance(copy.get("elements"), list) and copy.get("type") == "actions":
            copy["elements"] = [_with_action_id(state, element) for element in copy["elements"]]
        for key in ("accessory", "element"):
            if isinstance(copy.get(key), dict):
                copy[key] = _with_action_id(state, copy[key])
        complete.append(copy)
    return complete


def _with_action_id(state: State, element: Json) -> Json:
    if element.get("type") == "image" or element.get("action_id"):
        return element
    return {**element, "action_id": state.next_id("a")}


def message(state: State, found: Message, *, metadata: bool = False) -> Json:
    """A message as conversations.history returns it; its metadata only when asked for."""
    user = state.users.get(found.user)
    shape: Json = {"type": "message", "user": found.user, "text": found.text, "ts": found.ts, "team": ids.TEAM}
    if user is not None and user.id == ids.BOT_USER:
        shape |= {"bot_id": ids.BOT, "app_id": ids.APP, "bot_profile": bot()}
    if found.deleted:
        shape |= {"subtype": "tombstone", "text": "This message was deleted.", "hidden": True}
    if found.blocks:
        shape["blocks"] = found.blocks
    if found.attachments:
        shape["attachments"] = found.attachments
    if found.files:
        shape |= {"files": [file(state, one) for one in found.files], "upload": False}
    if found.edited_ts:
        shape["edited"] = {"user": found.user, "ts": found.edited_ts}
    if found.reactions:
        shape["reactions"] = [
            {"name": name, "users": users, "count": len(users)} for name, users in found.reactions.items()
        ]
    if metadata and found.metadata:
        shape["metadata"] = found.metadata
    return shape | _thread(state, found)


def _thread(state: State, found: Message) -> Json:
    if found.is_reply:
        parent = state.message(found.channel, found.thread_ts or "")
        return {"thread_ts": found.thread_ts} | ({"parent_user_id": parent.user} if parent else {})
    channel = state.channels.get(found.channel)
    replies = channel.threads.get(found.ts, []) if channel else []
    if not channel or not replies:
        return {}
    users = list(dict.fromkeys(channel.messages[ts].user for ts in replies if ts in channel.messages))
    return {
        "thread_ts": found.ts,
        "reply_count": len(replies),
        "reply_users": users[:5],
        "reply_users_count": len(users),
        "latest_reply": replies[-1],
    }


_TYPES = {
    "csv": ("text/csv", "CSV"),
    "txt": ("text/plain", "Plain Text"),
    "log": ("text/plain", "Plain Text"),
    "json": ("application/json", "JSON"),
    "png": ("image/png", "PNG"),
    "jpg": ("image/jpeg", "JPEG"),
    "gif": ("image/gif", "GIF"),
}
_PREVIEW = 2000  # characters


def mimetype(name: str) -> str:
    """By the name's ending; what is not known is binary."""
    return _TYPES.get(name.rpartition(".")[2].lower(), ("application/octet-stream", ""))[0]


def file(state: State, found: File) -> Json:
    """A file as files.info returns it. Text has its beginning as `preview`."""
    ending = found.name.rpartition(".")[2].lower()
    content = found.content or b""
    shape: Json = {
        "id": found.id,
        "created": found.created,
        "timestamp": found.created,
        "name": found.name,
        "title": found.title or found.name,
        "mimetype": mimetype(found.name),
        "filetype": ending if ending in _TYPES else "binary",
        "pretty_type": _TYPES.get(ending, ("", "Binary"))[1],
        "user": found.user,
        "size": len(content),
        "mode": "hosted",
        "is_external": False,
        "is_public": any(not one.startswith("D") for one in found.channels),
        "channels": [one for one in found.channels if one.startswith("C")],
        "ims": [one for one in found.channels if one.startswith("D")],
        "url_private": f"{state.url}files/{found.id}/{quote(found.name)}",
        "url_private_download": f"{state.url}files/{found.id}/{quote(found.name)}?download=1",
    }
    if shape["mimetype"].startswith(("text/", "application/json")):
        text = content[: 4 * _PREVIEW].decode("utf-8", "replace")
        preview = text[:_PREVIEW]
        lines = content.count(b"\n")
        shape |= {"preview": preview, "lines": lines, "preview_is_truncated": len(content) > len(preview.encode())}
    return shape


def channel(state: State, found: Channel, viewer: str = ids.BOT_USER) -> Json:
    if found.is_im:
        other = next((member for member in found.members if member != viewer), viewer)
        return {"id": found.id, "created": found.created, "is_im": True, "is_archived": False, "user": other}
    return {
        "id": found.id,
        "name": found.name,
        "name_normalized": found.name,
        "created": found.created,
        "is_channel": not found.is_private,
        "is_group": found.is_private,
        "is_im": False,
        "is_mpim": False,
        "is_private": found.is_private,
        "is_archived": found.is_archived,
        "is_general": False,
        "is_member": viewer in found.members,
        "num_members": len(found.members),
        "topic": {"value": found.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "context_team_id": ids.TEAM,
    }


def user(found: User) -> Json:
    return {
        "id": found.id,
        "team_id": ids.TEAM,
        "name": found.name,
        "real_name": found.real_name,
        "deleted": False,
        "is_bot": found.is_bot,
        "is_app_user": False,
        "is_admin": False,
        "tz": found.tz,
        "tz_label": "Central European Time",
        "tz_offset": 3600,
        "profile": {
            "real_name": found.real_name,
            "display_name": found.name,
            "email": found.email,
            "team": ids.TEAM,
        },
    }


def group(found: Group, *, users: bool, count: bool) -> Json:
    shape: Json = {
        "id": found.id,
        "team_id": ids.TEAM,
        "is_usergroup": True,
        "is_subteam": True,
        "name": found.name,
        "description": "",
        "handle": found.handle,
        "is_external": False,
        "date_create": 0,
        "date_update": found.updated,
        "date_delete": found.updated if found.disabled else 0,
    }
    if users:
        shape["users"] = list(found.users)
    return shape | ({"user_count": len(found.users)} if count else {})


def bot() -> Json:
    return {
        "id": ids.BOT,
        "app_id": ids.APP,
        "user_id": ids.BOT_USER,
        "name": "Muster",
        "deleted": False,
        "updated": 0,
        "team_id": ids.TEAM,
        "icons": {},
    }


def interaction(user: User) -> Json:
    """What every payload of an interaction begins with."""
    return {
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": ids.TEAM},
        "api_app_id": ids.APP,
        "token": ids.VERIFICATION_TOKEN,
        "team": {"id": ids.TEAM, "domain": ids.TEAM_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def view(found: View) -> Json:
    """A view as views.open returns it and payloads repeat it."""
    content = found.content
    return {
        "id": found.id,
        "team_id": ids.TEAM,
        "type": content["type"],
        "blocks": found.blocks,
        "private_metadata": content.get("private_metadata") or "",
        "callback_id": content.get("callback_id") or "",
        "state": {"values": found.values},
        "hash": found.hash,
        "title": content.get("title"),
        "clear_on_close": bool(content.get("clear_on_close")),
        "notify_on_close": bool(content.get("notify_on_close")),
        "close": content.get("close"),
        "submit": content.get("submit"),
        "previous_view_id": found.previous,
        "root_view_id": found.root,
        "app_id": ids.APP,
        "external_id": content.get("external_id") or "",
        "app_installed_team_id": ids.TEAM,
        "bot_id": ids.BOT,
    }


def seen_view(found: View) -> Json:
    """A view as the control API shows it: with its errors, and what the person was told."""
    return {**view(found), "user": found.user, "errors": found.errors, "trouble": found.trouble}


def seen(state: State, found: Message) -> Json:
    """A message as the control API shows it: everything that is known of it, metadata too."""
    return {
        "channel": found.channel,
        "ts": found.ts,
        "user": found.user,
        "text": found.text,
        "blocks": found.blocks,
        "attachments": found.attachments,
        "files": [{**file(state, one), "url": f"/files/{one.id}/{quote(one.name)}"} for one in found.files],
        "thread_ts": found.thread_ts,
        "metadata": found.metadata,
        "edited": found.edited_ts is not None,
        "ephemeral_to": found.ephemeral_to,
        "reactions": found.reactions,
        "deleted": found.deleted,
        "run": found.run,
        "change": found.change,
    }
