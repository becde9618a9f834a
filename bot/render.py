r"""Messages as Slack shows them. The only module that knows Block Kit and its limits.

A template (`bot/templates/<group>/<message>.j2`) is text alone:

    {{ n | plural("device") }} drifted                     first line: the notification, plain and short
                                                           (it is shown as the body too if nothing follows)
    # Drift at {{ site }}                                  header
    {{ n | plural("device") }} differ. *Oldest* first:     a paragraph: section in mrkdwn; a blank line ends it
    | Target: {{ target | code }}                          consecutive lines of this kind: fields, label and value
    | Seen: {{ seen_at | ago(now) }}
    ---                                                    divider
    ~ {{ by | mention }}, {{ at | when }}                  small print (context)

Markers count only where the template itself begins a line with them (blanks before are fine), never inside a value.

Values: every `{{ value }}` is escaped and becomes one line without control characters, its backticks apostrophes; None
is shown as –, a datetime as `when`. So text from a device can neither break a message nor call anyone. What a device
or a person wrote goes through `code` (short) or `fenced` (long), which also keep `*` and `_` from being formatting.
No macros and no `{% set x %}…{% endset %}`: their output would be escaped twice. Use `{% include %}`.

`{% … %}` stands on a line of its own, which then leaves no line behind; within a line write `{{ a if b else "" }}`,
because the newline after a `%}` is dropped.

    when        moment in the reader's time zone, ISO text or datetime; None is "never"
    ago(now)    "3 min ago", "in 2 h", "never"; `now` must be in the data
    hours       a number of hours: "5.2 h"; None is "never"
    span        seconds or a timedelta: "7 min"
    code        `inline code`
    fenced      a block of lines as they are, for logs and JSON
    table(…)    rows as an aligned block: `rows | table(["Device", "Site"])` for lists,
                `rows | table({"Device": "device_id", "Site": "site"})` for objects; cut to fit one section;
                with `now=now` moments are shown as "3 min ago", otherwise in UTC
    plural      `n | plural("device")` -> "1 device", "1,200 devices"; `plural("query", "queries")`
    join        `ids | map("code") | join(", ")`; the items may be mrkdwn of the filters above
    mention     `U123` -> that person; also `S123`, `C123`, `<!here>` and ready mentions; never for text from devices
    people      a sentence of ours, in which `<@U123>` is that person and nothing else calls anyone
    link        `url | link("Runbook")`; http(s) only
    root        not a filter: the root command, `/fleet`

Anything undefined, and any filter that cannot do its work, raises: a template that fails is a fault, not a message.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.ext import Extension

from fleet.message import Button, Message, Style

BLOCKS, SECTION, HEADER, FIELDS, FIELD, ACTIONS = 50, 3000, 150, 10, 2000, 25
NOTIFICATION, BUTTON, BUTTON_VALUE, CONFIRM = 300, 75, 2000, 300
TABLE_CELL = 40
_RUNS, REPLACES, FORMS = "run:", "replace:", "form:"
"""How action ids begin: the answer of `replace:…` takes the place of the message that the button stands in, and that of
`form:…` is shown in a modal."""

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """`text` is the notification and what screen readers say; `blocks` the message itself."""

    text: str
    blocks: list[Block]


def render(
    message: Message, *, late: timedelta | None = None, moved_from: str | None = None, root: str = "/fleet"
) -> Rendered:
    """The message's template filled in; in small print how `late` it is, and the channel that it could not go to."""
    text = environment().get_template(f"{message.template}.j2").render({"root": root, **message.data})
    return layout(text, message.buttons, late, moved_from)


def layout(
    text: str, buttons: Sequence[Button] = (), late: timedelta | None = None, moved_from: str | None = None
) -> Rendered:
    """The text of a filled template, and what belongs below it, within Slack's limits."""
    first, _, body = text.partition("\n")
    notification = _plain(first)
    if not notification:
        raise ValueError("A template's first line is the notification and must not be empty.")
    actions = list(_actions(buttons))
    tail = [_context(f"delivered {span(late)} late")] if late else []
    if moved_from:
        where = "the conversation where you asked" if moved_from.startswith("D") else mention(moved_from)
        tail.append(_context(f"Muster is not in {where}, so this is told to you alone: invite it there, or ask here."))
    blocks = list(_blocks(body if body.strip() else first))
    kept = cut_to_fit(blocks, BLOCKS - len(actions) - len(tail))
    return Rendered(cut(notification, NOTIFICATION), [*kept, *tail, *actions])


