from __future__ import annotations

import itertools
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import selector
from fleet.errors import BadInput
from fleet.lifecycle import DeviceStatus
from fleet.selector import (
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
    parse,
)
from fleet.version import version_key


def ids(*texts: str) -> Match:
    return Match(Field.ID, tuple(Value(text, "*" in text) for text in texts))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("all", ()),
        (" ALL ", ()),
        ("dev-1", (ids("dev-1"),)),
        ("dev-1 dev-2 dev-*", (ids("dev-1", "dev-2", "dev-*"),)),
        ("dev-1,dev-2, dev-1", (ids("dev-1", "dev-2"),)),
        ("aa:bb:cc:dd:ee:ff", (ids("aa:bb:cc:dd:ee:ff"),)),
        ("site:oslo,bergen", (Match(Field.SITE, (Value("oslo"), Value("bergen"))),)),
        ('site:"New York"', (Match(Field.SITE, (Value("New York"),)),)),
        ('site:"a \\"b\\" \\\\ *"', (Match(Field.SITE, (Value('a "b" \\ *'),)),)),
        ("Model:gw*", (Match(Field.MODEL, (Value("gw*", glob=True),)),)),
        ('reported:""', (Match(Field.REPORTED, (Value(""),)),)),
        ("target:2026.1", (Match(Field.TARGET, (Value("2026.1"),)),)),
        ("group:canary dev-1", (Match(Field.GROUP, (Value("canary"),)), ids("dev-1"))),
        ("dev-1 group:canary dev-2", (ids("dev-1", "dev-2"), Match(Field.GROUP, (Value("canary"),)))),
        ("-group:canary", (Not(Match(Field.GROUP, (Value("canary"),))),)),
        ("-dev-1 -dev-2", (Not(ids("dev-1")), Not(ids("dev-2")))),
        ("status:active,Suspended", (Status((DeviceStatus.ACTIVE, DeviceStatus.SUSPENDED)),)),
        ("firmware:<1.4", (Firmware((VersionTest(Op.LT, "1.4"),)),)),
        ("firmware: >= 1.4", (Firmware((VersionTest(Op.GE, "1.4"),)),)),
        ("firmware:=1.4,2.*", (Firmware((VersionTest(Op.EQ, "1.4"), VersionTest(Op.EQ, "2.*", glob=True))),)),
        ("tag:env", (Tag("env"),)),
        ("tag:env=prod,test", (Tag("env", (Value("prod"), Value("test"))),)),
        ('tag:env="a=b"', (Tag("env", (Value("a=b"),)),)),
        ("seen:<5m", (Seen(Op.LT, timedelta(minutes=5)),)),
        ("seen:>=24h", (Seen(Op.GT, timedelta(hours=24)),)),
        ("seen:never", (Is(State.UNSEEN),)),
        ("is:online -is:drifted", (Is(State.ONLINE), Not(Is(State.DRIFTED)))),
        ("id:online", (ids("online"),)),
        ('"site:oslo"', (Match(Field.SITE, (Value("oslo"),)),)),
        ('is:online "-site:oslo" ', (Is(State.ONLINE), Not(Match(Field.SITE, (Value("oslo"),))))),
        ('"dev-1" dev-2', (ids("dev-1", "dev-2"),)),
        ('site: "New York"', (Match(Field.SITE, (Value("New York"),)),)),
    ],
)
def test_a_selector_means_its_terms(text: str, terms: tuple[selector.Term, ...]) -> None:
    assert parse(text) == Selector(terms)


@pytest.mark.parametrize(
    ("text", "said", "suggestion"),
    [
        ("", "Write all for the whole fleet", None),
        ("sit:oslo", "sit:oslo is not understood: there is no field sit. Did you mean site:?", "site:oslo"),
        ("is:drifted -sit:oslo", "Did you mean site:?", "is:drifted -site:oslo"),
        ("site=oslo", "Did you mean site:?", "site:oslo"),
        ("colour:red", "there is no field colour. A selector is made of", None),
        ("status:actve x", "Did you mean status:active? It can be manufactured,", "status:active x"),
        ("is:onlin", "Did you mean is:online?", "is:online"),
        ("online", "Did you mean is:online? A device of that name is id:online.", "is:online"),
        ("site:oslo active", "Did you mean status:active?", "site:oslo status:active"),
        ("all dev-1", "all means every device and stands alone", None),
        ("-all", "all means every device and stands alone", None),
        ("site:", "a value is missing after site:", None),
        ("site:oslo,", "a value is missing after site:oslo,", None),
        ("firmware:<", "a value is missing after firmware:<", None),
        ("-", "a value is missing after -", None),
        ("site:oslo,,x", ",x is not understood after site:oslo,", None),
        ('site:"New', 'The quote that begins at "New is not closed', None),
        ('"dev 1"', '"dev 1" is not understood: quotes may stand around a value or one whole term', None),
        ('"site:New York"', "quotes may stand around a value or one whole term", None),
        ('is:online "dev-*"', "quotes may stand around", "is:online dev-*"),
        ('"sit:oslo"', "Did you mean site:?", None),
        ('"site:"', "a value is missing after site:", None),
        ('" "', "quotes may stand around", None),
        ('-"site:oslo"', '"site:oslo" is not understood after -', None),
        ("dev-1 <5", "<5 is not understood: it is neither a field nor a device id", None),
        ("tag:env,owner", ",owner is not understood after tag:env", None),
        ("seen:5m", "Write seen:<5m (heard within 5 minutes)", None),
        ("seen:<soon", "Write seen:<5m", None),
        ("seen:<99999999999999999d", "Write seen:<5m", None),
        ("firmware:<1.*", "* is only understood without <", None),
        ("x" * 129, "neither a field nor a device id", None),
        ("dev-1 " * 4000, "at most 20,000 can be read", None),
    ],
)
def test_a_mistake_says_at_which_word_and_what_is_allowed(text: str, said: str, suggestion: str | None) -> None:
    with pytest.raises(BadInput, match=re.escape(said)) as refused:
        parse(text)
    assert refused.value.suggestion == suggestion


