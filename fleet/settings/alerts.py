"""`alerts`: whom they call, when they are quiet, what is grouped."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from fleet.alert import Severity
from fleet.settings.values import Duration, Section, Zone


class Rung(Section):
    """One rung of the escalation ladder: whom an unacknowledged alert calls, and how long after it opened."""

    after: Duration
    mention: str = Field(description="what is written to call them: <@U…>, <!subteam^S…> or <!here>")


def _wall_time(value: object) -> object:
    if isinstance(value, int):  # YAML takes 22:00 for a number of base 60
        raise ValueError('write the time in quotes: "22:00"')
    return value


class QuietHours(Section):
    """A time of day, on the clocks of `zone`, in which alerts up to that severity wait for its end."""

    begin: Annotated[time, BeforeValidator(_wall_time)]
    end: Annotated[time, BeforeValidator(_wall_time)]
    zone: Zone = Field(default="UTC", description="a zone of the time zone database: Europe/Oslo")
    up_to: Severity = Field(default=Severity.WARNING, description="info, warning or critical")


class AlertSettings(Section):
    ladder: tuple[Rung, ...] = Field(
        default=(), description="rungs above the channel itself; copied into an alert when it opens"
    )
    group_above: int = Field(
        default=5, ge=1, description="more devices of one cause at one site than these are one message"
    )
    group_within: Duration = Field(default=timedelta(minutes=10), description="if their alerts open in this time")
    edit_every: Duration = Field(
        default=timedelta(seconds=15), description="a grouped message's numbers are edited at most so often"
    )
    longest_snooze: Duration = Field(default=timedelta(days=7), description="the longest time an alert may be snoozed")
    quiet_hours: tuple[QuietHours, ...] = Field(
        default=(), description="times of day in which alerts of lower severity wait, and call nobody, until their end"
    )
