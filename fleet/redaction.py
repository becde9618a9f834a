"""Secrets in what devices say: masked before anybody reads it, and in what is kept.

A pattern is a regular expression. What its group `secret` matches is masked, or the whole match where it has none.
`DEFAULTS` stand in app.yaml as well, so that a team can see and change them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleet.diagnostics import Piece

MASK = "[redacted]"

DEFAULTS: tuple[str, ...] = (
    # A private key, also one whose beginning or end is not there: a log may begin or break off in the middle of it.
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)",
    r"\A(?:(?!-----BEGIN )[\s\S])*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----",
    r"(?m)^[A-Za-z0-9+/]{40,}={0,2}$",
    # Authorization: Bearer …, Basic …
    r"(?i)\b(?:bearer|basic)\s+(?P<secret>[A-Za-z0-9._~+/=-]{8,})",
    r"(?i)\bauthorization[\"']?\s{0,5}[:=]\s{0,5}(?P<secret>[^\r\n]+)",
    # password=…, "api_key": "…", MQTT_TOKEN: …
    r"(?i)(?:passw(?:or)?d|passphrase|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|psk|credentials?)"
    r"[\w.-]{0,40}[\"']?\s{0,5}[:=]\s{0,5}(?P<secret>\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&\"']+)",
    # mqtts://user:password@host
    r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,100}:(?P<secret>[^\s@/]{1,200})@",
    # Tokens that are known by their looks: JSON web tokens, cloud and forge keys, Slack's.
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,})",
)

_FIRST_LINE = re.compile(r"\A[^\n]+")
_LAST_LINE = re.compile(r"[^\n]+\Z")


class Redaction:
    """Compiled patterns. Raises ValueError for one that is no regular expression."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [compiled(pattern) for pattern in patterns]

    def text(self, text: str) -> str:
        """The text with its secrets masked. Doing it twice changes nothing more."""
        for pattern in self._patterns:
            text = pattern.sub(_masked, text)
        return text

    def piece(self, piece: Piece) -> str:
        """A run of chunks. A line that is torn by a gap is masked: half of a secret looks like nothing known."""
        text = self.text(_FIRST_LINE.sub(MASK, piece.text) if piece.after_gap else piece.text)
        return _LAST_LINE.sub(MASK, text) if piece.before_gap else text


def compiled(pattern: str) -> re.Pattern[str]:
    """Raises ValueError, with the pattern in it."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def _masked(found: re.Match[str]) -> str:
    if found.re.groupindex.get("secret") and found["secret"] is not None:
        start, end = found.span("secret")
        whole = found.start()
        return f"{found[0][: start - whole]}{MASK}{found[0][end - whole :]}"
    return MASK
