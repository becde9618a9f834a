"""Location drift: a device says several times in a row that it stands at another site than the registry has.

    a status names the registry's site ──> streak 0
    the wrong site of the status before ──> streak + 1
    another wrong site ──> streak 1
    no site ──> as it was

The streak is a column, moved by the statement that writes statuses (storage/heard.py); this is the rule it follows,
and a test holds the two together. A device for which the registry has no site cannot be at a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence


def streak(before: int, last_site: str, said: Sequence[str | None], registered: str) -> int:
    """The streak after these statuses, oldest first; `last_site` is the one reported before them."""
    for site in said:
        if not site:
            continue
        if site == registered:
            before = 0
        elif site == last_site:
            before += 1
        else:
            before = 1
        last_site = site
    return before


def run_of(run: int, last_site: str, site: str) -> int:
    """What a batch remembers of a device's sites: how many statuses in a row named the newest one.

    Negative if another site was named before it in the same batch, so that the streak from before does not count.
    `run` and `last_site` are what was remembered so far: 1 and its site after the first status.
    """
    if site != last_site:
        return -1
    return run + 1 if run > 0 else run - 1
