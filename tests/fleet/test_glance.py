from __future__ import annotations

import pytest

from fleet.glance import Site, by_trouble

QUIET, SILENT = Site("quiet", 900, 900), Site("silent", 10, 5, offline=5)
ADRIFT, CALLING = Site("adrift", 10, 10, drifted=2), Site("calling", 1, 1, alerts=1)
ALL = (QUIET, SILENT, ADRIFT, CALLING)


@pytest.mark.parametrize(
    ("top", "named", "others", "rest"),
    [
        (9, "calling adrift silent quiet", 0, Site("")),
        (4, "calling adrift silent quiet", 0, Site("")),
        (3, "calling adrift silent quiet", 0, Site("")),
        (2, "calling adrift", 2, Site("", 910, 905, offline=5)),
        (1, "calling", 3, Site("", 920, 915, offline=5, drifted=2)),
    ],
)
def test_the_sites_with_most_trouble_are_named_and_the_rest_added_up(
    top: int, named: str, others: int, rest: Site
) -> None:
    ranked = by_trouble(ALL, top)
    assert [site.name for site in ranked.named] == named.split()
    assert (ranked.others, ranked.rest) == (others, rest)


def test_sites_alike_are_in_order_of_their_names() -> None:
    assert [site.name for site in by_trouble([Site("b"), Site("c"), Site("a")], 3).named] == ["a", "b", "c"]
