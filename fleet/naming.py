"""Selectors that name devices by their ids, and what is left of one when those devices are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from fleet.selector import Field, Match, Not, Selector, Term


def named(selector: Selector) -> Iterator[str]:
    """The ids that it names literally, be it to leave them out."""
    for term in selector.terms:
        if ids := _ids(term):
            yield from (value.text for value in ids.values if not value.glob)


def without(selector: Selector, gone: Collection[str]) -> Selector | None:
    """The selector without these ids; None if it would mean nobody any more, because it asked for none but them."""
    kept: list[Term] = []
    for term in selector.terms:
        if (ids := _ids(term)) is None:
            kept.append(term)
            continue
        left = replace(ids, values=tuple(each for each in ids.values if each.glob or each.text not in gone))
        if left.values:
            kept.append(Not(left) if isinstance(term, Not) else left)
        elif not isinstance(term, Not):
            return None
    return Selector(tuple(kept))


def _ids(term: Term) -> Match | None:
    inner = term.term if isinstance(term, Not) else term
    return inner if isinstance(inner, Match) and inner.field is Field.ID else None
