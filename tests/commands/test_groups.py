"""Groups and dashboards: selectors under a name, static lists, and pages that are linked at their devices."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from fleet.selector import parse
from storage import devices
from storage.db import Database
from storage.tables import saved_groups
from tests import build
from tests.conftest import NOW, ON_SQLITE, settings_for
from tests.house import House
from tests.typed import refused, types


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    rows = [build.device(f"dev-{number}", NOW, site="oslo" if number < 4 else "bergen") for number in range(1, 6)]
    await build.fleet(db, NOW, rows)
    return house


async def meant(house: House, selector: str) -> str:
    async with house.db.read() as session:
        found, _ = await devices.ids(session, parse(selector), NOW, house.settings.drift.online_within, 99)
    return " ".join(found)


async def test_a_saved_group_is_whoever_matches_now_and_a_list_is_whoever_was_put_on_it(house: House) -> None:
    await types(house, "group save north site:oslo -dev-1")
    await types(house, "group add few dev-1 dev-4")
    assert await meant(house, "group:north") == "dev-2 dev-3"
    assert await meant(house, "-group:north") == "dev-1 dev-4 dev-5"
    assert await meant(house, "group:few,north") == "dev-1 dev-2 dev-3 dev-4"
    assert await meant(house, "group:n*") == "dev-2 dev-3"
    await types(house, "device move dev-5 oslo")
    await house.settle()
    assert await meant(house, "group:north") == "dev-2 dev-3 dev-5"
    await types(house, "group remove few site:bergen")
    assert await meant(house, "group:few") == "dev-1"
    await types(house, "group save both group:few,north")
    assert await meant(house, "group:both site:oslo") == "dev-1 dev-2 dev-3 dev-5"


@ON_SQLITE
@pytest.mark.parametrize(
    "line",
    [
        "find {}",
        "find --csv {}",
        "diag ping {}",
        "config assign " + build.NEW + " {}",
        "device maintain {}",
        "bulk config " + build.NEW + " {}",
    ],
)
async def test_a_group_that_is_none_means_nobody_anywhere_and_is_refused_with_those_like_it(
    house: House, line: str
) -> None:
    await types(house, "group save north site:oslo")
    text = await refused(house, line.format("group:nort"))
    assert text.startswith("There is no group called nort. Did you mean north?")


@ON_SQLITE
async def test_a_group_cannot_contain_itself_by_any_way_round(house: House) -> None:
    assert (await types(house, "group save a group:b,x*")).data["unknown"] == ["b"]  # it may come later
    await types(house, "group save c dev-1")
    assert (await types(house, "group save b -group:c")).data["unknown"] == []
    assert "a > b > c > a" in await refused(house, "group save c group:a")
    assert "d > d" in await refused(house, "group save d group:*")
    assert await meant(house, "group:a") == "dev-2 dev-3 dev-4 dev-5"


async def test_groups_that_two_people_saved_in_a_loop_still_mean_something(house: House) -> None:
    """Two transactions on PostgreSQL can each see no loop: the selector must end all the same."""
    kept = [("a", "group:b dev-1"), ("b", "group:a")]
    rows = [{"name": name, "selector": which, "note": "", "created_by": "", "created_at": NOW} for name, which in kept]
    async with house.db.begin() as session:
        await session.execute(insert(saved_groups), rows)
    assert await meant(house, "group:a") == ""


@ON_SQLITE
async def test_groups_are_nested_five_deep_at_most(house: House) -> None:
    for depth in range(1, 5):
        await types(house, f"group save g{depth + 1} group:g{depth}")
    await types(house, "group save g1 dev-1")
    assert await meant(house, "group:g5") == "dev-1"
    await types(house, "group save g0 dev-2")
    assert "g5 > g4 > g3 > g2 > g1 > g0" in await refused(house, "group save g1 group:g0")


@ON_SQLITE
async def test_a_name_is_either_a_list_or_a_selector(house: House) -> None:
    await types(house, "group add few dev-1")
    await types(house, "group save north site:oslo")
    assert "few is a static list" in await refused(house, "group save few site:oslo")
    assert "north is kept as a selector" in await refused(house, "group add north dev-1")
    assert "north is kept as a selector" in await refused(house, "group remove north dev-1")
    assert "no device that is not on few" in await refused(house, "group add few dev-1")
    assert await refused(house, "group add few site:nowhere") == "No device matches site:nowhere. Nothing was changed."
    assert "There is no group called nort" in await refused(house, "group add few group:nort")
    assert (await types(house, "group add few dev-2 dve-3")).data["unknown"] == ["dve-3"]
    assert "cannot be the name of a group" in await refused(house, 'group add "a b" dev-1')
    assert "Did you mean north?" in await refused(house, "group show nort")


@ON_SQLITE
async def test_a_group_that_is_used_is_not_deleted(house: House) -> None:
    await types(house, "group add few dev-1")
    await types(house, "dashboard add wall https://example.com/d/1 site:oslo group:few")
    assert "few is used by dashboard wall" in await refused(house, "group delete few")
    await types(house, "dashboard remove wall")
    await types(house, "group delete few")
    assert await meant(house, "group:few") == ""
    assert "There is no group called few" in await refused(house, "group delete few")


async def test_a_device_shows_the_dashboards_that_it_is_on(house: House) -> None:
    await types(house, "group save north site:oslo")
    for name, which in (("north", "group:north"), ("all", "all"), ("south", "-group:north")):
        await types(house, f"dashboard add {name} https://example.com/{name} {which}")
    answer = await types(house, "device show dev-1")
    assert answer.data["dashboards"] == [("all", "https://example.com/all"), ("north", "https://example.com/north")]
    assert "no address of a page" in await refused(house, "dashboard add x javascript:alert(1) all")
    assert "Did you mean north" in await refused(house, "dashboard remove nort")
