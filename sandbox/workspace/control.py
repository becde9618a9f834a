"""What tests and the page may ask of the workspace: one method per verb, JSON in and JSON out.

Over HTTP a verb is `POST /control/<verb>` with its arguments as a JSON object, and answers `{"ok": true, "result": …}`
or `{"ok": false, "error": …}`. In one process the same verbs are called directly; `handle.Handle` has the types.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import time
from collections.abc import Iterable
from typing import Any

from sandbox.workspace import ids, shapes
from sandbox.workspace.errors import SlackError
from sandbox.workspace.faults import Fault, Faults
from sandbox.workspace.journal import Journal
from sandbox.workspace.limits import RateLimiter
from sandbox.workspace.people import People
from sandbox.workspace.runs import Run
from sandbox.workspace.seen import SeenMessage
from sandbox.workspace.socket_mode import REASONS, SocketMode
from sandbox.workspace.state import Channel, Group, Message, State, User

Json = dict[str, Any]

VERBS = frozenset(
    (
        *("overview", "hints", "seed", "group", "clear", "inject", "faults", "limits", "disconnect"),
        *("journal", "messages", "changed", "acted", "channel_id", "connections", "answers"),
        *("command", "click", "write", "edit", "shortcut", "event", "delete", "mark_read"),
        *("surfaces", "fill", "submit", "close", "open_app"),
    )
)

#: The longest that one request waits for news; a client that wants longer asks again.
LONGEST_WAIT = 30.0


class Control:
    """The verbs. Times are in seconds; a channel is an id or `#name`; a user is an id."""

    def __init__(
        self, state: State, people: People, sockets: SocketMode, faults: Faults, limiter: RateLimiter, journal: Journal
    ) -> None:
        self._state = state
        self._people = people
        self._sockets = sockets
        self._faults = faults
        self._limiter = limiter
        self._journal = journal
        self._acted: dict[str, int] = {}
        self._hint = re.compile(
            rf"`{re.escape(people.slash)} (?P<words>[a-z-]+(?: [a-z-]+)*)(?P<rest>[^`]*)`\s*(?P<what>.*)"
        )

    async def call(self, verb: str, arguments: Json) -> Any:
        """Raises `unknown_verb`, or `invalid_arguments` where they do not fit."""
        if verb not in VERBS:
            raise SlackError("unknown_verb", extra={"detail": f"one of: {', '.join(sorted(VERBS))}"})
        try:
            return await getattr(self, verb)(**arguments)
        except (TypeError, ValueError) as wrong:
            raise SlackError("invalid_arguments", extra={"detail": str(wrong)}) from wrong

    # -- the workspace

    async def overview(self, user: str) -> Json:
        """What one person sees before any message: channels with unread counts, people, groups, modals and Home."""
        state = self._state
        if user not in state.users:
            raise SlackError("user_not_found")
        state.im(user)
        mine = [channel for channel in state.channels.values() if user in channel.members]
        return {
            "user": user,
            "personas": [one.id for one in state.users.values() if not one.is_bot],
            "users": {one.id: {"name": one.name, "real_name": one.real_name} for one in state.users.values()},
            "groups": self._groups(),
            "channels": [self._listed(channel, user) for channel in mine],
            "slash": self._people.slash,
            "connections": self._sockets.count,
            "change": state.changes.number,
            **state.surfaces.seen(user),
        }

    async def hints(self, user: str, timeout: float = 3.0) -> list[Json]:
        """What this person can type, as the app's own help tells them: `words`, `rest` and `what`. Empty without it."""
        if not self._sockets.count:
            return []
        run = self._people.command(user, "@muster", f"{self._people.slash} help all", silent=True)
        answered = await self._first_answer(run, timeout)
        texts = [
            text for answer in answered["answers"] for text in SeenMessage.model_validate(answer).words.split("\n")
        ]
        return [found.groupdict() for text in texts if (found := self._hint.match(text))]

    def _listed(self, channel: Channel, user: str) -> Json:
        read, unread = self._state.read.get((user, channel.id), ""), 0
        for message in channel.newest_first():
            if message.ts <= read or unread == 99:
                break
            unread += message.user != user and not message.is_reply and not message.deleted
        return {
            "id": channel.id,
            "name": channel.name,
            "topic": channel.topic,
            "is_im": channel.is_im,
            "is_archived": channel.is_archived,
            "has_bot": ids.BOT_USER in channel.members,
            "members": len(channel.members),
            "unread": unread,
        }

    async def seed(
        self,
        channels: Iterable[Json] = (),
        users: Iterable[Json] = (),
        groups: Iterable[Json] = (),
    ) -> Json:
        """Adds or replaces: keys as in `state.Channel`, `User` and `Group`. A channel without members has everyone."""
        for user in users:
            made = User(**user)
            self._state.users[made.id] = made
        for group in groups:
            made_group = Group(**group)
            self._state.groups[made_group.id] = made_group
        for channel in channels:
            self._state.add_channel(Channel(**{"members": [*ids.PERSONAS, ids.BOT_USER], **channel}))
        return {}

    async def group(self, group: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> list[str]:
        """Changes who is in a user group; its members afterwards."""
        found = self._state.group(group)
        if found is None:
            raise SlackError("no_such_subteam")
        if unknown := [user for user in add if user not in self._state.users]:
            raise SlackError("user_not_found", extra={"detail": ", ".join(unknown)})
        found.users = [user for user in dict.fromkeys([*found.users, *add]) if user not in remove]
        found.updated = int(self._state.clock())
        self._state.changes.tell("groups", facts={"groups": self._groups()})
        return found.users

    def _groups(self) -> Json:
        return {
            one.id: {"handle": one.handle, "name": one.name, "users": one.users}
            for one in self._state.groups.values()
            if not one.disabled
        }

    async def clear(self, journal: bool = True, faults: bool = True) -> Json:
        """Forgets the messages, and the journal, the faults and the spent rate limits too."""
        self._state.clear()
        self._limiter.reset()
        if journal:
            self._journal.clear()
        if faults:
            self._faults.clear()
        return {}

    # -- trouble

    async def inject(self, **fault: Any) -> Json:
        order = Fault.model_validate(fault)
        if order.channel is not None:
            channel = self._state.channel(order.channel)
            order.channel = channel.id if channel else order.channel
        self._faults.order(order)
        return {}

    async def faults(self, clear: bool = False) -> list[Json]:
        """The orders that are not used up; with `clear` they are forgotten."""
        pending = self._faults.pending()
        if clear:
            self._faults.clear()
        return pending

    async def limits(self, **changes: Any) -> Json:
        """Changes the rate limits (see `limits.RateLimits`) and tells how they are."""
        self._limiter.limits = dataclasses.replace(self._limiter.limits, **changes)
        self._limiter.reset()
        return dataclasses.asdict(self._limiter.limits)

    async def disconnect(self, how: str = "cut") -> int:
        """Of all sockets: `cut`, or Slack's `warning`, `refresh_requested` or `link_disabled`. How many there were."""
        if how == "cut":
            return await self._sockets.cut()
        for reason in REASONS:
            if how == reason:
                return await self._sockets.ask_to_reconnect(reason)
        raise ValueError(f"no way to disconnect is called {how!r}")

    async def connections(self, at_least: int = 0, timeout: float = 0.0) -> int:
        """How many sockets are open; waits up to `timeout` for so many."""
        deadline = time.monotonic() + min(timeout, LONGEST_WAIT)
        while self._sockets.count < at_least and (left := deadline - time.monotonic()) > 0:
            await self._state.changes.wait(left)
        return self._sockets.count

    # -- seeing

    async def journal(
        self, after: int = 0, kind: str | None = None, method: str | None = None, timeout: float = 0.0
    ) -> list[Json]:
        """Entries, oldest first; waits up to `timeout` for the first."""
        deadline = time.monotonic() + min(timeout, LONGEST_WAIT)
        while not (found := self._journal.entries(after=after, kind=kind, method=method)):
            if (left := deadline - time.monotonic()) <= 0 or not await self._state.changes.wait(left):
                break
        return found

    async def messages(
        self, channel: str, user: str | None = None, thread_ts: str | None = None, limit: int = 1000
    ) -> list[Json]:
        """The newest `limit`, oldest first. With `user` as that person sees them; without, everybody's ephemeral
        messages too. With `thread_ts` a parent and its replies."""
        home = self._state.channel(channel)
        if home is None:
            raise SlackError("channel_not_found")
        ephemeral = [message for message in self._state.ephemerals.values() if message.channel == home.id]
        both = sorted([*home.messages.values(), *ephemeral], key=lambda message: message.ts)
        found = [
            message
            for message in both
            if visible(message, user) and (thread_ts is None or thread_ts in (message.thread_ts, message.ts))
        ]
        return [shapes.seen(self._state, message) for message in found[-limit:]]

    async def changed(self, after: int = 0, user: str | None = None, timeout: float = 0.0) -> Json:
        """Messages written, edited or deleted after a change number; waits up to `timeout` for the first."""
        deadline = time.monotonic() + min(timeout, LONGEST_WAIT)
        changes = self._state.changes
        while True:
            found = [message for message in changes.messages_after(after) if visible(message, user)]
            left = deadline - time.monotonic()
            if found or left <= 0 or not await changes.wait(left):
                return {"change": changes.number, "messages": [shapes.seen(self._state, message) for message in found]}

    async def acted(self, user: str) -> int:
        """The change number just before this person's last command, click or message; 0 if there was none."""
        return self._acted.get(user, 0)

    async def channel_id(self, channel: str) -> str:
        found = self._state.channel(channel)
        if found is None:
            raise SlackError("channel_not_found")
        return found.id

    async def answers(self, run: str) -> Json:
        """A command or click with its answers so far."""
        found = self._people.runs.by_id.get(run)
        if found is None:
            raise SlackError("run_not_found")
        return {**found.shape(), "answers": [shapes.seen(self._state, message) for message in found.answers]}

    # -- doing

    async def command(
        self, user: str, channel: str, text: str, thread_ts: str | None = None, wait: float = 5.0
    ) -> Json:
        """Types a command (`status` means `/fleet status`) and waits for its first answer, or its failure."""
        whole = text if text.startswith("/") else f"{self._people.slash} {text}"
        self._note(user)
        run = self._people.command(user, channel, whole, thread_ts)
        return await self._first_answer(run, wait)

    async def click(
        self,
        user: str,
        ts: str,
        action: str,
        value: Any = None,
        block: str | None = None,
        channel: str | None = None,
        wait: float = 0.0,
    ) -> Json:
        """Clicks, waits for the ack, and up to `wait` for an answer by response_url. `ts` may be the id of a view."""
        self._note(user)
        if ts.startswith("V"):
            run = self._people.modals.click(user, ts, action, value=value, block=block)
        else:
            run = self._people.click(user, ts, action, value=value, block=block, channel=channel)
        return await self._first_answer(run, wait)

    async def _first_answer(self, run: Run, wait: float) -> Json:
        await run.settled.wait()
        deadline = time.monotonic() + min(wait, LONGEST_WAIT)
        while not run.answers and (left := deadline - time.monotonic()) > 0:
            await self._state.changes.wait(left)
        return await self.answers(run.id)

    def _note(self, user: str) -> None:
        self._acted[user] = self._state.changes.number

    async def write(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> Json:
        self._note(user)
        return shapes.seen(self._state, self._people.write(user, channel, text, thread_ts))

    async def edit(self, user: str, ts: str, text: str) -> Json:
        self._note(user)
        return shapes.seen(self._state, self._people.edit(user, ts, text))

    async def shortcut(self, user: str, callback_id: str, ts: str | None = None, wait: float = 0.0) -> Json:
        """Chooses a shortcut, waits for the ack, and up to `wait` for an answer by response_url."""
        self._note(user)
        return await self._first_answer(self._people.shortcut(user, callback_id, ts), wait)

    async def event(self, event: Json) -> Json:
        """Any event, as it stands in an `event_callback`."""
        self._people.events.send(event)
        return {}

    async def delete(self, ts: str) -> Json:
        self._people.delete(ts)
        return {}

    # -- modals and Home

    async def surfaces(self, user: str, after: int = -1, timeout: float = 0.0) -> Json:
        """What a person has open: `modals`, the last on top, and `home`; waits for a change later than `after`."""
        deadline = time.monotonic() + min(timeout, LONGEST_WAIT)
        found = self._state.surfaces
        while found.changed(user) <= after and (left := deadline - time.monotonic()) > 0:
            await self._state.changes.wait(left)
        return {"change": found.changed(user), **found.seen(user)}

    async def fill(self, user: str, values: Json, view: str | None = None) -> Json:
        """Fills in a modal's inputs, by label, block_id or action_id."""
        return shapes.seen_view(self._people.modals.fill(user, values, view))

    async def submit(self, user: str, values: Json | None = None, view: str | None = None) -> Json:
        """Fills in and submits; back when the app has answered or the client would not send it."""
        self._note(user)
        self._people.modals.fill(user, values or {}, view)
        return await self._first_answer(self._people.modals.submit(user, view), 0.0)

    async def close(self, user: str, whole: bool = False) -> Json:
        self._note(user)
        return await self._first_answer(self._people.modals.close(user, whole=whole), 0.0)

    async def open_app(self, user: str, tab: str = "home") -> Json:
        self._people.open_app(user, tab)
        return {}

    async def mark_read(self, user: str, channel: str, ts: str) -> Json:
        self._state.read[user, channel] = max(ts, self._state.read.get((user, channel), ""))
        return {}


def visible(message: Message, user: str | None) -> bool:
    """An ephemeral message is there for one person; a test (no user) sees everything."""
    return user is None or message.ephemeral_to in (None, user)


async def stopped(tasks: set[asyncio.Task[None]]) -> None:
    """Ends what still runs, so that nothing outlives the workspace."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
