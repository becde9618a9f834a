"""Files that go with answers: written as CSV into a temporary file, uploaded, and shared where they belong.

Three steps, as Slack wants them: files.getUploadURLExternal, a POST to the address it gives, and
files.completeUploadExternal, which shares the file in one channel or thread. No file is for one reader of a channel, so
what only the asker should have goes into the direct messages with them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import IO, Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack_errors import LOST
from fleet import table_file
from fleet.errors import FleetError, Refused, Unavailable
from fleet.message import File

_PATIENCE = aiohttp.ClientTimeout(total=300, sock_connect=10)


@dataclass(slots=True)
class Written:
    """A CSV in a temporary file: how many rows and bytes it has, and whether more would have followed."""

    content: IO[bytes]
    rows: int = 0
    size: int = 0
    cut: bool = False

    def add(self, line: bytes) -> None:
        self.content.write(line)
        self.size += len(line)


async def write(file: File, most: int) -> Written:
    """At most `most` bytes of the file's rows, in UTF-8, with a line of titles. Close its `content` after use."""
    written = Written(tempfile.TemporaryFile())  # noqa: SIM115  closed by whoever asked for it
    try:
        written.add(table_file.line(file.columns))
        async for batch in file.rows:
            for row in batch:
                line = table_file.line(row)
                if written.size + len(line) > most:
                    written.cut = True
                    break
                written.add(line)
                written.rows += 1
            if written.cut:
                break
    except BaseException:
        written.content.close()
        raise
    written.content.seek(0)
    return written


class Files:
    """Uploads over the Web API. Every refusal is a FleetError that says what to do about it."""

    def __init__(self, client: AsyncWebClient, most: int) -> None:
        self._client = client
        self.most = most

    async def share(self, written: Written, name: str, comment: str, user: str, where: tuple[str, str | None]) -> None:
        """Upload and share it: in the channel and thread of `where`, or with an empty channel in the user's own.

        Raises Refused or Unavailable.
        """
        channel, thread_ts = where
        try:
            if not channel:
                opened = await self._client.conversations_open(users=user)
                channel = str(opened["channel"]["id"])
            await upload(self._client, written.content, written.size, name, comment, (channel, thread_ts))
        except SlackApiError as refused:
            raise _refusal(refused) from refused
        except LOST as lost:
            raise Unavailable("Slack cannot be reached for the file just now. Ask for it again in a moment.") from lost


async def upload(
    client: AsyncWebClient,
    content: IO[bytes] | bytes,
    size: int,
    name: str,
    comment: str,
    place: tuple[str, str | None],
) -> str:
    """The three steps; `place` is a channel and a thread of it. Returns the file's id.

    Raises what slack_sdk and aiohttp raise, and Unavailable where the bytes are not taken.
    """
    channel, thread_ts = place
    granted = await client.files_getUploadURLExternal(filename=name, length=size)
    file_id = str(granted["file_id"])
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
        headers = {"Content-Type": "application/octet-stream"}
        # From the disk where it stands there: the bytes are never all in memory.
        async with session.post(str(granted["upload_url"]), data=content, headers=headers) as answer:
            if answer.status != 200:
                raise Unavailable(f"Slack did not take the file (HTTP {answer.status}). Ask for it again soon.")
    files: list[dict[str, str | None]] = [{"id": file_id, "title": name}]
    await client.files_completeUploadExternal(
        files=files, channel_id=channel, thread_ts=thread_ts, initial_comment=comment
    )
    return file_id


def _refusal(refused: SlackApiError) -> FleetError:
    answer: Any = refused.response
    error = str(answer.get("error"))
    if error == "missing_scope":
        return Refused(
            f"Muster may not send files yet: give its Slack app the scope {answer.get('needed')}, and install it again."
        )
    if error in ("not_in_channel", "channel_not_found"):
        return Refused("Muster is not in this channel. Invite it, or leave --here out: then you alone get the file.")
    return Refused(
        f"Slack did not take the file ({error}). If it stays so, whoever runs Muster should look at its log."
    )
