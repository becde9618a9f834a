"""A line as Slack sends it, cleaned of what keyboards and Slack did to it, and its words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleet.message import CURLY_QUOTES

_LINK = re.compile(r"<(?P<url>(?:https?://|mailto:|tel:)[^<>|\s]+)(?:\|(?P<label>[^<>|]+))?>")
_NAMED = re.compile(r"<(?:#|@|!subteam\^)(?P<id>[A-Z0-9]+)(?:\|[^<>]*)?>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))
_CURLY = str.maketrans({**dict.fromkeys(CURLY_QUOTES, '"'), **dict.fromkeys("‘’‚‛", "'")})
_BLANK = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONG_DASH = re.compile(r"(?<!\S)[—–―](?=\w)")
_CODE = re.compile(r"(?<!\S)`([^`\s]+)`(?!\S)")


def clean(line: str) -> str:
    """What the person typed, before keyboards and Slack improved it.

    Slack turns addresses into `<http://x|x>`, people and channels into `<@U1>` and `<#C1|name>` (kept as ids), and
    `& < >` into entities; keyboards turn `--` into a long dash and quotes into curly ones.
    """
    line = _LINK.sub(lambda found: found["label"] or found["url"], line)
    line = _ENTITY.sub(lambda found: _ENTITIES[found[0]], _NAMED.sub(lambda found: found["id"], line))
    line = _INVISIBLE.sub("", _BLANK.sub(" ", line)).translate(_CURLY)
    return _CODE.sub(r"\1", _LONG_DASH.sub("--", line)).strip()


@dataclass(frozen=True, slots=True)
class Token:
    """A word without its quotes, as it stood (`raw`), and where: from `start` up to `end` of the cleaned line."""

    text: str
    raw: str
    start: int
    end: int


_TOKEN = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|[^\s"])+""", re.DOTALL)
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def tokens(line: str) -> list[Token]:
    """The words of a cleaned line; one that opens a quote and never closes it ends the list, quote and all.

    A double quote keeps blanks together anywhere in a word (`site:"New York"`), and `\\"` inside is a quote itself. An
    apostrophe is a letter. Whether an open quote is a mistake depends on the command: `bind` says so.
    """
    made, at = [], 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        found = _TOKEN.match(line, at)
        end = found.end() if found else at
        if end < len(line) and line[end] == '"':
            end = len(line)
        raw = line[at:end]
        made.append(Token(QUOTED.sub(inside, raw), raw, at, end))
        at = end
    return made


def inside(quoted: re.Match[str]) -> str:
    """What stands between two quotes, its marked quotes as plain ones."""
    return re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
