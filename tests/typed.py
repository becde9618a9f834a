"""Command lines as people type them, without Slack."""

from __future__ import annotations

import commands
from bot.render import render
from bot.router import Router
from fleet.message import File, Message
from fleet.roles import Person, Role
from tests.house import House

ANN = Person("U0ANN", Role.OPERATOR)
VIC = Person("U0VIC", Role.VIEWER)
APPROVER = Person("U0CAT", Role.APPROVER)


async def types(house: House, line: str, person: Person = ANN) -> Message:
    """The answer to a line; it is rendered too, so a template that lacks a value fails here."""
    router = Router(commands.ALL, house.settings, house.db)
    answer = await router.answer(line, person, "C0FLEETOPS", house.now)
    render(_with_its_file(answer, answer.file) if answer.file else answer)
    assert answer.data.get("reference") is None, answer.data
    return answer


def _with_its_file(answer: Message, file: File) -> Message:
    """As its template sees it once the file is written."""
    written = {"name": file.name, "rows": 1, "cut": False, "where": ""}
    return answer.model_copy(update={"data": {**answer.data, "file": written}})


async def refused(house: House, line: str, person: Person = ANN) -> str:
    """The sentence that a line is refused with."""
    answer = await types(house, line, person)
    assert answer.template == "problem", answer
    return str(answer.data["text"])
