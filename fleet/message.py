"""What commands and jobs say, as data. Words live in templates, Block Kit only in the edge that renders this.

A button *is* a command: pressing it runs that line as the person who pressed it, with the same role check as if they
had typed it. So a button can never do what its presser may not.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Style(StrEnum):
    PLAIN = "plain"
    PRIMARY = "primary"
    DANGER = "danger"


class Audience(StrEnum):
    """Who sees the answer of a command: the caller alone, or the whole channel."""

    CALLER = "caller"
    CHANNEL = "channel"


class Button(BaseModel):
    """One button. `run` is a command line without the root, at most 2,000 characters: `alert ack al-01J…`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(max_length=75)
    run: str = Field(max_length=2000)
    style: Style = Style.PLAIN
    confirm: str | None = Field(default=None, max_length=300)


class Message(BaseModel):
    """A template's name (`drift/list` is bot/templates/drift/list.j2), what it needs, and the buttons below it.

    `data` holds JSON values and aware datetimes only, so that a message can wait in the outbox and be rendered by
    another process: there a datetime arrives as ISO 8601 text, and templates show both with the `when` filter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: str
    data: dict[str, Any] = Field(default_factory=dict)
    buttons: tuple[Button, ...] = ()
    audience: Audience = Audience.CALLER
