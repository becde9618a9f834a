"""Renaming a tag: `env` to `environment`, or one of its values, `env=prod` to `env=production`.

What refers to the old name is a selector, and is renamed as one: parsed, changed, written again (`renamed`). While the
old name is still an alias, a selector that uses it means the new one as well (`meant`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fleet.errors import BadInput
from fleet.selector import Not, Selector, Tag, Term, Value

_NAME = re.compile(r'[^\s",=]{1,128}')
_LONGEST_VALUE = 256


@dataclass(frozen=True, slots=True)
class TagName:
    """A tag, or with `value` one value of it: `env` or `env=prod`."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Rename:
    """Both are tags, or both are values of the same tag."""

    old: TagName
    new: TagName

    @property
    def back(self) -> Rename:
        return Rename(self.new, self.old)

    def __str__(self) -> str:
        return f"{self.old} -> {self.new}"


def tag_name(text: str) -> TagName:
    """`env` or `env=prod`. Raises BadInput."""
    name, equals, value = text.partition("=")
    if not _NAME.fullmatch(name) or (equals and not 0 < len(value) <= _LONGEST_VALUE) or "\x00" in value:
        raise BadInput(
            f"{text[:130]} is no tag. A tag is written env, and one value of it env=prod; the name has at most 128 "
            f"characters and no blank, quote or comma, the value at most {_LONGEST_VALUE}."
        )
    return TagName(name, value if equals else None)


def rename(old: str, new: str) -> Rename:
    """The renaming that the two words mean. Raises BadInput if they do not go together."""
    made = Rename(tag_name(old), tag_name(new))
    if made.old == made.new:
        raise BadInput(f"{old} is the same name twice. Write the old name first and then the new one.")
    if (made.old.value is None) != (made.new.value is None):
        raise BadInput(f"{old} and {new} do not go together: rename env to environment, or env=prod to env=production.")
    if made.old.value is not None and made.old.name != made.new.name:
        raise BadInput(
            f"{old} to {new} would rename a tag and its value at once, which selectors with several values could not "
            f"follow. Rename the value first ({old} to {made.old.name}={made.new.value}), then the tag."
        )
    return made


def renamed(selector: Selector, how: Rename) -> Selector:
    """The selector with the new name wherever it used the old one; the same selector if it did not."""
    return Selector(tuple(_term(term, how) for term in selector.terms))


def by_pattern(selector: Selector, how: Rename) -> bool:
    """Whether it names values of the tag by `*`, which a renamed value may cease to match: for a person to look at."""
    return how.old.value is not None and any(
        value.glob for tag in tags(selector) if tag.name == how.old.name for value in tag.values
    )


def tags(selector: Selector) -> Iterable[Tag]:
    """Every tag that the selector asks for, negated ones too."""
    for term in selector.terms:
        inner = term.term if isinstance(term, Not) else term
        if isinstance(inner, Tag):
            yield inner


def meant(tag: Tag, aliases: Sequence[Rename]) -> list[Tag]:
    """The tag itself, and what it means by renamings whose old names still hold, one after the other."""
    found = [tag]
    for each in found:  # grows while it is walked
        found += [more for alias in aliases if (more := _by_alias(each, alias)) and more not in found]
    return found


def _term(term: Term, how: Rename) -> Term:
    if isinstance(term, Not):
        return replace(term, term=_tag(term.term, how)) if isinstance(term.term, Tag) else term
    return _tag(term, how) if isinstance(term, Tag) else term


def _tag(tag: Tag, how: Rename) -> Tag:
    if tag.name != how.old.name:
        return tag
    if how.old.value is None or how.new.value is None:
        return Tag(how.new.name, tag.values)
    old, new = Value(how.old.value), Value(how.new.value)
    return Tag(tag.name, tuple(dict.fromkeys(new if value == old else value for value in tag.values)))


def _by_alias(tag: Tag, alias: Rename) -> Tag | None:
    if tag.name != alias.old.name:
        return None
    if alias.new.value is None:
        return Tag(alias.new.name, tag.values)
    asked = any(value.matches(alias.old.value or "") for value in tag.values)
    return Tag(tag.name, (Value(alias.new.value),)) if asked else None
