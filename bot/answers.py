"""From a line, and who asked it where, to an answer that is ready to be shown.

    line, Place --Router--> Message --(its file is uploaded)--> Answer: the Message and its blocks

The same for typed commands, mentions, direct messages and buttons: `bot.slack` and `bot.talk` only know how each of
them is given its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot import files
from bot.files import Files
from bot.people import People
from bot.render import Rendered, render
from bot.router import Router, safely
from commands import home
from fleet.message import Audience, File, Message

PROBLEM = "problem"
_PATIENCE = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """Who asked, in which channel, and in which thread of it if it was in one.

    `clicked` is the message whose button was pressed, where everybody sees it and it begins a thread or could.
    """

    user: str
    channel: str
    thread_ts: str | None = None
    clicked: str | None = None

    @property
    def is_direct(self) -> bool:
        """True between one person and the bot: there nothing needs to be hidden from anybody else."""
        return self.channel.startswith("D")


@dataclass(frozen=True, slots=True)
class Answer:
    message: Message
    rendered: Rendered

    @property
    def is_problem(self) -> bool:
        """A refusal or a fault: for the asker alone, wherever they asked."""
        return self.message.template == PROBLEM

    @property
    def is_posted(self) -> bool:
        """The outbox says it: there is nothing to add."""
        return self.message.audience is Audience.POSTED

    @property
    def is_public(self) -> bool:
        return self.message.audience is Audience.CHANNEL


class Answers:
    """Everything between a line and its answer. Nothing here raises, but for cancellation."""

    def __init__(self, router: Router, people: People, uploads: Files, root: str, now: Callable[[], datetime]) -> None:
        self._router = router
        self._people = people
        self._uploads = uploads
        self._root = root
        self._now = now
        self._under_way: set[asyncio.Task[Any]] = set()

    @property
    def under_way(self) -> int:
        """How many people are being answered just now."""
        return len(self._under_way)

    async def finish(self) -> None:
        """Wait a little for whoever is being answered: when Muster stops, nobody is left without the words."""
        others = self._under_way - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=_PATIENCE)

    def begin(self) -> None:
        """The present task answers somebody from here on: it is waited for when Muster stops."""
        task = asyncio.current_task()
        if task is not None and task not in self._under_way:
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def to(self, line: str, place: Place) -> Answer:
        """What the line is answered with, as the person who asked."""
        self.begin()
        now = self._now()
        person = await self._people.person(place.user, now, fresh=self._router.wants_fresh_role(line))
        message = await self._router.answer(line, person, place.channel, now, place.thread_ts or place.clicked)
        if message.file is None:
            return await self.shown(message)
        return await safely(self._with_file(message, message.file, place), self.as_it_is, template=message.template)

    async def home(self, user: str) -> list[Answer]:
        """The parts of a person's Home tab."""
        self.begin()
        return await safely(self._home(user), lambda problem: [self.as_it_is(problem)], person=user)

    async def _home(self, user: str) -> list[Answer]:
        now = self._now()
        person = await self._people.person(user, now)
        return [self.as_it_is(part) for part in await home.parts(self._router.call(person, user, now))]

    async def shown(self, message: Message) -> Answer:
        """A message rendered, or why it could not be."""
        return await safely(self._rendered(message), self.as_it_is, template=message.template)

    async def _rendered(self, message: Message) -> Answer:
        return self.as_it_is(message)

    def as_it_is(self, message: Message) -> Answer:
        return Answer(message, render(message, root=self._root))

    async def _with_file(self, message: Message, file: File, place: Place) -> Answer:
        """The answer after the file: its template says how much of it there is, and where."""
        here = file.here and not place.is_direct
        written = await files.write(file, self._uploads.most)
        with written.content:
            facts = {
                "name": file.name,
                "rows": written.rows,
                "cut": written.cut,
                "where": place.channel if here else "",
            }
            answer = self.as_it_is(message.model_copy(update={"data": {**message.data, "file": facts}}))
            comment = f"{answer.rendered.text}, for <@{place.user}>" if here else answer.rendered.text
            in_thread = here or place.is_direct
            where = (place.channel, place.thread_ts) if in_thread else ("", None)
            await self._uploads.share(written, file.name, comment, place.user, where)
        return answer
