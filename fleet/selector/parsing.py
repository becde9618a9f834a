"""From what people write to a `Selector`, or to a sentence that says where it stopped being understood."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

from fleet.durations import duration
from fleet.errors import BadInput
from fleet.lifecycle import DeviceStatus
from fleet.selector.terms import (
    Field,
    Firmware,
    Is,
    Match,
    Not,
    Op,
    Seen,
    Selector,
    State,
    Status,
    Tag,
    Value,
    VersionTest,
)

_T = TypeVar("_T")

MOST_CHARACTERS = 20_000
"""A selector longer than this is refused: Slack sends at most 40,000 characters, and ids in a file go by import."""


def parse(text: str) -> Selector:
    """The selector that the text means.

    Raises BadInput saying at which word it stopped being understood and what is allowed there; its `suggestion` is
    the whole selector corrected, when there is an obvious correction.
    """
    if not text.strip():
        raise BadInput("No devices are named. Write all for the whole fleet, or for example site:oslo status:active.")
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"The selector has {len(text):,} characters; at most {MOST_CHARACTERS:,} can be read.")
    if text.strip().lower() == "all":
        return Selector()
    return _joined(_parts(text))


def _parts(text: str) -> list[Any]:
    """Its terms and bare ids, in the order written. Raises BadInput."""
    try:
        return _Build(text).transform(_parser().parse(text))
    except VisitError as error:
        raise error.orig_exc from None
    except UnexpectedInput as error:
        raise _not_understood(text, error) from None


# `-` before a term negates it. The lexer is contextual: `<` begins a comparison only where one may stand. A WORD takes
# whatever no terminal of higher priority takes, so every keyword has a priority.
_GRAMMAR = r"""
    start: term+
    ?term: "-" test  -> negated
         | test
         | QUOTED     -> quoted
    ?test: MATCH value ("," value)*                -> match
         | STATUS value ("," value)*               -> status
         | FIRMWARE comparison ("," comparison)*   -> firmware
         | TAG name [_EQUALS tag_value ("," tag_value)*]     -> tag
         | SEEN OP? WORD                           -> seen
         | IS WORD                                 -> state
         | WORD ("," WORD)*                        -> bare
    comparison: OP? value
    value: WORD | QUOTED
    name: TAG_WORD | QUOTED
    tag_value: TAG_WORD | QUOTED
    MATCH.3: /(?:id|site|model|group|target|reported):/i
    STATUS.3: /status:/i
    FIRMWARE.3: /firmware:/i
    TAG.3: /tag:/i
    SEEN.3: /seen:/i
    IS.3: /is:/i
    OP.2: /<=|>=|<|>|=/
    _EQUALS.2: "="
    QUOTED.2: /"(?:[^"\\]|\\.)*"/s
    WORD: /[^\s",-][^\s",]*/
    TAG_WORD: /[^\s",=]+/
    %ignore /\s+/
"""

_LIKE_A_FIELD = re.compile(r"([A-Za-z_]+)([:=])([^:]*)")
_DEVICE = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:*-]{0,127}")
_FIELDS = (*(str(field) for field in Field), "status", "firmware", "tag", "seen", "is")
_ALLOWED = (
    "A selector is made of device ids (dev-1, dev-*) and of site: model: firmware: status: tag: group: target: "
    "reported: seen: is: id: with a value behind; - in front leaves those devices out."
)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


@dataclass(frozen=True, slots=True)
class _BareIds:
    values: tuple[Value, ...]


@v_args(inline=True)
class _Build(Transformer[Token, list[Any]]):
    """Tree to terms. `text` is the whole selector, for corrections."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def start(self, *terms: Any) -> list[Any]:
        return list(terms)

    def negated(self, test: Any) -> Not:
        return Not(Match(Field.ID, test.values) if isinstance(test, _BareIds) else test)

    def quoted(self, token: Token) -> Any:
        """A whole term in quotes. One with `*` is refused, as quotes switch it off elsewhere."""
        inside = _unquoted(token).strip()
        try:
            parts = _parts(inside) if inside else []
        except BadInput as error:
            raise BadInput(str(error)) from None
        if len(parts) != 1 or "*" in inside:
            better = self._corrected(token, inside) if len(parts) == 1 else None
            text = f"{token[:130]} is not understood: quotes may stand around a value or one whole term. {_ALLOWED}"
            raise BadInput(text, better)
        return parts[0]

    def match(self, name: Token, *values: Value) -> Match:
        return Match(Field(name[:-1].lower()), _once(values))

    def status(self, _: Token, *values: Value) -> Status:
        return Status(_once([DeviceStatus(self._choice(DeviceStatus, "status", value.text)) for value in values]))

    def firmware(self, _: Token, *tests: VersionTest) -> Firmware:
        return Firmware(_once(tests))

    def comparison(self, *parts: Any) -> VersionTest:
        op, value = (Op(parts[0]), parts[1]) if len(parts) == 2 else (Op.EQ, parts[0])
        if op is not Op.EQ and value.glob:
            raise BadInput(f"{op}{value} compares with a pattern: * is only understood without {op}.")
        return VersionTest(op, value.text, value.glob)

    def tag(self, _: Token, name: str, *values: Value) -> Tag:
        return Tag(name, _once(values))

    def seen(self, _: Token, *parts: Token) -> Seen | Is:
        word = str(parts[-1])
        if len(parts) == 1 and word.lower() == "never":
            return Is(State.UNSEEN)
        ago = _duration(word)
        if len(parts) == 1 or parts[0] == "=" or ago is None:
            raise BadInput(
                f"seen:{''.join(parts)} is not understood. Write seen:<5m (heard within 5 minutes), seen:>24h (silent "
                "for longer) or seen:never."
            )
        return Seen(Op(parts[0][0]), ago)

    def state(self, _: Token, word: Token) -> Is:
        return Is(State(self._choice(State, "is", str(word))))

    def bare(self, *words: Token) -> _BareIds:
        for word in words:
            self._refuse_a_mistaken_word(str(word))
        return _BareIds(_once(_value(str(word)) for word in words))

    def value(self, token: Token) -> Value:
        return Value(_unquoted(token)) if token.type == "QUOTED" else _value(str(token))

    tag_value = value

    def name(self, token: Token) -> str:
        return _unquoted(token) if token.type == "QUOTED" else str(token)

    def _choice(self, choices: type[StrEnum], field: str, word: str) -> str:
        if word.lower() in list(choices):
            return word.lower()
        near = difflib.get_close_matches(word.lower(), list(choices), n=1)
        raise BadInput(
            f"{field}:{word} is not understood.{_did_you_mean(near, f'{field}:')} It can be {', '.join(choices)}.",
            self._corrected(f"{field}:{word}", f"{field}:{near[0]}") if near else None,
        )

    def _refuse_a_mistaken_word(self, word: str) -> None:
        """A bare word that is no device id, or more probably something else than one."""
        if found := _LIKE_A_FIELD.fullmatch(word):
            near = difflib.get_close_matches(found[1].lower(), _FIELDS, n=1)
            raise BadInput(
                f"{word} is not understood: there is no field {found[1]}.{_did_you_mean(near, end=':')} {_ALLOWED} "
                f"A device of that very name is written id:{word}.",
                self._corrected(word, f"{near[0]}:{found[3]}") if near and found[3] else None,
            )
        if word.lower() == "all":
            raise BadInput("all means every device and stands alone: leave it out, or leave out the other words.")
        field = "is" if word.lower() in list(State) else "status" if word.lower() in list(DeviceStatus) else None
        if field:
            better = f"{field}:{word.lower()}"
            text = f"{word} alone would be a device id. Did you mean {better}? A device of that name is id:{word}."
            raise BadInput(text, self._corrected(word, better))
        if not _DEVICE.fullmatch(word):
            raise BadInput(f"{word[:130]} is not understood: it is neither a field nor a device id. {_ALLOWED}")

    def _corrected(self, wrong: str, right: str) -> str | None:
        """The whole selector with that word replaced, if the correction can be read now."""
        corrected = re.sub(rf"(?<![^\s,-]){re.escape(wrong)}(?![^\s,])", lambda _: right, self.text.strip(), count=1)
        return corrected if corrected != self.text.strip() else None


def _joined(parts: list[Any]) -> Selector:
    """Bare ids become one term, where the first of them stood."""
    bare = [part for part in parts if isinstance(part, _BareIds)]
    ids = Match(Field.ID, _once(value for part in bare for value in part.values))
    kept = (part for part in parts if not isinstance(part, _BareIds) or part is bare[0])
    return Selector(tuple(ids if isinstance(part, _BareIds) else part for part in kept))


def _not_understood(text: str, error: UnexpectedInput) -> BadInput:
    """Where reading stopped, as a sentence."""
    at = error.pos_in_stream
    if at is None or at < 0 or at >= len(text) or getattr(getattr(error, "token", None), "type", "") == "$END":
        last = text.split()[-1]
        return BadInput(f"The selector ends too early: a value is missing after {last}. {_ALLOWED}")
    rest = text[at:].split()
    word = rest[0] if rest else text[at:]
    if word.startswith('"') and text.count('"', at) % 2:
        return BadInput(f'The quote that begins at {text[at : at + 30]} is not closed. Add the missing " at its end.')
    before = text[:at].split()
    place = f" after {before[-1]}" if before else ""
    return BadInput(f"{word[:130]} is not understood{place}. {_ALLOWED}")


def _did_you_mean(near: list[str], begin: str = "", end: str = "") -> str:
    return f" Did you mean {begin}{near[0]}{end}?" if near else ""


def _once(values: Iterable[_T]) -> tuple[_T, ...]:
    """Each value once, in the order written."""
    return tuple(dict.fromkeys(values))


def _value(word: str) -> Value:
    return Value(word, glob="*" in word)


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)


def _duration(word: str) -> timedelta | None:
    try:
        value = duration(word)
    except ValueError:
        return None
    return value if isinstance(value, timedelta) else None
