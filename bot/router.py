"""A line and a person in, a Message out: finds the command, checks the role (here and nowhere else), binds, calls.

typed line, mention, button's `run` --> Router.answer --> command(call, …) --> Message
                                             └── a refusal or a fault --> Message("problem", …)
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from bot.render.cutting import length, short
from bot.render.limits import BUTTON, BUTTON_VALUE
from commands import grammar
from commands.spec import AnyCommand, Call, Kind
from fleet.errors import BadInput, FleetError, NotAllowed
from fleet.message import Button, Message
from fleet.roles import Person
from fleet.settings import Settings

if TYPE_CHECKING:
    from storage.db import Database

log = structlog.get_logger(__name__)

_EVERYTHING = "all"  # `help all`: every command with its words and flags


T = TypeVar("T")


async def safely(work: Awaitable[T], instead: Callable[[Message], T], **context: Any) -> T:
    """The answer of `work`, or `instead` of the Message that says why there is none. Only cancellation passes through.

    A refusal is shown as it stands. Anything unexpected is logged with a reference, which is all that people see of it.
    """
    try:
        return await work
    except FleetError as error:
        return instead(problem(error))
    except Exception:
        reference = f"ref-{secrets.token_hex(4)}"
        log.exception("a request failed", reference=reference, **context)
        text = (
            "Something in Muster went wrong, and your request may not have been carried out. "
            "Look before you repeat it; an admin finds the cause in the log by the reference."
        )
        return instead(Message(template="problem", data={"text": text, "reference": reference}))


def _as_it_is(message: Message) -> Message:
    return message


def problem(error: FleetError, *buttons: Button) -> Message:
    """A refusal as a Message. Its `field` is the field of a form that it is about, if it is about one."""
    field = error.field if isinstance(error, BadInput) else None
    return Message(template="problem", data={"text": str(error), "reference": None, "field": field}, buttons=buttons)


class Router:
    """All commands by their words. `answer` is the one way in, for typed lines, mentions and buttons alike."""

    def __init__(self, commands: Sequence[AnyCommand], settings: Settings, db: Database) -> None:
        names = Counter(name for each in commands for name in (each.words, *each.aliases))
        if twice := [name for name, count in names.items() if count > 1 or name.split()[0] == "help"]:
            raise ValueError(f"These words name two commands: {', '.join(twice)}.")
        self._commands = tuple(commands)
        self._settings = settings
        self._db = db
        self._root = settings.slack.command

    async def answer(
        self, line: str, person: Person, channel: str, now: datetime, thread_ts: str | None = None
    ) -> Message:
        """What the line, typed or behind a button, is answered with. Never raises but on cancellation."""
        work = self._answer(line, self.call(person, channel, now, thread_ts))
        return await safely(work, _as_it_is, person=person.id, channel=channel, command=self._name(line))

    def call(self, person: Person, channel: str, now: datetime, thread_ts: str | None = None) -> Call:
        """What a command, or a page of several of them, is given."""
        return Call(person, channel, now, self._db, self._settings, thread_ts)

    async def _answer(self, line: str, call: Call) -> Message:
        text = self._without_root(grammar.clean(line))
        try:
            first, *others = text.split() or ["help"]
            if first.lower() in ("help", "-h", "--help", "?"):
                return self._help(" ".join(others), call.person, again="help ")
            found = grammar.find(self._commands, text)
            if found is None or any(token.raw in ("--help", "-h") for token in found.rest[:1]):
                return self._help(found.command.words if found else text, call.person)
            self._check_role(found.command, call.person)
            args, kwargs = grammar.bind(found, self._root)
            return await found.command(call, *args, **kwargs)
        except BadInput as error:
            return problem(error, *self._buttons(error.suggestion, call.person))

    def wants_fresh_role(self, line: str) -> bool:
        """True if the line's command must not be run on what was heard of the person's groups before."""
        found = grammar.find(self._commands, self._without_root(grammar.clean(line)))
        return found is not None and found.command.fresh_role

    def may(self, person: Person, line: str) -> bool:
        """True if the line is help, or a command that can be read and that the person may run."""
        text = self._without_root(grammar.clean(line))
        if text.partition(" ")[0] == "help":
            return True
        found = grammar.find(self._commands, text)
        if found is None or not person.role.reaches(found.command.role):
            return False
        try:
            grammar.bind(found)
        except BadInput:
            return False
        return True

    def _check_role(self, command: AnyCommand, person: Person) -> None:
        if person.role.reaches(command.role):
            return
        why = f" ({person.why})" if person.why else ""
        raise NotAllowed(
            f"{self._root} {command.words} needs the role {command.role}; yours is {person.role}{why}. "
            f"Roles are given in app.yaml under roles.{command.role}: ask whoever runs Muster."
        )

    def _buttons(self, suggestion: str | None, person: Person) -> tuple[Button, ...]:
        if not suggestion or length(suggestion) > BUTTON_VALUE or not self.may(person, suggestion):
            return ()
        return (Button(text=short(f"Run: {suggestion}", BUTTON), run=suggestion),)

    def _without_root(self, text: str) -> str:
        """Lines are often pasted whole: `/fleet status` means `status`."""
        first, _, rest = text.partition(" ")
        return rest.strip() if first == self._root else text

    def _name(self, line: str) -> str:
        """The command's words for the log; what follows them may be a secret."""
        found = grammar.find(self._commands, self._without_root(grammar.clean(line)))
        return found.command.words if found else ""

    def _group(self, words: str) -> list[AnyCommand]:
        """The commands below a noun: `diag` has `diag ping`, `diag logs`, …"""
        return [each for each in self._commands if each.words.startswith(f"{words.lower()} ")]

    def _help(self, asked: str, person: Person, again: str = "") -> Message:
        """All that the person may do, what is below a noun, or one command in full.

        Raises BadInput for other words; its suggestion begins with `again`.
        """
        found = grammar.find(self._commands, asked)
        if found:
            return Message(template="help/command", data=self._help_for_one(found.command, person))
        group = self._group(asked) if asked and asked.lower() != _EVERYTHING else list(self._commands)
        if asked and not group:
            error = grammar.unknown(self._commands, asked, self._root)
            suggestion = error.suggestion
            if again and suggestion:
                suggestion = again + suggestion.removeprefix(again)
            raise BadInput(str(error), suggestion)
        return Message(template="help/index", data=self._help_for_many(asked, group, person))

    def _help_for_many(self, asked: str, commands: list[AnyCommand], person: Person) -> dict[str, Any]:
        allowed = [each for each in commands if person.role.reaches(each.role)]
        groups: dict[str, list[dict[str, str]]] = {}
        for each in allowed:
            noun, _, verb = each.words.partition(" ")
            line = {
                "usage": grammar.usage(each, self._root),
                "words": each.words,
                "verb": verb,
                "summary": each.summary,
            }
            groups.setdefault(noun, []).append(line)
        return {
            "root": self._root,
            "asked": asked,
            "role": str(person.role),
            "why": person.why,
            "hidden": len(commands) - len(allowed),
            "groups": [{"name": name, "commands": lines} for name, lines in groups.items()],
        }

    def _help_for_one(self, command: AnyCommand, person: Person) -> dict[str, Any]:
        return {
            "root": self._root,
            "words": command.words,
            "usage": grammar.usage(command, self._root),
            "summary": command.summary,
            "doc": command.doc,
            "flags": [
                {
                    "flag": each.flag,
                    "switch": each.kind is Kind.SWITCH,
                    "hint": each.hint,
                    "default": grammar.shown(each.default),
                    "about": each.about,
                }
                for each in command.flags
            ],
            "aliases": [f"{self._root} {alias}" for alias in command.aliases],
            "example": command.example,
            "needs": str(command.role),
            "role": str(person.role),
            "allowed": person.role.reaches(command.role),
        }
