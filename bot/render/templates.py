"""The language of the templates: Jinja2 with our filters, and markers that say what kind a line is."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.ext import Extension

from bot.render.table import table
from bot.render.values import ago, code, fenced, finalize, hours, join, link, mention, people, plural, span, when

HEADER_LINE, RULE_LINE, FIELD_LINE, SMALL_LINE = "\ue001", "\ue002", "\ue003", "\ue004"
_MARKERS = (
    (re.compile(r"^[ \t]*# ", re.MULTILINE), HEADER_LINE),
    (re.compile(r"^[ \t]*---[ \t]*$", re.MULTILINE), RULE_LINE),
    (re.compile(r"^[ \t]*\| ", re.MULTILINE), FIELD_LINE),
    (re.compile(r"^[ \t]*~ ", re.MULTILINE), SMALL_LINE),
)


class _Markers(Extension):
    """Markers become private characters before a template is compiled. Values lose theirs, so they cannot forge one."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        for pattern, marker in _MARKERS:
            source = pattern.sub(marker, source)
        return source


@cache
def environment() -> Environment:
    """Jinja2 with the filters and markers of this module, over the templates beside it."""
    made = Environment(
        loader=PackageLoader("bot", "templates"),
        autoescape=False,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Markers],
    )
    for filter_ in (when, span, ago, hours, code, fenced, plural, join, mention, people, link, table):
        made.filters[filter_.__name__] = filter_
    return made
