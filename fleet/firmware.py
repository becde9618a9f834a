"""Firmware: an artefact for each version and model, and what an update of a device goes through.

desired ──> downloading ──> verifying ──> installing ──> rebooting ──> a status with that version on a new boot: done
                 └───────────────┴──────────────┴─────────────┴──> failed, rolled_back: refused, in the device's words
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from fleet.errors import BadInput

_A = TypeVar("_A")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 128

REFUSED = ("failed", "rolled_back")
"""The steps after which a device does not go on by itself."""


def checked(version: str, model: str, url: str, sha256: str, size: int) -> str:
    """The checksum in lower case. Raises BadInput for what no device could fetch and verify."""
    if not 0 < len(version) <= _LONGEST or len(model) > _LONGEST:
        raise BadInput(f"A version has 1 to {_LONGEST} characters, and a model at most as many.")
    if not url.startswith(("https://", "http://")) or len(url) > 2000 or any(each.isspace() for each in url):
        raise BadInput(f"{url[:100]} is no address that a device can fetch. It begins with https:// and has no blanks.")
    if not _SHA256.fullmatch(sha256.lower()):
        raise BadInput(f"{sha256[:70]} is no SHA-256: that is 64 hexadecimal digits, as sha256sum prints it.")
    if size < 1:
        raise BadInput(f"The size is the artefact's length in bytes; {size} is none.")
    return sha256.lower()


def artefact_for(model: str, by_model: Mapping[str, _A]) -> _A | None:
    """The artefact of a version that a device of this model gets: its model's own, or the one for every model."""
    return by_model.get(model) or by_model.get("")


def words(step: str, error: str | None) -> str:
    """A device's refusal as one sentence: `It rolled back: no network on the new version`."""
    said = "It rolled back" if step == "rolled_back" else "It failed"
    return f"{said}: {error}" if error else f"{said}, and did not say why."
