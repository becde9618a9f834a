"""`config` and `drift`: configurations, and what is done where a device does not have its own."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from fleet.settings.values import Duration, Section


class ConfigSettings(Section):
    assign_limit: int = Field(default=10, ge=1, description="most devices that one `config assign` may change")
    max_bytes: int = Field(default=65536, ge=64, description="largest configuration, as canonical JSON")


class DriftSettings(Section):
    sweep_every: Duration = Field(default=timedelta(hours=1), description="how often drifted devices are looked for")
    sweep_limit: int = Field(default=2000, ge=1, le=50_000, description="devices taken up in one transaction")
    online_within: Duration = Field(default=timedelta(minutes=5), description="heard within this: online")
    ack_timeout: Duration = Field(default=timedelta(minutes=5), description="how long an ack of a push is waited for")
    retries: int = Field(default=3, ge=0, le=20, description="pushes after the first one")
    escalate_after: Duration = Field(default=timedelta(hours=24), description="still drifted: people are called")
    fresh_round_every: Duration = Field(
        default=timedelta(hours=1), description="an unresponsive device that is heard again is pushed at most so often"
    )
    location_after: int = Field(default=3, ge=1, le=1000, description="statuses in a row from a wrong site: an alert")
    unknown_after: Duration = Field(
        default=timedelta(minutes=30), description="still reports a version that nobody knows: an alert"
    )
    flapping_cases: int = Field(default=3, ge=2, le=1000, description="drift cases of one device: it flaps")
    flapping_within: Duration = Field(
        default=timedelta(hours=24), description="if they were found in this time; it is over as long after the last"
    )
