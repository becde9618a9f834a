from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypedDict, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

import commands
from commands import grammar
from commands.spec import AnyCommand, Call, Rest, command
from fleet import selector
from fleet.errors import BadInput
from fleet.message import Message
from fleet.roles import Role
from fleet.selector import Selector

HELLO = Rest("hello")


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@command("status", role=Role.VIEWER, aliases=("st",))
async def status(call: Call) -> Message:
    """The fleet at a glance."""
    return Message(template="problem")


@command("diag ping", role=Role.VIEWER)
async def ping(call: Call, device: str, *, within: float = 30.0) -> Message:
    """Ask one device to answer.

    The device has to be online.
    """
    return Message(template="problem", data={"device": device, "within": within})


@command("diag logs", role=Role.VIEWER)
async def logs(
    call: Call,
    which: Selector,
    *,
    lines: int = 200,
    level: Level | None = None,
    since: timedelta = timedelta(minutes=5),
    color: bool = True,
    all_of_them: bool = False,
) -> Message:
    """Logs of devices."""
    return Message(template="problem")


class Shared(TypedDict, total=False):
    """Flags of several commands."""

    wave: Annotated[str | None, "how many at a time"]
    soak: Annotated[timedelta | None, "how long a wave is watched"]
    at_once: Annotated[bool, "without waiting"]


@command("bulk thing", role=Role.OPERATOR)
async def thing(
    call: Call, which: Selector, *, force: Annotated[bool, "in spite of it"] = False, **shared: Unpack[Shared]
) -> Message:
    """Flags that are described and shared."""
    return Message(template="problem")


@command("config add", role=Role.OPERATOR)
async def add(call: Call, version: str, body: Rest, *, force: bool = False, note: str = "") -> Message:
    """Add a configuration."""
    return Message(template="problem")


@command("alert ack", role=Role.OPERATOR)
async def ack(call: Call, *alerts: str, at: datetime | None = None, day: date | None = None) -> Message:
    """Acknowledge alerts."""
    return Message(template="problem")


@command("set level", role=Role.OPERATOR)
async def set_level(call: Call, level: Level, enabled: bool, retries: int | None = None, *, by_: str) -> Message:
    """Set a level."""
    return Message(template="problem")


@command("drift sweep", role=Role.OPERATOR)
async def sweep(call: Call, which: Selector | None = None, *, only: Selector | None = None) -> Message:
    """Sweep."""
    return Message(template="problem")


@command("say", role=Role.VIEWER)
async def say(call: Call, text: Rest = HELLO) -> Message:
    """Say it."""
    return Message(template="problem")


@command("group save", role=Role.OPERATOR)
async def save(call: Call, name: str, which: Selector, *, why: str = "") -> Message:
    """Save a group."""
    return Message(template="problem")


@command("wait", role=Role.VIEWER, example="wait 5m lunch")
async def wait(call: Call, long: timedelta, why: Rest) -> Message:
    """Wait."""
    return Message(template="problem")


ALL: tuple[AnyCommand, ...] = (status, ping, logs, add, ack, set_level, sweep, say, save, wait)


def bound(line: str) -> tuple[list[Any], dict[str, Any]]:
    found = grammar.find(ALL, grammar.clean(line))
    assert found is not None
    return grammar.bind(found)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("diag ping “dev-1”", 'diag ping "dev-1"'),
        ("diag ping ‘dev-1’", "diag ping 'dev-1'"),
        ("ping dev-1 —within 3 –force", "ping dev-1 --within 3 --force"),
        ("reason broken — replaced, 1–2", "reason broken — replaced, 1–2"),
        ("ping <http://dev-1.local|dev-1.local>", "ping dev-1.local"),
        ("see <https://example.org/a?b=1&amp;c=2>", "see https://example.org/a?b=1&c=2"),
        ("to <mailto:ops@example.org|ops@example.org>", "to ops@example.org"),
        ("in <#C0123|general> by <@U0123|ann> and <@W77> of <!subteam^S1|@ops>", "in C0123 by U0123 and W77 of S1"),
        ("find firmware:&lt;1.4 seen:&gt;5m a&amp;b", "find firmware:<1.4 seen:>5m a&b"),
        ("find firmware:<1.4 seen:>5m", "find firmware:<1.4 seen:>5m"),
        ("a&amp;lt;b &copy;", "a&lt;b &copy;"),
        ("ping\u00a0dev-1\u200b \u2060x\ufeff", "ping dev-1 x"),
        ("ping `dev-1`", "ping dev-1"),
        ("  ping\x07 dev-1 ", "ping dev-1"),
    ],
)
def test_a_line_is_cleaned_of_what_slack_and_keyboards_made_of_it(sent: str, meant: str) -> None:
    assert grammar.clean(sent) == meant


