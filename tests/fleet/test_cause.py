"""A cause named by its token, its text or a beginning that only it has."""

from __future__ import annotations

import pytest

from fleet.cause import meant, token
from fleet.errors import BadInput, NotFound

CAUSES = ["No room", "No room left", "rejected", "Timed out"]


@pytest.mark.parametrize(
    ("named", "cause"),
    [
        ("No room", "No room"),
        (token("No room left"), "No room left"),
        ("timed", "Timed out"),
        ("No room l…", "No room left"),
        ("rejected", "rejected"),
    ],
)
def test_a_cause_is_meant_by_its_text_its_token_or_its_beginning(named: str, cause: str) -> None:
    assert meant(named, CAUSES) == cause


def test_what_several_begin_with_is_not_guessed() -> None:
    with pytest.raises(BadInput, match=r'Several causes begin with .no.: "No room", "No room left"\.'):
        meant("no", CAUSES)


def test_what_nobody_failed_with_is_refused_with_what_there_is() -> None:
    with pytest.raises(NotFound, match=r'What failed: "No room", .*"Timed out"\.'):
        meant("bad checksum", CAUSES)
    with pytest.raises(NotFound, match="or it is tried again by now"):
        meant("No room", [])
    with pytest.raises(NotFound, match="somebody has just tried them again"):
        meant(token("No room, once"), CAUSES)
