"""What changed in the settings since the last start: by name, and without the secrets."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from pydantic import SecretStr

from fleet.settings import Settings


def flat(settings: Settings) -> dict[str, str]:
    """Every setting by its name, `drift.ack_timeout`, as text.

    Of a secret only whether it is set; with an `audit.key` also whether it is another one, by a keyed digest.
    """
    key = settings.audit.key.get_secret_value().encode() if settings.audit.key else b""
    return dict(_flat("", settings.model_dump(), key))


def _flat(name: str, value: Any, key: bytes) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for part, each in value.items():
            yield from _flat(f"{name}.{part}".lstrip("."), each, key)
    elif isinstance(value, (list, tuple)):
        yield name, f"{len(value)} of them" if value else "none"
        for at, each in enumerate(value):
            yield from _flat(f"{name}[{at}]", each, key)
    elif isinstance(value, SecretStr):
        yield name, _redacted(name, value.get_secret_value(), key)
    else:
        yield name, "" if value is None else str(value)


def _redacted(name: str, secret: str, key: bytes) -> str:
    if not secret:
        return ""
    return f"secret {hmac.new(key, f'{name} {secret}'.encode(), sha256).hexdigest()[:12]}" if key else "secret"


def digest(values: Mapping[str, str]) -> str:
    """SHA-256 of the values, in hex: the same for equal settings."""
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    """The settings that differ: what each was, and what it is. One that is not there counts as empty."""
    names = sorted({*before, *after})
    return {
        name: [before.get(name, ""), after.get(name, "")]
        for name in names
        if before.get(name, "") != after.get(name, "")
    }
