"""What is in a log at a glance."""

from __future__ import annotations

from fleet.log_text import summary

LOG = """\
Mar 19 dev-1 starting
2026-03-19T10:00:00Z INFO up, no error so far
2026-03-19 10:01:02.5 WARN low battery
[2026-03-19T10:05:00+01:00] fatal: out of memory
    at main()
"""


def test_lines_are_counted_by_their_first_level_and_dated_from_the_first_to_the_last() -> None:
    found = summary(LOG)
    assert found.lines == 5
    assert found.levels == {"critical": 1, "warning": 1, "info": 1}
    assert list(found.levels) == ["critical", "warning", "info"]
    assert (found.first, found.last) == ("2026-03-19T10:00:00Z", "2026-03-19T10:05:00+01:00")


def test_an_empty_log_has_nothing() -> None:
    assert summary("") == type(summary(""))(0, {}, None, None)