@pytest.mark.parametrize(
    ("line", "args", "kwargs"),
    [
        ("st", [], {}),
        ("diag ping dev-1", ["dev-1"], {"within": 30.0}),
        ("DIAG Ping dev-1 --within 10", ["dev-1"], {"within": 10.0}),
        ("diag ping —within=2.5 dev-1", ["dev-1"], {"within": 2.5}),
        ('diag ping "odd dev"', ["odd dev"], {"within": 30.0}),
        ('diag ping "a \\"b\\""', ['a "b"'], {"within": 30.0}),
        ("diag ping -- --odd", ["--odd"], {"within": 30.0}),
        ("alert ack", [], {"at": None, "day": None}),
        ("alert ack a b c --day 2026-03-19", ["a", "b", "c"], {"at": None, "day": date(2026, 3, 19)}),
        ("alert ack --at 2026-03-19T08:30", [], {"at": datetime(2026, 3, 19, 8, 30, tzinfo=UTC), "day": None}),
        ("alert ack --at 2026-03-19T08:30+02:00", [], {"at": datetime(2026, 3, 19, 6, 30, tzinfo=UTC), "day": None}),
        ("set level Error yes --by ann", [Level.ERROR, True, None], {"by_": "ann"}),
        ("set level error off 3 --by ann", [Level.ERROR, False, 3], {"by_": "ann"}),
        ('config add v2 {"a":  "b c"}', ["v2", '{"a":  "b c"}'], {"force": False, "note": ""}),
        ("config add --force v2 it's --note x", ["v2", "it's --note x"], {"force": True, "note": ""}),
        ('config add v2 --note "why not" {\n "a": 1}', ["v2", '{\n "a": 1}'], {"force": False, "note": "why not"}),
        ('config add v2 5" pipe', ["v2", '5" pipe'], {"force": False, "note": ""}),
        ("say", ["hello"], {}),
        ('say "so" it', ['"so" it'], {}),
        ("drift sweep", [None], {"only": None}),
        ("drift sweep --only site:x", [None], {"only": selector.parse("site:x")}),
        ('drift sweep --only site:"x y"', [None], {"only": selector.parse('site:"x y"')}),
    ],
)
def test_words_are_bound_as_the_signature_says(line: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    assert bound(line) == (args, kwargs)


def test_quotes_of_a_phone_around_a_term_are_left_out() -> None:
    assert bound("diag logs “site:oslo”")[0] == [selector.parse("site:oslo")]


def test_a_selector_takes_all_words_and_flags_stand_anywhere() -> None:
    args, kwargs = bound('diag logs site:"New York" --lines 5 -group:canary firmware:&lt;1.4 --no-color --level error')
    assert args == [selector.parse('site:"New York" -group:canary firmware:<1.4')]
    assert kwargs == {
        "lines": 5,
        "level": Level.ERROR,
        "since": timedelta(minutes=5),
        "color": False,
        "all_of_them": False,
    }


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (status, "/fleet status"),
        (ping, "/fleet diag ping <device> [--within 30]"),
        (
            logs,
            "/fleet diag logs <selector> [--lines 200] [--level error|warning] [--since 5m] [--no-color] "
            "[--all-of-them]",
        ),
        (add, "/fleet config add <version> [--force] [--note <note>] <body…>"),
        (ack, "/fleet alert ack [alerts…] [--at <at>] [--day <day>]"),
        (set_level, "/fleet set level <error|warning> <yes|no> [retries] --by <by>"),
        (sweep, "/fleet drift sweep [selector] [--only <only>]"),
    ],
)
def test_the_usage_line_shows_the_signature(one: AnyCommand, line: str) -> None:
    assert grammar.usage(one) == line


