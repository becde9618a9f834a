"""In which way a reported configuration differs from the target: it decides the words, never the push."""

from __future__ import annotations

from enum import StrEnum

from fleet.version import version_key


class Mismatch(StrEnum):
    NONE = "none"
    NEVER = "never"
    """Nothing was ever reported."""
    UNKNOWN = "unknown"
    """A version that the registry does not hold: somebody else made it."""
    AHEAD = "ahead"
    """A known version that is newer than the target: somebody else may have configured the device."""
    OTHER = "other"


def mismatch(target: str | None, reported: str, known: bool) -> Mismatch:
    """`known`: the registry holds the reported version. Newer is by `fleet.version.version_key`."""
    if target is None or target == reported:
        return Mismatch.NONE
    if not reported:
        return Mismatch.NEVER
    if not known:
        return Mismatch.UNKNOWN
    return Mismatch.AHEAD if version_key(reported) > version_key(target) else Mismatch.OTHER
