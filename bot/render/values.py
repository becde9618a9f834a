"""What a value becomes in a template: one line of harmless text, or the mrkdwn that a filter makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.render.cutting import short


class Mrkdwn(str):
    """Text that is mrkdwn on purpose: `finalize` leaves it alone. Only the filters below make it."""

    __slots__ = ()


_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_LINE_ENDS = re.compile(r"\r\n?|[\n\v\f\x85\u2028\u2029]")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ue000-\uf8ff]")


def escape(text: str) -> str:
    """`& < >` as entities, so that nothing in the text is a link, a mention or a date."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def lines_of(text: str) -> str:
    """Line ends as newlines; without escape sequences, control characters, direction marks and lone surrogates."""
    text = _FORBIDDEN.sub("", _LINE_ENDS.sub("\n", _ANSI.sub("", text)))
    return text.encode("utf-8", "replace").decode()


def line_of(value: Any) -> str:
    """Any value as one line of harmless characters, not yet escaped."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    return re.sub(r"\s*[\n\t]\s*", " ", lines_of(str(value)).replace("`", "'"))


def finalize(value: Any) -> str:
    if isinstance(value, Mrkdwn):
        return value
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, timedelta):
        return span(value)
    return escape(line_of(value))


def moment_of(value: datetime | str) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment.tzinfo is None:
        raise ValueError(f"{value} has no time zone.")
    return moment.astimezone(UTC)


def when(value: datetime | str | None) -> Mrkdwn:
    if value is None:
        return Mrkdwn("never")
    moment = moment_of(value)
    return Mrkdwn(f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{moment:%Y-%m-%d %H:%M} UTC>")


_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def span(value: timedelta | float) -> str:
    """`7 min`, `1.5 h`, `26 h`, `3 d`: the largest unit of which there are at least one, days from two on."""
    seconds = abs(value.total_seconds() if isinstance(value, timedelta) else float(value))
    for name, length in _UNITS:
        least = 2 * length if name == "d" else length
        if seconds >= least:
            count = seconds / length
            digits = f"{count:.1f}".removesuffix(".0") if name == "h" and count < 10 else f"{count:.0f}"
            return f"{digits} {name}"
    return f"{seconds * 1000:.0f} ms" if seconds else "0 s"


def ago(value: datetime | str | None, now: datetime | str) -> str:
    if value is None:
        return "never"
    passed = moment_of(now) - moment_of(value)
    if abs(passed) < timedelta(seconds=1):
        return "just now"
    return f"{span(passed)} ago" if passed > timedelta() else f"in {span(passed)}"


def hours(value: float | None) -> str:
    return "never" if value is None else f"{value:,.1f} h"


def code(value: Any, most: int = 200) -> Mrkdwn:
    text = line_of(value).strip()
    return Mrkdwn(f"`{escape(short(text, most))}`" if text else "–")


def fenced(value: Any) -> Mrkdwn:
    text = lines_of(str(value)).replace("`", "'").expandtabs(4).strip("\n")
    return Mrkdwn(f"```\n{escape(text) or '–'}\n```")


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def join(values: Iterable[Any], between: str = ", ") -> Mrkdwn:
    return Mrkdwn(escape(between).join(finalize(value) for value in values))


_MENTION = re.compile(r"<(?:@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|#C[A-Z0-9]+|!(?:here|channel|everyone))>")
_MENTIONED = ((r"[UW][A-Z0-9]{2,}", "<@{}>"), (r"S[A-Z0-9]{2,}", "<!subteam^{}>"), (r"C[A-Z0-9]{2,}", "<#{}>"))


def mention(value: str) -> str:
    if _MENTION.fullmatch(value):
        return Mrkdwn(value)
    for pattern, form in _MENTIONED:
        if re.fullmatch(pattern, value):
            return Mrkdwn(form.format(value))
    return value


_PERSON = re.compile(r"&lt;(@[UW][A-Z0-9]{2,})&gt;")


def people(sentence: str) -> Mrkdwn:
    return Mrkdwn(_PERSON.sub(r"<\1>", escape(line_of(sentence))))


def link(url: str, label: str) -> Mrkdwn:
    if not re.fullmatch(r"https?://[^\s<>|]+", url):
        raise ValueError(f"{url!r} is no web address.")
    return Mrkdwn(f"<{escape(url)}|{escape(line_of(label).replace('|', '/'))}>")
