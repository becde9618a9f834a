"""From a line as Slack sends it to the arguments of a function.

    line --clean--> text --tokens--> words --find--> Command --bind--> (args, kwargs)

Every mistake is a BadInput: a sentence, the usage line, and the whole corrected line where there is an obvious one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from commands.line import QUOTED, Token, clean, inside, tokens
from commands.spec import AnyCommand, Kind, Parameter
from commands.usage import asked_for, shown, usage
from fleet.errors import BadInput

__all__ = ["Found", "Token", "bind", "clean", "find", "shown", "tokens", "unknown", "usage"]


@dataclass(frozen=True, slots=True)
class Found:
    """A command and the words behind its name."""

    command: AnyCommand
    line: str
    rest: tuple[Token, ...]


def find(commands: Iterable[AnyCommand], line: str) -> Found | None:
    """The command whose name is the longest beginning of the cleaned line, or None."""
    words = tokens(line)
    names = {tuple(name.split()): each for each in commands for name in (each.words, *each.aliases)}
    for count in range(min(len(words), max(map(len, names), default=0)), 0, -1):
        if command := names.get(tuple(word.text.lower() for word in words[:count])):
            return Found(command, line, tuple(words[count:]))
    return None


def unknown(commands: Sequence[AnyCommand], line: str, root: str = "/fleet") -> BadInput:
    """No command is called that: the sentence, with the nearest one."""
    words = tokens(line)
    said = " ".join(word.raw for word in words[:2])[:60]
    near = _nearest(commands, [word.text.lower() for word in words])
    if near is None and words and any(each.words.startswith(f"{words[0].text.lower()} ") for each in commands):
        noun = words[0].text.lower()
        return BadInput(f"There is no command {said}. {root} help {noun} shows what {noun} can do.", f"help {noun}")
    if near is None:
        return BadInput(f"There is no command {said}. {root} help lists all of them.")
    name, count = near
    suggestion = f"{name} {line[words[count - 1].end :].strip()}".strip()
    return BadInput(f"There is no command {said}. Did you mean {root} {name}?", suggestion)


def _nearest(commands: Iterable[AnyCommand], words: list[str]) -> tuple[str, int] | None:
    """The name most like the first words, and how many of them it stands for."""
    best: tuple[float, str, int] = (0.0, "", 0)
    for each in commands:
        name = each.words.split()
        for count in range(1, min(len(words), len(name)) + 1):
            said = " ".join(words[:count])
            if count > 1 and any(max(_likeness(word, part) for part in name) < 0.5 for word in words[:count]):
                continue  # `device dev-1` lacks a word; dev-1 is none of the name
            ratio = max(_likeness(said, each.words), _likeness(" ".join(sorted(words[:count])), " ".join(sorted(name))))
            if count == 1 and len(name) > 1:  # `ping dev-1` for `diag ping dev-1`
                ratio = max(ratio, _likeness(said, name[-1]) - 0.05)
            best = max(best, (ratio, each.words, count))
    return best[1:] if best[0] >= 0.7 else None


def _likeness(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a, b).ratio()


def bind(found: Found, root: str = "/fleet") -> tuple[list[Any], dict[str, Any]]:
    """The arguments behind `call`, positional and by name. Raises BadInput."""
    try:
        return _Binding(found, root).arguments()
    except BadInput as error:
        text = f"{error}\nUsage: {usage(found.command, root)}"
        raise BadInput(text, error.suggestion) from None


class _Binding:
    """One walk along the words behind a command's name."""

    def __init__(self, found: Found, root: str) -> None:
        self.found = found
        self.root = root
        self.command = found.command
        self.flags = {each.flag: each for each in self.command.flags}
        self.named: dict[str, Any] = {}
        self.plain: list[Token] = []
        self.raw_from: int | None = None

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        self._sort_words()
        args: list[Any] = []
        left = list(self.plain)
        for each in self.command.positional:
            args += self._positional(each, left)
        if left:
            raise BadInput(f"{left[0].raw} is one word too many: {self.command.words} takes {self._takes()}.")
        for flag in self.command.flags:
            if flag.name not in self.named and flag.required:
                raise BadInput(f"{flag.flag} is missing: {self._wanted(flag)}.")
        return args, {each.name: self.named.get(each.name, each.default) for each in self.command.flags}

    def _sort_words(self) -> None:
        """Flags to `named`, the others to `plain`, and where the raw rest begins, if the command takes one."""
        rest = [each for each in self.command.positional if each.kind is Kind.REST]
        words_before_rest = len(self.command.positional) - 1 if rest else None
        left, only_words = list(self.found.rest), False
        while left:
            token = left.pop(0)
            if token.raw == "--" and not only_words:
                only_words = True
            elif not only_words and self._is_flag(token):
                self._flag(token, left)
            elif len(self.plain) == words_before_rest:
                self.raw_from = token.start
                return
            else:
                self._refuse_an_open_quote(token)
                self.plain.append(token)

    def _is_flag(self, token: Token) -> bool:
        """Also `-force` for `--force`, where a single dash cannot begin a negated term."""
        if token.raw.startswith("--"):
            return True
        selects = any(each.kind is Kind.SELECTOR for each in self.command.positional)
        if token.raw.startswith("-") and not selects and f"-{token.raw.partition('=')[0]}" in self.flags:
            raise BadInput(f"Flags begin with two dashes: -{token.raw}.", self._with(token, f"-{token.raw}"))
        return False

    def _flag(self, token: Token, left: list[Token]) -> None:
        self._refuse_an_open_quote(token)
        name, equals, value = token.text.partition("=")
        flag = self.flags.get(name.lower())
        if flag is None:
            raise self._no_such_flag(token, name)
        if flag.name in self.named:
            raise BadInput(f"{flag.flag} stands twice. Leave one of them out.")
        if flag.kind is Kind.SWITCH:
            if equals:
                raise BadInput(f"{flag.flag} is a switch and takes no value.", self._with(token, flag.flag))
            self.named[flag.name] = not flag.default
            return
        if not equals:
            if not left or left[0].raw.startswith("--"):
                raise BadInput(f"{flag.flag} needs a value: {self._wanted(flag)}.")
            self._refuse_an_open_quote(left[0])
            raw = left.pop(0)
            value = raw.raw if flag.hint == "selector" else raw.text
        self.named[flag.name] = self._convert(flag, value, flag.flag)

    def _no_such_flag(self, token: Token, name: str) -> BadInput:
        if not self.flags:
            return BadInput(f"{self.command.words} takes no flags, so {name} is not understood.", self._with(token, ""))
        near = difflib.get_close_matches(name.lower(), self.flags, n=1)
        if not near:
            return BadInput(f"There is no flag {name} here. It can be {', '.join(self.flags)}.")
        better = self._with(token, token.raw.replace(name, near[0], 1))
        return BadInput(f"There is no flag {name} here. Did you mean {near[0]}?", better)

    def _positional(self, parameter: Parameter, left: list[Token]) -> list[Any]:
        """What this parameter takes from the words that are left."""
        if parameter.kind is Kind.WORDS:
            taken, left[:] = list(left), []
            return [self._convert(parameter, token.text, parameter.word, token) for token in taken]
        if parameter.kind is Kind.REST and self.raw_from is not None:
            return [_without_its_quotes(self.found.line[self.raw_from :])]
        if parameter.kind is Kind.SELECTOR and left:
            taken, left[:] = list(left), []
            return [self._selector(parameter, taken)]
        if left and parameter.kind is Kind.WORD:
            token = left.pop(0)
            return [self._convert(parameter, token.text, parameter.word, token)]
        if parameter.required:
            example = self.command.example
            line = f"\nFor example: {self.root} {example}" if example else ""
            raise BadInput(f"{asked_for(parameter)}{line}")
        return [parameter.default]

    def _selector(self, parameter: Parameter, taken: list[Token]) -> Any:
        text = " ".join(token.raw for token in taken)
        try:
            return parameter.convert(text)
        except BadInput as error:
            if error.suggestion is None:
                raise
            # In the place of its last word, so that what stood before it, and a bare `--`, still stands before it.
            places = {id(token): "" for token in taken[:-1]} | {id(taken[-1]): error.suggestion}
            words = [places.get(id(token), token.raw) for token in self.found.rest]
            raise BadInput(str(error), " ".join([self.command.words, *filter(None, words)])) from None

    def _convert(self, parameter: Parameter, text: str, shown: str, token: Token | None = None) -> Any:
        try:
            return parameter.convert(text)
        except BadInput as error:
            raise BadInput(str(error)) from None
        except ValueError:
            choices = parameter.hint.split("|") if "|" in parameter.hint else []
            near = difflib.get_close_matches(text.lower(), choices, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            better = self._with(token, near[0]) if near and token else None
            wanted = self._wanted(parameter)
            raise BadInput(f"{shown} cannot be {text[:60]!r}: it must be {wanted}.{meant}", better) from None

    def _wanted(self, parameter: Parameter) -> str:
        if "|" in parameter.hint:
            return f"one of {', '.join(parameter.hint.split('|'))}"
        return (
            f"a {parameter.hint}" if parameter.hint not in ("", "text") else "some text" if parameter.hint else "a word"
        )

    def _takes(self) -> str:
        count = len(self.command.positional)
        return "no words" if not count else "1 word" if count == 1 else f"{count} words"

    def _refuse_an_open_quote(self, token: Token) -> None:
        if QUOTED.sub("", token.raw).count('"'):
            raise BadInput(f'The quote in {token.raw[:40]} is not closed. Add the missing " at its end.')

    def _with(self, token: Token, better: str) -> str:
        """The whole line with that word replaced."""
        words = [better if each is token else each.raw for each in self.found.rest]
        return " ".join([self.command.words, *(word for word in words if word)])


def _without_its_quotes(rest: str) -> str:
    """The raw rest of a line; one that is a single quoted word, as forms write it, is the text inside."""
    whole = QUOTED.fullmatch(rest)
    return inside(whole) if whole else rest
