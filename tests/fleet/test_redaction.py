"""Secrets are masked, and what is none is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.diagnostics import Piece, assemble
from fleet.redaction import DEFAULTS, MASK, Redaction

REDACTION = Redaction(DEFAULTS)
KEY = "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY"
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{KEY}\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("login password=hunter2 ok", f"login password={MASK} ok"),
        ('{"api_key": "abc def", "n": 1}', f'{{"api_key": {MASK}, "n": 1}}'),
        ("MQTT_TOKEN: s3cr3t", f"MQTT_TOKEN: {MASK}"),
        ("GET / Authorization: Bearer abc.def-ghi", f"GET / Authorization: {MASK}"),
        ("sent bearer abcdefghijkl", f"sent bearer {MASK}"),
        ("connect mqtts://dev:hunter2@broker:8883", f"connect mqtts://dev:{MASK}@broker:8883"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end", f"jwt {MASK} end"),
        ("key AKIAIOSFODNN7EXAMPLE", f"key {MASK}"),
        (f"a\n{PEM}\nb", f"a\n{MASK}\nb"),
        (f"a\n-----BEGIN PRIVATE KEY-----\n{KEY}", f"a\n{MASK}"),
        (f"{KEY}\n-----END RSA PRIVATE KEY-----\nb", f"{MASK}\nb"),
    ],
)
def test_a_secret_is_masked_and_the_rest_of_the_line_is_kept(line: str, masked: str) -> None:
    assert REDACTION.text(line) == masked
    assert REDACTION.text(masked) == masked


@pytest.mark.parametrize(
    "line",
    [
        "2026-03-19T10:23:11Z ERROR MQTT reconnect failed: connection refused",
        "token refresh took 12 ms",
        "password expired for user bob",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "http://broker:8883/path",
    ],
)
def test_what_is_no_secret_is_left_as_it_is(line: str) -> None:
    assert REDACTION.text(line) == line


@given(st.sets(st.integers(1, 9)), st.integers(1, 30))
def test_no_piece_of_a_key_is_shown_whatever_chunks_are_lost(lost: set[int], size: int) -> None:
    text = f"boot\nkey {PEM}\npassword=hunter2hunter2\nend\n"
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    here = {number: part for number, part in enumerate(parts, 1) if number not in lost}
    shown = "".join(REDACTION.piece(piece) for piece in assemble(here, len(parts)).pieces)
    assert "hunter2" not in shown
    for at in range(len(KEY) - 5):
        assert KEY[at : at + 6] not in shown


def test_a_line_that_is_torn_by_a_gap_is_masked() -> None:
    after = Piece(2, 2, "ter2 and more\nnext line\n", after_gap=True)
    assert REDACTION.piece(after) == f"{MASK}\nnext line\n"
    before = Piece(1, 1, "first line\nthe pass", before_gap=True)
    assert REDACTION.piece(before) == f"first line\n{MASK}"


def test_a_long_line_takes_no_time_to_speak_of() -> None:
    assert REDACTION.text("a." * 200_000).startswith("a.a.")  # a pattern that backtracks would not come back


def test_a_pattern_of_the_team_is_taken_and_a_broken_one_is_named() -> None:
    assert Redaction([r"serial (?P<secret>\d+)"]).text("serial 123 x") == f"serial {MASK} x"
    with pytest.raises(ValueError, match="no regular expression"):
        Redaction(["("])