@pytest.mark.parametrize(
    ("line", "said", "suggestion"),
    [
        ("diag ping", "Which device?\nUsage: ", None),
        ("diag ping a b", "b is one word too many: diag ping takes 1 word.", None),
        ("status now", "now is one word too many: status takes no words.", None),
        ("diag ping a --witin 3", "no flag --witin here. Did you mean --within?", "diag ping a --within 3"),
        ("diag ping a --witin=3", "no flag --witin here. Did you mean --within?", "diag ping a --within=3"),
        ("diag ping a -within 3", "Flags begin with two dashes: --within.", "diag ping a --within 3"),
        ("diag ping a --zzz", "There is no flag --zzz here. It can be --within.", None),
        ("status --all", "status takes no flags, so --all is not understood.", "status"),
        ("diag ping a --within", "--within needs a value: a number.", None),
        ("diag ping a --within --x", "--within needs a value: a number.", None),
        ("diag ping a --within soon", "--within cannot be 'soon': it must be a number.", None),
        ("diag ping a --within nan", "--within cannot be 'nan': it must be a number.", None),
        ("diag ping a --within 1 --within 2", "--within stands twice.", None),
        ("diag logs all --lines 1.5", "--lines cannot be '1.5': it must be a whole number.", None),
        ("diag logs all --since later", "it must be a time such as 30s, 5m, 24h or 7d.", None),
        ("diag logs all --since 99999999999999999d", "longer than can be counted", None),
        ("diag logs all --level eror", "one of error, warning. Did you mean error?", None),
        ("diag logs all --no-color=yes", "--no-color is a switch and takes no value.", "diag logs all --no-color"),
        ("diag logs", "Which devices? Name them, or write all for the whole fleet.\nUsage: ", None),
        ("diag logs sit:oslo --lines 3", "Did you mean site:?", "diag logs site:oslo --lines 3"),
        ("diag logs is:online --lines 3 sit:oslo", "Did you mean site:?", "diag logs --lines 3 is:online site:oslo"),
        ("diag logs --lines 3 -- is:online sit:oslo", "Did you mean", "diag logs --lines 3 -- is:online site:oslo"),
        ("group save north sit:oslo", "Did you mean site:?", "group save north site:oslo"),
        ('group save --why "a b" north is:online sit:oslo', "", 'group save --why "a b" north is:online site:oslo'),
        ("drift sweep --only sit:oslo", "Did you mean site:?", None),
        ("set level eror yes --by a", "level cannot be 'eror'", "set level error yes --by a"),
        ("set level error maybe --by a", "enabled cannot be 'maybe': it must be one of yes, no.", None),
        ("set level error yes", "--by is missing: a word.", None),
        ("alert ack --day tomorrow", "it must be a date such as 2026-03-19.", None),
        ("config add", "Which version?", None),
        ("config add v2", "The body is missing: it is the end of the line.", None),
        ("set level", "Which level? It can be error, warning.", None),
        ("wait", "A time such as 30s, 5m, 24h or 7d is missing: <long>.", None),
        ("wait 5m", "Say why: it is the end of the line.\nFor example: /fleet wait 5m lunch\nUsage: ", None),
        ('diag ping "dev-1', 'The quote in "dev-1 is not closed.', None),
        ('diag ping a --within "3', 'The quote in "3 is not closed.', None),
    ],
)
def test_a_mistake_gives_a_sentence_the_usage_and_the_correction(line: str, said: str, suggestion: str | None) -> None:
    with pytest.raises(BadInput) as refused:
        bound(line)
    assert said in str(refused.value)
    assert "\nUsage: /fleet " in str(refused.value)
    assert refused.value.suggestion == suggestion


@pytest.mark.parametrize(
    ("line", "suggestion"),
    [
        ("diag pign dev-1", "diag ping dev-1"),
        ("dig ping dev-1 --within 3", "diag ping dev-1 --within 3"),
        ("ping dev-1", "diag ping dev-1"),
        ("ping diag dev-1", "diag ping dev-1"),
        ("statsu", "status"),
        ("config dev-1", "config add dev-1"),
        ("drift foo", "help drift"),
        ("diagping dev-1", "diag ping dev-1"),
        ("make coffee", None),
    ],
)
def test_an_unknown_command_names_the_nearest_one(line: str, suggestion: str | None) -> None:
    assert grammar.find(ALL, line) is None
    error = grammar.unknown(ALL, line)
    assert error.suggestion == suggestion
    assert "There is no command" in str(error)
    assert ("Did you mean /fleet" in str(error) or "shows what" in str(error)) == (suggestion is not None)