def test_only_a_single_id_is_one_device() -> None:
    assert parse("dev-1").only_id == "dev-1"
    assert selector.one("odd id").only_id == "odd id"
    assert [parse(text).only_id for text in ("all", "dev-*", "dev-1 dev-2", "-dev-1", "site:x", "dev-1 site:x")] == [
        None
    ] * 6


def test_thousands_of_ids_are_read_quickly_and_as_one_term() -> None:
    assert len(parse(" ".join(f"d{n}" for n in range(3000))).terms) == 1


literal = st.builds(Value, st.text(max_size=12))
glob = st.builds(lambda a, b: Value(f"{a}*{b}", glob=True), *[st.from_regex(r"[a-z0-9_.]{0,4}", fullmatch=True)] * 2)
values = st.lists(literal | glob, min_size=1, max_size=3, unique=True).map(tuple)
versions = st.builds(VersionTest, st.sampled_from(Op), st.text(max_size=8)) | glob.map(
    lambda value: VersionTest(Op.EQ, value.text, glob=True)
)
tests = st.one_of(
    st.builds(Match, st.sampled_from(Field), values),
    st.builds(Status, st.lists(st.sampled_from(DeviceStatus), min_size=1, unique=True).map(tuple)),
    st.builds(Firmware, st.lists(versions, min_size=1, max_size=3, unique=True).map(tuple)),
    st.builds(Tag, st.text(max_size=8), st.just(()) | values),
    st.builds(Seen, st.sampled_from([Op.LT, Op.GT]), st.integers(0, 10**10).map(lambda ms: timedelta(milliseconds=ms))),
    st.builds(Is, st.sampled_from(State)),
)


@given(st.builds(Selector, st.lists(tests | st.builds(Not, tests), max_size=5).map(tuple)))
def test_the_text_of_a_selector_is_read_as_the_same_selector(made: Selector) -> None:
    assert parse(str(made)) == made


@given(st.text(max_size=40) | st.text(alphabet='abs:ite",<>=*- 1.d', max_size=40))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        read = parse(text)
    except BadInput as refused:
        said = str(refused)
    else:
        said = "."
        assert parse(str(read)) == read
    assert said.endswith((".", "?"))


def test_versions_sort_as_versions() -> None:
    rising = [
        "nightly", "0", "0.9", "1.4.0-1", "1.4.0-alpha", "1.4.0-alpha.1", "1.4.0-beta", "1.4.0-rc.2", "1.4.0-rc.10",
        "1.4", "1.4b", "1.4.1", "1.9", "1.10", "1.10.0.1", "2.0rc1", "2.0", "10.0", "2026.3.19", "20260319123456789012",
    ]  # fmt: skip
    keys = [version_key(version) for version in rising]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[0-9a-f]+", key) for key in keys)


@pytest.mark.parametrize(
    ("one", "other"), [("1.4", "1.4.0"), ("v1.4", "1.4.0.0"), ("01.04", "1.4"), ("1.4+b7", "1.4"), (" 1.4", "1.4")]
)
def test_versions_written_differently_are_equal(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)


def test_a_version_never_heard_has_an_empty_key() -> None:
    assert version_key("") == version_key("  ") == ""


@given(st.lists(st.lists(st.integers(0, 10**12), min_size=1, max_size=4), min_size=2, max_size=5))
def test_dotted_numbers_sort_by_number(versions: list[list[int]]) -> None:
    def trimmed(parts: list[int]) -> list[int]:
        zeros = sum(1 for _ in itertools.takewhile(lambda part: part == 0, reversed(parts)))
        return parts[: max(1, len(parts) - zeros)]

    by_key = sorted(versions, key=lambda parts: version_key(".".join(map(str, parts))))
    assert [trimmed(parts) for parts in by_key] == sorted(trimmed(parts) for parts in versions)


@given(st.text())
def test_any_text_has_a_key_that_every_collation_orders_alike(text: str) -> None:
    assert re.fullmatch(r"[0-9a-f]*", version_key(text))