# ---- values ----------------------------------------------------------------------------------------------------------


class Mrkdwn(str):
    """Text that is mrkdwn on purpose: `finalize` leaves it alone. Only the filters below make it."""

    __slots__ = ()


_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_LINE_ENDS = re.compile(r"\r\n?|[\n\v\f\x85\u2028\u2029]")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ue000-\uf8ff]")


def escape(text: str) -> str:
    """`& < >` as entities, so that nothing in the text is a link, a mention or a date."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(text: str) -> str:
    """Line ends as newlines; without escape sequences, control characters, direction marks and lone surrogates."""
    text = _FORBIDDEN.sub("", _LINE_ENDS.sub("\n", _ANSI.sub("", text)))
    return text.encode("utf-8", "replace").decode()


def _line(value: Any) -> str:
    """Any value as one line of harmless characters, not yet escaped."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    return re.sub(r"\s*[\n\t]\s*", " ", _lines(str(value)).replace("`", "'"))


def _finalize(value: Any) -> str:
    if isinstance(value, Mrkdwn):
        return value
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, timedelta):
        return span(value)
    return escape(_line(value))


# ---- filters ---------------------------------------------------------------------------------------------------------


def _moment(value: datetime | str) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment.tzinfo is None:
        raise ValueError(f"{value} has no time zone.")
    return moment.astimezone(UTC)


def when(value: datetime | str | None) -> Mrkdwn:
    if value is None:
        return Mrkdwn("never")
    moment = _moment(value)
    return Mrkdwn(f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{moment:%Y-%m-%d %H:%M} UTC>")


_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def span(value: timedelta | float) -> str:
    """`7 min`, `1.5 h`, `26 h`, `3 d`: the largest unit of which there are at least one, days from two on."""
    seconds = abs(value.total_seconds() if isinstance(value, timedelta) else float(value))
    for name, length in _UNITS:
        least = 2 * length if name == "d" else length
        if seconds >= least:
            count = seconds / length
            return (
                f"{count:.1f}".removesuffix(".0") + f" {name}" if name == "h" and count < 10 else f"{count:.0f} {name}"
            )
    return f"{seconds * 1000:.0f} ms" if seconds else "0 s"


def ago(value: datetime | str | None, now: datetime | str) -> str:
    if value is None:
        return "never"
    passed = _moment(now) - _moment(value)
    if abs(passed) < timedelta(seconds=1):
        return "just now"
    return f"{span(passed)} ago" if passed > timedelta() else f"in {span(passed)}"


def hours(value: float | None) -> str:
    return "never" if value is None else f"{value:,.1f} h"


def code(value: Any, most: int = 200) -> Mrkdwn:
    text = _line(value).strip()
    return Mrkdwn(f"`{escape(_short(text, most))}`" if text else "–")


def fenced(value: Any) -> Mrkdwn:
    text = _lines(str(value)).replace("`", "'").expandtabs(4).strip("\n")
    return Mrkdwn(f"```\n{escape(text) or '–'}\n```")


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def join(values: Iterable[Any], between: str = ", ") -> Mrkdwn:
    return Mrkdwn(escape(between).join(_finalize(value) for value in values))


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
    return Mrkdwn(_PERSON.sub(r"<\1>", escape(_line(sentence))))


def link(url: str, label: str) -> Mrkdwn:
    if not re.fullmatch(r"https?://[^\s<>|]+", url):
        raise ValueError(f"{url!r} is no web address.")
    return Mrkdwn(f"<{escape(url)}|{escape(_line(label).replace('|', '/'))}>")


def table(
    rows: Sequence[Any],
    columns: Mapping[str, str] | Sequence[str],
    now: datetime | str | None = None,
    most: int = SECTION - 100,
    cell: int = TABLE_CELL,
) -> Mrkdwn:
    """Rows under their titles, numbers to the right, as many as fit into `most` characters, each cell into `cell`.

    Moments, also those that are ISO text by now, are shown as `ago` if `now` is given, in UTC otherwise.
    """
    picked = [[row[key] for key in columns.values()] if isinstance(columns, Mapping) else row for row in rows]
    cells = [[_cell(value, now) for value in row] for row in picked]
    if any(len(row) != len(columns) for row in cells):
        raise ValueError(f"A row of the table has not the {len(columns)} columns {', '.join(columns)}.")
    shown = [[_short(text, cell) for text in row] for row in ([*columns], *cells)]
    widths = [max(_width(row[at]) for row in shown) for at in range(len(columns))]
    right = [_are_numbers([row[at] for row in picked]) for at in range(len(columns))]
    lines = [escape("  ".join(map(_padded, row, widths, right)).rstrip()) for row in shown]
    kept: list[str] = []
    size = 0
    for line in lines:
        size += _size(line) + 1
        if size > most - 40:
            kept.append(f"… {plural(len(lines) - len(kept), 'more row')}")
            break
        kept.append(line)
    return Mrkdwn("\n".join(["```", *kept, "```"]))


