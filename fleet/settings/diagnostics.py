"""`diagnostics`: how long answers are waited for, and how much is asked at a time."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from fleet import redaction
from fleet.settings.values import Duration, Section


class DiagnosticsSettings(Section):
    chunk_timeout: Duration = Field(
        default=timedelta(seconds=30), description="how long an answer, and each further chunk of it, is waited for"
    )
    expires_after: Duration = Field(
        default=timedelta(minutes=5),
        description="a device answers a request not later than this, and an incomplete log may be completed until then",
    )
    return_within: Duration = Field(
        default=timedelta(hours=24), description="how long *Ask when it comes back* waits for the device"
    )
    log_lines: int = Field(default=200, ge=1, le=10_000, description="lines that are asked for without --lines")
    inline_lines: int = Field(default=25, ge=1, le=200, description="a longer log is sent as a file into the thread")
    pings_shown: int = Field(default=20, ge=2, le=1000, description="last pings of a device that p50 and p95 are of")
    kept: Duration = Field(default=timedelta(days=30), description="how long requests and their results are kept")
    fan_out_most: int = Field(default=10_000, ge=1, description="the most devices that one request may go to")
    fan_out_running: int = Field(default=3, ge=1, le=100, description="requests to many devices under way at a time")
    fan_out_per_second: int = Field(default=250, ge=1, le=10_000, description="devices asked a second by each of them")
    fan_out_edit_every: Duration = Field(
        default=timedelta(seconds=5), description="the progress of one is shown at most so often"
    )
    redact: tuple[str, ...] = Field(
        default_factory=lambda: redaction.DEFAULTS,
        description="regular expressions of secrets in logs; the group `secret` is masked, or else the whole match",
    )

    @field_validator("redact")
    @classmethod
    def _patterns_are_readable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            redaction.compiled(pattern)
        return patterns
