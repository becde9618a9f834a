"""`web` and `log`: what Muster serves, and what it says about itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from fleet.settings.values import Duration, Section


class WebSettings(Section):
    enabled: bool = Field(default=False, description="listen at all; needed by slack.mode http")
    listen: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 for every one of the machine")
    port: int = Field(default=8080, ge=0, le=65535, description="0 takes a free one")
    numbers_every: Duration = Field(
        default=timedelta(seconds=15), description="the fleet is counted for /metrics at most so often"
    )


class LogSettings(Section):
    format: Literal["console", "json"] = Field(default="console", description="lines for people, or JSON objects")
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="what is worth a line")
