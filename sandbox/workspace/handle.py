"""The control API with types: the same methods on `Workspace` (in process) and `WorkspaceClient` (over HTTP)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sandbox.workspace.seen import SeenMessage, SeenRun
from sandbox.workspace.view_handle import ViewHandle

Json = dict[str, Any]
Predicate = Callable[[SeenMessage], bool]


class Handle(ViewHandle):
    """A channel is an id or `#name`; a user is an id; times are in seconds. A refusal raises `SlackError`."""

    # -- the workspace

    async def seed(
        self, *, channels: Sequence[Json] = (), users: Sequence[Json] = (), groups: Sequence[Json] = ()
    ) -> None:
        """Adds or replaces channels (`id, name, members?, is_archived?, is_private?, topic?`), users
        (`id, name, real_name, email?`) and groups (`id, handle, name, users`)."""
        await self.call("seed", channels=list(channels), users=list(users), groups=list(groups))

    async def group(self, group: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[str]:
        """Changes who is in a user group, by id or `@handle`; its members afterwards. The app is not told."""
        found: list[str] = await self.call("group", group=group, add=list(add), remove=list(remove))
        return found

    async def clear(self, *, journal: bool = True, faults: bool = True) -> None:
        """Forgets all messages, and the journal, faults and spent rate limits."""
        await self.call("clear", journal=journal, faults=faults)

    async def overview(self, user: str) -> Json:
        found: Json = await self.call("overview", user=user)
        return found

    # -- trouble

    async def inject(
        self,
        method: str,
        *,
        times: int = 1,
        channel: str | None = None,
        status: int | None = None,
        error: str | None = None,
        retry_after: float = 1.0,
        drop: bool = False,
        accept_then_drop: bool = False,
        hang: bool = False,
        delay: float = 0.0,
    ) -> None:
        """The next `times` calls of a Web API method (or `response_url`, or `*`) fail; see `faults.Fault`."""
        fault = {
            "times": times,
            "channel": channel,
            "status": status,
            "error": error,
            "retry_after": retry_after,
            "drop": drop,
            "accept_then_drop": accept_then_drop,
            "hang": hang,
            "delay": delay,
        }
        await self.call("inject", method=method, **fault)

    async def pending_faults(self, *, clear: bool = False) -> list[Json]:
        found: list[Json] = await self.call("faults", clear=clear)
        return found

    async def limits(self, **changes: Any) -> Json:
        """Changes `enabled`, `posts_per_second`, `post_burst` or `updates_per_minute`."""
        found: Json = await self.call("limits", **changes)
        return found

    async def disconnect(self, how: str = "cut") -> int:
        """`cut`, `warning`, `refresh_requested` or `link_disabled`, for all sockets. How many there were."""
        return int(await self.call("disconnect", how=how))

    # -- people

    async def command(
        self, user: str, channel: str, text: str, *, thread_ts: str | None = None, wait: float = 5.0
    ) -> SeenRun:
        """Types `/fleet …` (which `text` may leave out); back at the first answer or failure, or after `wait`."""
        found = await self.call("command", user=user, channel=channel, text=text, thread_ts=thread_ts, wait=wait)
        return SeenRun.model_validate(found)

    async def click(
        self,
        user: str,
        ts: str,
        action: str,
        *,
        value: str | list[str] | None = None,
        block: str | None = None,
        channel: str | None = None,
        wait: float = 0.0,
    ) -> SeenRun:
        """Clicks in a message, ephemeral or not, by action_id or label; back when the click is acknowledged.

        With the id of a view in place of `ts` it is a click in the modal on top, or on the Home tab.

        `value` chooses a menu's option, or one of several buttons with the same action_id; so does `block`, a block_id.
        """
        clicked = {"user": user, "ts": ts, "action": action, "value": value, "block": block, "channel": channel}
        found = await self.call("click", **clicked, wait=wait)
        return SeenRun.model_validate(found)

    async def write(self, user: str, channel: str, text: str, *, thread_ts: str | None = None) -> SeenMessage:
        """Writes a message; `@muster …` mentions the bot; channel `@muster` is its direct messages."""
        found = await self.call("write", user=user, channel=channel, text=text, thread_ts=thread_ts)
        return SeenMessage.model_validate(found)

    async def edit(self, user: str, ts: str, text: str) -> SeenMessage:
        """A person edits a message of their own."""
        return SeenMessage.model_validate(await self.call("edit", user=user, ts=ts, text=text))

    async def shortcut(self, user: str, callback_id: str, *, ts: str | None = None, wait: float = 0.0) -> SeenRun:
        """Chooses a global shortcut, or one of a message's menu; back when it is acknowledged."""
        return SeenRun.model_validate(await self.call("shortcut", user=user, callback_id=callback_id, ts=ts, wait=wait))

    async def event(self, event: Json) -> None:
        """Sends the app any event, such as `{"type": "member_joined_channel", …}`."""
        await self.call("event", event=event)

    async def delete(self, ts: str) -> None:
        """A person deletes any message, or dismisses an ephemeral one."""
        await self.call("delete", ts=ts)

    async def answers(self, run: SeenRun | str) -> SeenRun:
        """A command or click as it stands now."""
        return SeenRun.model_validate(await self.call("answers", run=run if isinstance(run, str) else run.id))

    # -- seeing

    async def journal(self, *, after: int = 0, kind: str | None = None, method: str | None = None) -> list[Json]:
        """Entries, oldest first. Kinds: `api`, `response_url`, `envelope`, `socket`, `person`."""
        found: list[Json] = await self.call("journal", after=after, kind=kind, method=method)
        return found

    async def messages(
        self, channel: str, *, user: str | None = None, thread_ts: str | None = None, limit: int = 1000
    ) -> list[SeenMessage]:
        """Oldest first. With `user` as that person sees them; without, all ephemeral messages too."""
        found = await self.call("messages", channel=channel, user=user, thread_ts=thread_ts, limit=limit)
        return [SeenMessage.model_validate(one) for one in found]

    async def wait_for_message(
        self,
        channel: str | None = None,
        predicate: Predicate | None = None,
        *,
        contains: str | None = None,
        user: str | None = None,
        after: int = 0,
        timeout: float = 5.0,
    ) -> SeenMessage:
        """The first message, old or new, in its present wording, that fits everything given.

        `after` is a `SeenMessage.change`: only what was written or edited since. Raises TimeoutError, telling the
        last messages seen.
        """
        home = None if channel is None else str(await self.call("channel_id", channel=channel))

        def fits(message: SeenMessage) -> bool:
            here = home in (None, message.channel) and not message.deleted
            return here and (contains is None or message.says(contains)) and (predicate is None or predicate(message))

        return await self._wait(fits, after=after, user=user, timeout=timeout)

    async def wait_for_answer(
        self,
        user: str,
        predicate: Predicate | None = None,
        *,
        contains: str | None = None,
        after: int | None = None,
        timeout: float = 5.0,
    ) -> SeenMessage:
        """What the bot or Slackbot says, to this person alone or to all, since the person's last act."""
        since = int(await self.call("acted", user=user)) if after is None else after

        def fits(message: SeenMessage) -> bool:
            said = message.from_bot and not message.deleted
            return said and (contains is None or message.says(contains)) and (predicate is None or predicate(message))

        return await self._wait(fits, after=since, user=user, timeout=timeout)

    async def wait_for_call(
        self, method: str, predicate: Callable[[Json], bool] | None = None, *, after: int = 0, timeout: float = 5.0
    ) -> Json:
        """The first journal entry of a Web API method (or `response_url`) that fits."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            for entry in await self.call("journal", after=after, method=method, timeout=left):
                after = entry["n"]
                if predicate is None or predicate(entry):
                    return dict(entry)
            if not left:
                raise TimeoutError(f"no call of {method} that fits within {timeout} s")

    async def wait_for_connections(self, count: int = 1, *, timeout: float = 5.0) -> None:
        """Until at least so many sockets are open."""
        if await self.call("connections", at_least=count, timeout=timeout) < count:
            raise TimeoutError(f"not {count} sockets within {timeout} s")

    async def _wait(self, fits: Predicate, *, after: int, user: str | None, timeout: float) -> SeenMessage:
        deadline = time.monotonic() + timeout
        recent: list[SeenMessage] = []
        while True:
            left = max(0.0, deadline - time.monotonic())
            news = await self.call("changed", after=after, user=user, timeout=left)
            after = news["change"]
            for one in news["messages"]:
                message = SeenMessage.model_validate(one)
                if fits(message):
                    return message
                recent = [*recent[-4:], message]
            if not left:
                said = "\n".join(f"  {one.channel} {one.user}: {one.words[:200]}" for one in recent) or "  nothing"
                raise TimeoutError(f"no message that fits within {timeout} s; the last that were seen:\n{said}")
