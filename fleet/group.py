"""Groups that are kept as selectors: what they may be called, and that none contains itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fleet.errors import BadInput, Refused
from fleet.selector import Field, Match, Not, Selector, Value

DEEPEST = 5
"""Saved groups within saved groups, at most so deep: each use of one is its whole condition once more."""

_NAME = re.compile(r"\w[\w.:-]{0,127}")


def checked_name(name: str) -> str:
    """The name itself. Raises BadInput for one that a selector could not name plainly."""
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name[:130]} cannot be the name of a group: use letters, digits and . _ : - (at most 128).")
    return name


def named_in(selector: Selector) -> Iterator[Value]:
    """The groups that a selector asks for, negated ones too."""
    for term in selector.terms:
        inner = term.term if isinstance(term, Not) else term
        if isinstance(inner, Match) and inner.field is Field.GROUP:
            yield from inner.values


def refuse_loops(name: str, saved: Mapping[str, Selector]) -> None:
    """Raises Refused if the saved group `name` contains itself, or others deeper than DEEPEST."""
    _descend((name,), saved)


def _descend(path: tuple[str, ...], saved: Mapping[str, Selector]) -> None:
    for inner in saved:
        if not any(value.matches(inner) for value in named_in(saved[path[-1]])):
            continue
        words = " > ".join((*path, inner))
        if inner in path:
            raise Refused(f"The group would contain itself: {words}. Name the devices in another way.")
        if len(path) == DEEPEST:
            raise Refused(f"Groups can be nested {DEEPEST} deep, and these would be deeper: {words}.")
        _descend((*path, inner), saved)