_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


def _cell(value: Any, now: datetime | str | None) -> str:
    if isinstance(value, datetime) or (isinstance(value, str) and _ISO.fullmatch(value)):
        return ago(value, now) if now is not None else _line(_moment(value))
    return f"{value:,}" if type(value) is int else _line(value).strip()


def _are_numbers(values: Iterable[Any]) -> bool:
    """True for a column of numbers; None may stand between them."""
    kinds = {type(value) for value in values} - {type(None)}
    return bool(kinds) and kinds <= {int, float}


def _padded(cell: str, width: int, right: bool) -> str:
    blanks = " " * (width - _width(cell))
    return f"{blanks}{cell}" if right else f"{cell}{blanks}"


def _width(text: str) -> int:
    """Columns in a fixed-width font: wide characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


# ---- the environment -------------------------------------------------------------------------------------------------

_HEADER, _RULE, _FIELD, _SMALL = "\ue001", "\ue002", "\ue003", "\ue004"
_MARKERS = (
    (re.compile(r"^[ \t]*# ", re.MULTILINE), _HEADER),
    (re.compile(r"^[ \t]*---[ \t]*$", re.MULTILINE), _RULE),
    (re.compile(r"^[ \t]*\| ", re.MULTILINE), _FIELD),
    (re.compile(r"^[ \t]*~ ", re.MULTILINE), _SMALL),
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
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Markers],
    )
    for filter_ in (when, span, ago, hours, code, fenced, plural, join, mention, people, link, table):
        made.filters[filter_.__name__] = filter_
    return made


# ---- text to blocks --------------------------------------------------------------------------------------------------

_ATOM = re.compile(r"<[^<>\n]*>|&(?:amp|lt|gt);|.", re.DOTALL)
_MARKUP = re.compile(
    r"<(?:!date\^[^|<>]*\|(?P<date>[^<>]*)|https?://[^|<>]*\|(?P<label>[^<>]*)|(?P<url>https?://[^|<>]*))>"
)
_PAIRED = re.compile(r"(?<![\w*_~])([*_~])(?=\S)([^\n]+?)(?<=\S)\1(?![\w*_~])")


def _size(text: str) -> int:
    """Length in UTF-16 units, the larger of the two ways in which it may be counted."""
    return len(text) if text.isascii() else len(text) + sum(c > "\uffff" for c in text)


def cut(text: str, most: int) -> str:
    """At most `most` characters of mrkdwn, never ending inside a link, an entity, or (open) inline code."""
    if _size(text) <= most:
        return text
    return f"{next(_wrapped(text, most - 1))}…"


def _wrapped(text: str, most: int) -> Iterator[str]:
    """The text in parts of at most `most`; inline code is closed at the end of one and opened again in the next."""
    if _size(text) < most:
        yield text
        return
    part, size, open_code = "", 0, False
    for atom in _ATOM.findall(text):
        if part and size + _size(atom) > most - 1:
            yield f"{part}`" if open_code else part
            part = "`" if open_code else ""
            size = len(part)
        open_code ^= atom == "`"
        part, size = part + atom, size + _size(atom)
    if part:
        yield part


def _pieces(text: str, most: int = SECTION) -> Iterator[str]:
    """The text in parts that end at line ends where possible; a ``` fence is closed and opened again."""
    part: list[str] = []
    size, open_fence = 0, False
    lines = (piece for line in text.split("\n") for piece in (_wrapped(line, most - 10) if line else ("",)))
    for line in lines:
        if part and size + _size(line) + 1 > most - 4:
            yield "\n".join([*part, "```"] if open_fence else part)
            part = ["```"] if open_fence else []
            size = 4 * len(part)
        open_fence ^= line.count("```") % 2 == 1
        part.append(line)
        size += _size(line) + 1
    yield "\n".join(part)