@given(
    st.text(max_size=60) | st.text(alphabet="diag logs-=\"'`<>@|:,x—“\\", max_size=60).map(lambda t: f"diag logs {t}")
)
def test_any_line_is_bound_or_refused(line: str) -> None:
    text = grammar.clean(line)
    found = grammar.find(ALL, text)
    if found is None:
        assert str(grammar.unknown(ALL, text))
        return
    try:
        grammar.bind(found)
    except BadInput as refused:
        said = str(refused)
    else:
        said = "\nUsage: "
    assert "\nUsage: " in said


@pytest.mark.parametrize("each", commands.ALL, ids=lambda each: each.words)
def test_the_example_of_every_command_can_be_read(each: AnyCommand) -> None:
    found = grammar.find(commands.ALL, grammar.clean(each.example or each.words))
    assert found is not None
    assert found.command is each
    if each.example:
        grammar.bind(found)


def test_shared_flags_are_flags_like_others_and_each_says_what_it_is_for() -> None:
    assert [(each.flag, each.about) for each in thing.flags] == [
        ("--force", "in spite of it"),
        ("--wave", "how many at a time"),
        ("--soak", "how long a wave is watched"),
        ("--at-once", "without waiting"),
    ]
    found = grammar.find([thing], "bulk thing all --soak 5m")
    assert found is not None
    _, named = grammar.bind(found)
    assert named == {"force": False, "wave": None, "soak": timedelta(minutes=5), "at_once": False}


def test_a_command_can_be_called_without_grammar() -> None:
    assert ping.summary == "Ask one device to answer."
    assert ping.doc == "The device has to be online."
    assert ping.role is Role.VIEWER


def test_flags_that_several_commands_share_are_bound_like_their_own() -> None:
    found = grammar.find(commands.ALL, "bulk config 2026.2.0 site:oslo --canary group:canary --soak 10m --stagger 5s")
    assert found is not None
    _, flags = grammar.bind(found)
    assert (flags["canary"], flags["soak"], flags["stagger"]) == (
        "group:canary",
        timedelta(minutes=10),
        timedelta(seconds=5),
    )
    assert (flags["wave"], flags["at"]) == (None, None)


async def _unconvertible(call: Call, what: dict[str, str]) -> Message:
    """Never made."""
    return Message(template="problem")


async def _not_last(call: Call, which: Selector, then: str) -> Message:
    """Never made."""
    return Message(template="problem")


async def _rest_as_flag(call: Call, *, why: Rest) -> Message:
    """Never made."""
    return Message(template="problem")


async def _no_default(call: Call, *, force: bool) -> Message:
    """Never made."""
    return Message(template="problem")


async def _undocumented(call: Call) -> Message:
    return Message(template="problem")


async def _no_call(device: str) -> Message:
    """Never made."""
    return Message(template="problem")


async def _anything(call: Call, **more: str) -> Message:
    """Never made."""
    return Message(template="problem")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_unconvertible, "Nobody can convert what"),
        (_not_last, "which of the command x takes all words that are left, so it must be last"),
        (_rest_as_flag, "Nobody can convert why"),
        (_no_default, "The switch force of the command x needs a default"),
        (_undocumented, "needs a docstring"),
        (_no_call, "must be annotated Call"),
        (_anything, "Nobody can convert more"),
    ],
)
def test_a_signature_that_is_no_grammar_is_refused_at_import(function: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        command("x", role=Role.VIEWER)(function)


@pytest.mark.parametrize(
    ("plural", "words"),
    [("alerts", "alert list"), ("campaigns", "bulk list"), ("approvals", "approve list"), ("devices all", "find")],
)
def test_a_noun_in_the_plural_is_its_list(plural: str, words: str) -> None:
    found = grammar.find(commands.ALL, plural)
    assert found is not None
    assert found.command.words == words
    grammar.bind(found)
