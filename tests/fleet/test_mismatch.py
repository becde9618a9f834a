"""In which way a reported version differs from the target."""

from __future__ import annotations

import pytest

from fleet.mismatch import Mismatch, mismatch


@pytest.mark.parametrize(
    ("target", "reported", "known", "how"),
    [
        ("2026.2.0", "2026.2.0", True, Mismatch.NONE),
        (None, "2026.2.0", True, Mismatch.NONE),
        (None, "", False, Mismatch.NONE),
        ("2026.2.0", "", False, Mismatch.NEVER),
        ("2026.2.0", "2031.9", False, Mismatch.UNKNOWN),
        ("2026.2.0", "2025.1", False, Mismatch.UNKNOWN),
        ("2026.2.0", "2026.10.0", True, Mismatch.AHEAD),
        ("2026.2.0", "2026.1.0", True, Mismatch.OTHER),
        ("2026.2.0", "2026.2", True, Mismatch.OTHER),
        ("2026.2.0", "2026.2.0-rc1", True, Mismatch.OTHER),
    ],
)
def test_how_it_differs(target: str | None, reported: str, known: bool, how: Mismatch) -> None:
    assert mismatch(target, reported, known) is how
