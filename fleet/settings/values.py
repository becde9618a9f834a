"""What sections are made of: the base of them all, durations, time zones, and secrets of webhooks."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr

from fleet.durations import duration

Duration = Annotated[timedelta, BeforeValidator(duration)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def webhook_secret(value: object) -> object:
    """A secret as Standard Webhooks write it: `whsec_` and 24 bytes or more in base64."""
    if isinstance(value, str):
        try:
            key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if not value.startswith("whsec_") or len(key) < 24:
            raise ValueError("must be whsec_ and at least 24 bytes in base64: echo whsec_$(openssl rand -base64 32)")
    return value


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"there is no time zone called {name}; write it as Europe/Oslo or UTC") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]
"""The name of a time zone, as the time zone database has it."""


WebhookSecret = Annotated[SecretStr, BeforeValidator(webhook_secret)]
