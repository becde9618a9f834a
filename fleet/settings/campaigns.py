"""`campaigns` and `tags`: bulk work, its waves and its patience."""

from __future__ import annotations

from datetime import timedelta

from pydantic import AwareDatetime, Field

from fleet.settings.values import Duration, Section, Zone


class Freeze(Section):
    """A time in which no campaign sends anything new."""

    since: AwareDatetime
    until: AwareDatetime
    why: str = ""


class SiteZone(Section):
    """The time zone of one site."""

    site: str
    timezone: Zone


class CampaignSettings(Section):
    canary: str = Field(default="5", description="devices that go first: a number, a percentage, or a selector")
    wave: str = Field(default="20%", description="devices of each wave after them, of all that are left")
    soak: Duration = Field(default=timedelta(minutes=10), description="how long a wave is watched before the next one")
    max_failed: float = Field(default=0.05, ge=0, le=1, description="part of the tried devices of a wave that may fail")
    canary_max_failed: float = Field(default=0.0, ge=0, le=1, description="the same for the canaries")
    min_sample: int = Field(default=20, ge=1, description="tried devices from which on a gate is looked at in a wave")
    concurrency: int = Field(default=500, ge=1, description="devices of a campaign that are under way at once")
    retries: int = Field(default=1, ge=0, le=20, description="how often a silent device that is online is retried")
    ack_within: Duration = Field(default=timedelta(minutes=5), description="how long an answer is waited for")
    verify_within: Duration = Field(
        default=timedelta(minutes=10), description="how long a device may take to prove what it answered"
    )
    tail: Duration = Field(default=timedelta(days=7), description="how long devices that are offline are waited for")
    look_every: Duration = Field(
        default=timedelta(seconds=15), description="how often a campaign looks whether they came back"
    )
    restart_stagger: Duration = Field(
        default=timedelta(seconds=30), description="between two restarts at one site, from when the first was sent"
    )
    restart_expires: Duration = Field(
        default=timedelta(minutes=2), description="a restart that reaches a device later than this is not obeyed"
    )
    restart_last: str = Field(default="", description="selector of devices that restart after all others: gateways")
    firmware_canary: str = Field(
        default="group:canary", description="selector of devices that get firmware first, if any of them is meant"
    )
    firmware_within: Duration = Field(
        default=timedelta(hours=1), description="how long a device may take to report its new firmware on a new boot"
    )
    rotation_over: Duration = Field(default=timedelta(days=30), description="how long a rotation of certificates takes")
    rotation_per_minute: int = Field(
        default=60, ge=1, description="devices that are asked for, and so reconnect with, a new certificate in a minute"
    )
    rotation_within: Duration = Field(
        default=timedelta(hours=1), description="how long a device may take until its new certificate is in use"
    )
    decommission_within: Duration = Field(
        default=timedelta(days=7), description="how long the export of a device that is to go may be waited for"
    )
    draft_expires: Duration = Field(default=timedelta(hours=1), description="a plan nobody asks approval for ends then")
    pause_expires: Duration = Field(default=timedelta(days=7), description="a pause nobody ends is an abort after this")
    edit_every: Duration = Field(
        default=timedelta(seconds=10), description="a campaign's message is edited at most so often"
    )
    timezone: Zone = Field(default="UTC", description="time zone of the sites not named below, for --window")
    site_timezones: tuple[SiteZone, ...] = Field(default=(), description="time zones of single sites: site, timezone")
    freezes: tuple[Freeze, ...] = Field(
        default=(), description="times in which no campaign sends anything new: since, until, why"
    )
    rehearse_limit: int = Field(default=20_000, ge=1, description="most devices that a rehearsal plays through")


class TagSettings(Section):
    alias_for: Duration = Field(
        default=timedelta(days=30),
        description="so long after `bulk retag` the old name still holds in selectors, and it can be undone",
    )
