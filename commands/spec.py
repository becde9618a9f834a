"""What a command is: a function whose signature is its grammar.

    @command("diag ping", role=Role.VIEWER, example="diag ping dev-1 --within 10")
    async def ping(call: Call, device: str, *, within: float = 30.0) -> Message:
        '''Ask one device to answer, and show how long it took.'''

    positional              one word                       device: str              <device>
    last positional         every word that is left        which: Selector          <selector>
                            the raw rest of the line       reason: Rest             <reason…>
    *names                  every word that is left        *names: str              <names>…
    keyword-only            a flag                         within: float = 30.0     [--within 30]
                            a switch                       force: bool = False      [--force]
    **shared                the flags of a TypedDict       **pace: Unpack[Pace]     [--canary], …
    a default               makes it optional              site: str | None = None  [site]

Annotations that can be converted: str, int, float, bool (yes or no), timedelta (`5m`), date, datetime (UTC when no zone
is given), any StrEnum, Selector, Rest; each also with `| None`. Anything else is a TypeError at import. What a flag is
for stands with it, as a line of help: `Annotated[float, "seconds to wait for the answer"]`.
The docstring's first line is the summary in `help`; the rest of it is the help of the command itself.
"""

from __future__ import annotations

import inspect
import itertools
import types
import typing
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec

from commands.converters import Rest as Rest
from commands.converters import converter
from fleet.message import Message
from fleet.roles import Person, Role
from fleet.selector import Selector
from fleet.settings import Settings

if TYPE_CHECKING:
    from storage.db import Database

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, where and when, and what is needed to answer. `now` is aware UTC.

    `thread_ts` is the thread that was asked in, or the message whose button was pressed: what is said later belongs
    there.
    """

    person: Person
    channel: str
    now: datetime
    db: Database
    settings: Settings
    thread_ts: str | None = None


class Kind(StrEnum):
    """How a parameter takes its words from the line."""

    WORD = "word"
    WORDS = "words"
    SELECTOR = "selector"
    REST = "rest"
    FLAG = "flag"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Parameter:
    """`hint` says what to write: `number`, `5m`, `yes|no`, or empty for any text; `about` what it is for.

    `convert` raises ValueError.
    """

    name: str
    kind: Kind
    convert: Callable[[str], Any]
    hint: str
    required: bool
    default: Any = None
    about: str = ""

    @property
    def word(self) -> str:
        """As people see it: `to_site` -> `to-site`, `from_` -> `from`."""
        return self.name.strip("_").replace("_", "-")

    @property
    def flag(self) -> str:
        """`--within`; a switch that is on by default is written `--no-…`."""
        return f"--no-{self.word}" if self.kind is Kind.SWITCH and self.default else f"--{self.word}"


@dataclass(frozen=True, slots=True)
class Command(Generic[P]):
    """One function that people can type. Calling it calls the function, so tests need no grammar.

    With `fresh_role` the person's user groups are asked of Slack anew, not believed for a while: for what must not be
    done by somebody who was taken out of a group a minute ago.
    """

    words: str
    role: Role
    function: Callable[Concatenate[Call, P], Awaitable[Message]]
    parameters: tuple[Parameter, ...]
    summary: str
    doc: str
    aliases: tuple[str, ...] = ()
    example: str = ""
    fresh_role: bool = False

    def __call__(self, call: Call, *args: P.args, **kwargs: P.kwargs) -> Awaitable[Message]:
        return self.function(call, *args, **kwargs)

    @property
    def positional(self) -> tuple[Parameter, ...]:
        return tuple(each for each in self.parameters if each.kind not in (Kind.FLAG, Kind.SWITCH))

    @property
    def flags(self) -> tuple[Parameter, ...]:
        return tuple(each for each in self.parameters if each.kind in (Kind.FLAG, Kind.SWITCH))


AnyCommand = Command[...]


def command(
    words: str, *, role: Role, aliases: tuple[str, ...] = (), example: str = "", fresh_role: bool = False
) -> Callable[[Callable[Concatenate[Call, P], Awaitable[Message]]], Command[P]]:
    """Make a Command of a function. Raises TypeError at import if the signature cannot be a grammar."""

    def make(function: Callable[Concatenate[Call, P], Awaitable[Message]]) -> Command[P]:
        doc = inspect.getdoc(function)
        if not doc:
            raise TypeError(f"The command {words} needs a docstring: it is the help.")
        summary, _, rest = doc.partition("\n")
        parameters = _parameters(words, function)
        return Command(words, role, function, parameters, summary, rest.strip(), aliases, example, fresh_role)

    return make


def _parameters(words: str, function: Callable[..., Any]) -> tuple[Parameter, ...]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"The command {words} has an annotation that is not importable at run time: {error}.") from None
    first, *others = inspect.signature(function).parameters.values()
    if hints.get(first.name) is not Call:
        raise TypeError(f"The first parameter of the command {words} must be annotated Call.")
    made = tuple(itertools.chain.from_iterable(_read(words, each, hints.get(each.name)) for each in others))
    greedy = (Kind.WORDS, Kind.SELECTOR, Kind.REST)
    positional = [each for each in made if each.kind not in (Kind.FLAG, Kind.SWITCH)]
    for each in positional[:-1]:
        if each.kind in greedy:
            raise TypeError(f"{each.name} of the command {words} takes all words that are left, so it must be last.")
    return made


def _read(words: str, parameter: inspect.Parameter, annotation: Any) -> Iterator[Parameter]:
    """One parameter; or the flags that several commands share: each is optional, and a switch is off by itself."""
    if parameter.kind is inspect.Parameter.VAR_KEYWORD and typing.get_origin(annotation) is typing.Unpack:
        [shared] = typing.get_args(annotation)
        for name, kind in typing.get_type_hints(shared, include_extras=True).items():
            default = False if _told(kind)[0] is bool else None
            yield _parameter(words, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default), kind)
    else:
        yield _parameter(words, parameter, annotation)


def _parameter(words: str, parameter: inspect.Parameter, annotation: Any) -> Parameter:
    annotation, about = _told(annotation)
    plain = _without_none(annotation)
    known = converter(plain)
    flag = parameter.kind is inspect.Parameter.KEYWORD_ONLY
    if known is None or (flag and plain is Rest) or parameter.kind is inspect.Parameter.VAR_KEYWORD:
        raise TypeError(f"Nobody can convert {parameter.name}: {annotation} of the command {words} from words.")
    convert, hint = known
    required = parameter.default is inspect.Parameter.empty
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return Parameter(parameter.name, Kind.WORDS, convert, hint, required=False, default=())
    default = None if required else parameter.default
    if flag and plain is bool:
        if required or default is None:
            raise TypeError(f"The switch {parameter.name} of the command {words} needs a default of True or False.")
        return Parameter(parameter.name, Kind.SWITCH, convert, "", required=False, default=default, about=about)
    kind = Kind.FLAG if flag else {Rest: Kind.REST, Selector: Kind.SELECTOR}.get(plain, Kind.WORD)
    return Parameter(parameter.name, kind, convert, hint, required, default, about)


def _told(annotation: Any) -> tuple[Any, str]:
    """`Annotated[X, "what it is for"]` -> X and the words; anything else as it is, without any."""
    if typing.get_origin(annotation) is typing.Annotated:
        plain, about, *_ = typing.get_args(annotation)
        return plain, str(about)
    return annotation, ""


def _without_none(annotation: Any) -> Any:
    """`X | None` -> X; anything else as it is."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        others = [each for each in typing.get_args(annotation) if each is not types.NoneType]
        if len(others) == 1:
            return others[0]
    return annotation
