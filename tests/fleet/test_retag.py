from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import retag
from fleet.errors import BadInput
from fleet.retag import Rename, TagName, rename
from fleet.selector import Field, Match, Not, Selector, Tag, Term, Value, parse

_names = st.sampled_from(["env", "stage", "role", 'a"b', "x=y", "-x"])
_texts = st.one_of(
    st.sampled_from(["prod", "test", "p*", "New York", 'q"\\', "=", "-"]), st.text(min_size=1, max_size=4)
)
_values = st.builds(Value, _texts) | st.builds(lambda text: Value(text, glob=True), st.sampled_from(["*", "pr*", "*t"]))
_tags = st.builds(Tag, _names, st.lists(_values, max_size=3, unique=True).map(tuple))
_others = st.builds(lambda value: Match(Field.SITE, (value,)), _values)
_terms: st.SearchStrategy[Term] = st.one_of(_tags, _others, st.builds(Not, _tags))
_selectors = st.lists(_terms, max_size=4).map(lambda terms: Selector(tuple(terms)))
_of_tags = st.builds(lambda old, new: Rename(TagName(old), TagName(new)), _names, st.just("newname"))
_of_values = st.builds(lambda tag, old: Rename(TagName(tag, old), TagName(tag, "newvalue")), _names, _texts)


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ("env", "stage", "tag:env", "tag:stage"),
        ("env", "stage", "-tag:env=prod,te* site:env", "-tag:stage=prod,te* site:env"),
        ("env", "stage", "tag:envy=env group:env", "tag:envy=env group:env"),
        ("env=prod", "env=production", "tag:env=test,prod", "tag:env=test,production"),
        ("env=prod", "env=production", "tag:env=production,prod", "tag:env=production"),
        ("env=prod", "env=production", "tag:env tag:role=prod", "tag:env tag:role=prod"),
        ("env=prod", "env=production", 'tag:env="prod" tag:env=p*', "tag:env=production tag:env=p*"),
        ("env=prod", "env=the best", "tag:env=prod", 'tag:env="the best"'),
    ],
)
def test_a_selector_follows_a_renaming(old: str, new: str, before: str, after: str) -> None:
    assert str(retag.renamed(parse(before), rename(old, new))) == after


@given(_selectors, _of_tags | _of_values)
def test_a_renamed_selector_is_read_back_as_itself_and_names_the_old_tag_no_more(before: Selector, how: Rename) -> None:
    after = retag.renamed(before, how)
    assert parse(str(after)) == after
    assert retag.renamed(after, how) == after
    if how.old.value is None:
        assert how.old.name not in {tag.name for tag in retag.tags(after)}


@given(_selectors, _of_tags | _of_values)
def test_a_renaming_to_an_unused_name_can_be_taken_back(before: Selector, how: Rename) -> None:
    assert retag.renamed(retag.renamed(before, how), how.back) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("env", "env", "the same name twice"),
        ("env", "env=prod", "do not go together"),
        ("env=prod", "stage=prod", "Rename the value first"),
        ("env=", "env=x", "env= is no tag"),
        ('e"nv', "env", "is no tag"),
        ("env", "e" * 129, "is no tag"),
        ("env=a", "env=" + "b" * 257, "is no tag"),
    ],
)
def test_what_does_not_go_together_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        rename(old, new)


def test_an_alias_means_the_old_name_and_the_new_one_through_later_renamings() -> None:
    aliases = [rename("env", "stage"), rename("stage=prod", "stage=production"), rename("stage", "env")]
    assert [str(each) for each in retag.meant(Tag("env"), aliases)] == ["tag:env", "tag:stage"]
    prod = [str(each) for each in retag.meant(Tag("env", (Value("prod"),)), aliases)]
    assert prod == ["tag:env=prod", "tag:stage=prod", "tag:stage=production", "tag:env=production"]
    assert [str(each) for each in retag.meant(Tag("stage", (Value("p*d", glob=True),)), aliases[1:2])] == [
        "tag:stage=p*d",
        "tag:stage=production",
    ]
    assert retag.meant(Tag("role"), aliases) == [Tag("role")]


def test_a_pattern_over_values_is_for_a_person_to_look_at() -> None:
    how = rename("env=prod", "env=production")
    assert retag.by_pattern(parse("site:oslo -tag:env=*d"), how)
    assert not retag.by_pattern(parse("tag:env=prod tag:role=*"), how)
    assert not retag.by_pattern(parse("tag:env=*"), rename("env", "stage"))
