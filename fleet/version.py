"""Firmware versions as text that sorts: a database column compares them without knowing what a version is."""

from __future__ import annotations

import re

_BEFORE, _PLAIN, _AFTER, _NUMBER = "1", "2", "3", "4"
"""What may follow a number, in order: `1.4-rc1` < `1.4` < `1.4b` < `1.4.1`."""

_EARLY = frozenset({"alpha", "beta", "rc", "pre", "preview", "dev", "snapshot"})
_VERSION = re.compile(r"[vV]?(?P<release>[0-9]+(?:\.[0-9]+)*)(?P<rest>[^+]*)(?:\+.*)?", re.DOTALL)
_RUNS = re.compile(r"[0-9]+|[^0-9._\-\s]+")
_LONGEST = 64
"""Characters of a version that count; what a device sends beyond them is noise, and the column stays short."""


def version_key(text: str) -> str:
    """Text that orders as the version does, made of 0-9 and a-f alone, so that every collation agrees.

    `1.9` < `1.10`; `1.4` = `1.4.0` = `v1.4`; a part after `-`, or a glued `rc`, `beta`, … comes before the release;
    other glued letters (`1.0.2k`) come after it; build data after `+` does not count. Text that does not begin with a
    number sorts before all that do. The key of the empty text (never heard) is empty: no comparison should match it.
    """
    text = text.strip()[:_LONGEST]
    if not text:
        return ""
    found = _VERSION.fullmatch(text)
    if found is None:
        return "0" + text.encode("utf-8", "replace").hex()
    release = [part.lstrip("0") for part in found["release"].split(".")]
    while len(release) > 1 and not release[-1]:
        release.pop()
    key = "".join(_NUMBER + _number(part) for part in release)
    runs = _RUNS.findall(found["rest"])
    if not runs:
        return key + _PLAIN
    early = found["rest"].lstrip().startswith("-") or runs[0].lower() in _EARLY
    return key + (_BEFORE if early else _AFTER) + "".join(_run(run) for run in runs) + "0"


def _number(digits: str) -> str:
    """The digits with their count in front, so that longer numbers sort later."""
    return f"{len(digits):02d}{digits}"


def _run(run: str) -> str:
    """One piece behind the release: numbers sort before words, as semver has it, and the end before both."""
    digits = run.isdecimal() and run.isascii()
    return "1" + _number(run.lstrip("0")) if digits else "2" + run.lower().encode("utf-8", "replace").hex() + "00"