def _plain(text: str) -> str:
    """Mrkdwn without formatting: links as their labels, dates as their fallback. Mentions and entities stay."""
    text = _MARKUP.sub(lambda found: found["date"] or found["label"] or found["url"] or "", text.strip())
    return re.sub(r"[`\ue001-\ue004]", "", _PAIRED.sub(r"\2", text)).strip()


def _unescaped(text: str) -> str:
    """For plain_text objects, which show `&` as it is and know no markup."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _blocks(body: str) -> Iterator[Block]:
    """Blocks of the rendered text: lines of one kind that stand together make one."""
    for kind, lines in groupby(_kinds(body), key=lambda each: each[0]):
        texts = [text for _, text in lines]
        if kind == _HEADER:
            yield from (_header(text) for text in texts if text.strip())
        elif kind == _RULE:
            yield from ({"type": "divider"} for _ in texts)
        elif kind == _FIELD:
            for at in range(0, len(texts), FIELDS):
                yield {"type": "section", "fields": [_field(text) for text in texts[at : at + FIELDS]]}
        elif kind == _SMALL:
            yield from (_context(piece) for piece in _pieces("\n".join(texts)) if piece.strip())
        elif kind:
            yield from (_section(piece) for piece in _pieces("\n".join(texts)) if piece.strip())


def _kinds(body: str) -> Iterator[tuple[str, str]]:
    """Each line with its marker; a paragraph's lines share a number, blank lines outside a fence have no kind."""
    paragraph, open_fence = 0, False
    for line in body.split("\n"):
        if not open_fence and line[:1] in (_HEADER, _RULE, _FIELD, _SMALL):
            yield line[0], line[1:]
        elif not open_fence and not line.strip():
            paragraph += 1
            yield "", ""
        else:
            open_fence ^= line.count("```") % 2 == 1
            yield f"text {paragraph}", line


def _mrkdwn(text: str) -> dict[str, Any]:
    """Verbatim, because Slack would otherwise link `@here` and `#channel` where a value merely says so."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain_text(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(_unescaped(text), most), "emoji": True}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _header(text: str) -> Block:
    return {"type": "header", "text": _plain_text(_plain(text), HEADER)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _field(line: str) -> dict[str, Any]:
    label, _, value = line.partition(": ")
    return _mrkdwn(cut(f"*{label.strip().removesuffix(':')}*\n{value.strip() or '–'}", FIELD))


def _actions(buttons: Sequence[Button]) -> Iterator[Block]:
    elements = [_button(button, at) for at, button in enumerate(buttons)]
    for at in range(0, len(elements), ACTIONS):
        yield {"type": "actions", "elements": elements[at : at + ACTIONS]}


def _button(button: Button, at: int) -> dict[str, Any]:
    """A button whose value is the line that it runs. A line cut short would be another line, so that raises."""
    if _size(button.run) > BUTTON_VALUE:
        raise ValueError(f"The button {button.text} runs a line of more than {BUTTON_VALUE} characters.")
    made: dict[str, Any] = {
        "type": "button",
        "action_id": f"{FORMS if button.form else REPLACES if button.replaces else _RUNS}{at}",
        "text": {"type": "plain_text", "text": _short(_line(button.text), BUTTON), "emoji": True},
        "value": button.run,
    }
    if button.style is not Style.PLAIN:
        made["style"] = str(button.style)
    if button.confirm:
        made["confirm"] = {
            "title": {"type": "plain_text", "text": "Are you sure?"},
            "text": {"type": "plain_text", "text": _short(_line(button.confirm), CONFIRM)},
            "confirm": {"type": "plain_text", "text": _short(_line(button.text), 30)},
            "deny": {"type": "plain_text", "text": "Cancel"},
        }
    return made


def cut_to_fit(blocks: list[Block], most: int) -> list[Block]:
    """As many blocks as fit, and how many lines were left out."""
    if len(blocks) <= most:
        return blocks
    lost = sum(_line_count(block) for block in blocks[most - 1 :])
    return [*blocks[: most - 1], _context(f"… {plural(lost, 'more line')} not shown")]


def _line_count(block: Block) -> int:
    if "fields" in block:
        return len(block["fields"])
    texts = [block.get("text"), *block.get("elements", [])]
    return sum(text["text"].count("\n") + 1 for text in texts if text)
