r"""Messages as Slack shows them. Nothing else makes Block Kit of text, or knows its limits.

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

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.render.blocks import FORMS, REPLACES, Block, action_rows, blocks_of, context, cut_to_fit, plain
from bot.render.cutting import cut
from bot.render.limits import BLOCKS, NOTIFICATION
from bot.render.templates import environment
from bot.render.values import ago, mention, span
from fleet.message import Button, Message

__all__ = [
    "FORMS",
    "REPLACES",
    "Block",
    "Rendered",
    "ago",
    "cut",
    "cut_to_fit",
    "environment",
    "layout",
    "render",
    "span",
]


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
    notification = plain(first)
    if not notification:
        raise ValueError("A template's first line is the notification and must not be empty.")
    actions = list(action_rows(buttons))
    tail = [context(f"delivered {span(late)} late")] if late else []
    if moved_from:
        where = "the conversation where you asked" if moved_from.startswith("D") else mention(moved_from)
        tail.append(context(f"Muster is not in {where}, so this is told to you alone: invite it there, or ask here."))
    blocks = list(blocks_of(body if body.strip() else first))
    kept = cut_to_fit(blocks, BLOCKS - len(actions) - len(tail))
    return Rendered(cut(notification, NOTIFICATION), [*kept, *tail, *actions])
