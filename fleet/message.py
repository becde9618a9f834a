"""What commands and jobs say, as data. Words live in templates, Block Kit only in the edge that renders this.

A button *is* a command: pressing it runs that line as the person who pressed it, with the same role check as if they
had typed it. So a button can never do what its presser may not.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SkipValidation

_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_QUOTABLE = re.compile(r"\w[\w .:/,()+#='-]*")


CURLY_QUOTES = "“”„‟«»"
"""What keyboards make of a double quote; reading a line makes it straight again."""

_INSIDE_QUOTES = str.maketrans({**dict.fromkeys(CURLY_QUOTES, '\\"'), '"': '\\"', "\\": "\\\\"})


def quoted(text: str) -> str:
    """Any text as one quoted word of a command line, for what a person wrote into a form."""
    return f'"{text.translate(_INSIDE_QUOTES)}"'


def as_title(text: str) -> str:
    """A text as a title, which templates set in bold: an asterisk inside would end Slack's bold there.

    Slack has no escape for it, so it becomes the operator that looks like one. Selectors in code keep theirs.
    """
    return text.replace("*", "\N{ASTERISK OPERATOR}")


def word(text: str) -> str | None:
    """The text as one word of a command line, quoted where it must be; None if it cannot be trusted to stay one.

    What devices say may end up in a button's line, so only characters that no step of the reading changes are let in.
    """
    if _BARE.fullmatch(text):
        return text
    return f'"{text}"' if _QUOTABLE.fullmatch(text) and text == text.strip() else None


class Style(StrEnum):
    PLAIN = "plain"
    PRIMARY = "primary"
    DANGER = "danger"


class Audience(StrEnum):
    """Who sees the answer of a command: the caller alone, or the whole channel.

    `POSTED`: it went into the outbox, as a message that is edited later; it is not said a second time.
    """

    CALLER = "caller"
    CHANNEL = "channel"
    POSTED = "posted"


class Button(BaseModel):
    """One button. `run` is a command line without the root, at most 2,000 characters: `alert ack al-01J…`.

    With `replaces` the answer takes the place of the message that the button stands in: a page that is turned. With
    `form` its line is answered with a form (`Message.form`): a modal opens at once, and shows it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(max_length=75)
    run: str = Field(max_length=2000)
    style: Style = Style.PLAIN
    confirm: str | None = Field(default=None, max_length=300)
    replaces: bool = False
    form: bool = False


class TextField(BaseModel):
    """One text input. Its value becomes a word of the line, or with `flag` a flag: `--reason "…"`; empty ones neither.

    `least` and `most` are numbers of characters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z-]{0,49}$")
    label: str = Field(max_length=150)
    hint: str = Field(default="", max_length=150)
    flag: bool = False
    optional: bool = False
    several_lines: bool = False
    least: int = Field(default=0, ge=0, le=3000)
    most: int = Field(default=1000, ge=1, le=3000)


class Form(BaseModel):
    """What is asked in a modal. Submitting runs `run` with the values of the fields behind it, as a button does.

    The message that a form comes with is its introduction. A `BadInput` with a `field` is shown at that field, and the
    form stays open; any other answer takes its place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(max_length=24)
    run: str = Field(max_length=2000)
    fields: tuple[TextField, ...] = Field(min_length=1, max_length=10)
    submit: str = Field(default="Submit", max_length=24)

    def line(self, values: Mapping[str, str]) -> str:
        """The command line, given what was written into each field."""
        written = [(each, values.get(each.name, "").strip()) for each in self.fields]
        flags = [f"--{each.name} {quoted(text)}" for each, text in written if text and each.flag]
        words = [quoted(text) for each, text in written if text and not each.flag]
        return " ".join([self.run, *flags, *words])


@dataclass(frozen=True, slots=True)
class File:
    """A table that goes with an answer as a CSV file: whoever shows the answer reads `rows`, once, batch by batch.

    It goes to the asker's direct messages, unless `here`: then to where it was asked for.
    """

    name: str
    columns: tuple[str, ...]
    rows: AsyncIterator[Sequence[Sequence[object]]]
    here: bool = False


class Message(BaseModel):
    """A template's name (`drift/list` is bot/templates/drift/list.j2), what it needs, and the buttons below it.

    `data` holds JSON values and aware datetimes only, so that a message can wait in the outbox and be rendered by
    another process: there a datetime arrives as ISO 8601 text, and templates show both with the `when` filter.
    A `file` does not wait: it goes with the answer of a command, and its template is told of it as `file` (its `name`,
    `rows`, whether it was `cut`, the channel `where` it is). A `form` is asked in a modal, where one can be opened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    template: str
    data: dict[str, Any] = Field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
    audience: Audience = Audience.CALLER
    form: Form | None = None
    file: SkipValidation[File | None] = Field(default=None, exclude=True)

    def knowing(self, more: Mapping[str, Any]) -> Message:
        """The same with more data for its template."""
        return self.model_copy(update={"data": {**self.data, **more}})
