"""Files: files.getUploadURLExternal, the upload itself, files.completeUploadExternal and files.info.

Source: Slack's "Working with files", uploading files. A file that was completed without a channel is private to the
app.
"""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import BodyPartReader, web

from sandbox.workspace import ids, rules, shapes
from sandbox.workspace.errors import SlackError
from sandbox.workspace.faults import Faults
from sandbox.workspace.journal import Journal
from sandbox.workspace.methods import Api, Arguments, Json, method
from sandbox.workspace.state import Channel, File, Message, State

LARGEST = 64 * 1024 * 1024
"""Slack's own limit is 1 GB; here everything is in memory."""

#: Shown in the page; everything else is only handed out as a download. Never SVG: it may hold scripts.
_SHOWN = ("image/png", "image/jpeg", "image/gif")


@method("files.getUploadURLExternal", scope="files:write")
def get_upload_url(api: Api, args: Arguments) -> Json:
    """Where the bytes go, and the id that the file will have."""
    name, length = args.text("filename"), args.number("length", 0)
    if not name or length <= 0:
        raise SlackError("invalid_arguments")
    if length > LARGEST:
        raise SlackError("file_upload_size_restricted")
    file = File(api.state.next_id("F"), name, length, ids.BOT_USER, secrets.token_hex(12), int(api.state.clock()))
    api.state.add_file(file)
    return {"upload_url": f"{api.url}upload/v1/{file.ticket}", "file_id": file.id}


@method("files.completeUploadExternal", scope="files:write")
def complete_upload(api: Api, args: Arguments) -> Json:
    """Shares the files in one message for each channel, with `initial_comment` as its words."""
    wanted = args.parsed("files", "invalid_arguments")
    if not isinstance(wanted, list) or not wanted:
        raise SlackError("invalid_arguments")
    files = [_uploaded(api.state, one) for one in wanted]
    places = _places(api, args)
    thread = args.text("thread_ts") or None
    if thread and (len(places) > 1 or (places and thread not in places[0].messages)):
        raise SlackError("invalid_arguments" if len(places) > 1 else "invalid_thread_ts")
    comment = args.text("initial_comment")
    rules.check_text(comment)
    for file, one in zip(files, wanted, strict=True):
        file.title, file.completed = str(one.get("title") or file.name), True
    for channel in places:
        api.limiter.post(channel.id)
        for file in files:
            file.channels.append(channel.id)
        ts = api.state.next_ts()
        api.state.post(Message(channel.id, ts, ids.BOT_USER, comment, files=list(files), thread_ts=thread))
    return {"files": [shapes.file(api.state, file) for file in files]}


def _uploaded(state: State, wanted: Any) -> File:
    file = state.files.get(str(wanted.get("id"))) if isinstance(wanted, dict) else None
    if file is None or file.content is None or file.completed:
        raise SlackError("file_not_found")
    return file


def _places(api: Api, args: Arguments) -> list[Channel]:
    """By id only, unlike chat.postMessage: a name is `channel_not_found`."""
    named = [args.text("channel_id")] if args.text("channel_id") else args.text("channels").split(",")
    places = []
    for name in filter(None, named):
        channel = api.state.channels.get(name)
        if channel is None:
            raise SlackError("channel_not_found")
        if ids.BOT_USER not in channel.members:
            raise SlackError("not_in_channel")
        if channel.is_archived:
            raise SlackError("is_archived")
        places.append(channel)
    return places


@method("files.info", scope="files:read")
def info(api: Api, args: Arguments) -> Json:
    file = api.state.files.get(args.text("file"))
    if file is None or not file.completed:
        raise SlackError("file_not_found")
    return {"file": shapes.file(api.state, file)}


class Files:
    """The upload of bytes, and their download by the page."""

    def __init__(self, state: State, faults: Faults, journal: Journal) -> None:
        self._state = state
        self._faults = faults
        self._journal = journal

    async def upload(self, request: web.Request) -> web.Response:
        """POST /upload/v1/<ticket>: the raw bytes, or one part of a form. `upload` is its name for faults."""
        fault = self._faults.take("upload", None)
        ticket = request.match_info["ticket"]
        file = next((one for one in self._state.files.values() if one.ticket == ticket), None)
        content = await _content(request)
        status = fault.status or 500 if fault is not None else 200 if file and file.content is None else 404
        self._journal.add("api", method="upload", args={"file": file.id if file else None}, status=status, response={})
        if file is None or status != 200:
            return web.Response(status=status, text="failed")
        if len(content) != file.size:
            return web.Response(status=400, text=f"{len(content)} bytes, {file.size} were announced")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    async def download(self, request: web.Request) -> web.Response:
        """GET /files/<id>/<name>: pictures to be shown, everything else as a download."""
        file = self._state.files.get(request.match_info["file"])
        if file is None or file.content is None:
            raise web.HTTPNotFound
        kind = shapes.mimetype(file.name)
        shown = kind in _SHOWN and "download" not in request.query
        headers = {
            "Content-Disposition": "inline" if shown else "attachment",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(body=file.content, content_type=kind, headers=headers)


async def _content(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            return bytes(await part.read())
    return b""
