"""What sections are made of: the base of them all, durations, and secrets of webhooks."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr

_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SHORT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def duration(value: object) -> object:
    """`5m` -> timedelta(minutes=5); anything else is left to pydantic (timedelta, seconds, ISO 8601)."""
    if isinstance(value, str) and (found := _SHORT.fullmatch(value)):
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    return value


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


WebhookSecret = Annotated[SecretStr, BeforeValidator(webhook_secret)]
