"""What differs between the configuration a device runs and the one it should run."""

from __future__ import annotations

import json

import pytest

from storage import configs
from storage.db import Database
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import refused, types


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    async with db.begin() as session:
        for version, body in (("a", {"x": 1, "r": {"b": 868}}), ("b", {"r": {"b": 915}, "y": "é" * 500}), ("c", None)):
            await configs.add(session, version, json.dumps(body or {"x": 1, "r": {"b": 868}}), "", "olga", NOW)
    made: dict[str, tuple[str | None, str]]
    made = {"differs": ("b", "a"), "same": ("c", "a"), "runs": ("a", "a"), "unknown": ("a", "zz"), "never": ("a", "")}
    made["bare"] = (None, "a")
    rows = [
        build.device(name, NOW, target_config_version=target, target_set_at=NOW, reported_config_version=reported)
        for name, (target, reported) in made.items()
    ]
    await build.fleet(db, NOW, rows)
    await house.settle()
    return house


async def test_the_keys_that_differ_and_since_when(house: House) -> None:
    data = (await types(house, "config diff differs")).data
    assert [row[:3] for row in data["rows"]] == [["r.b", "changed", "868"], ["x", "removed", "1"], ["y", "added", ""]]
    assert data["counts"] == [["added", 1], ["removed", 1], ["changed", 1]]
    assert (data["detected_at"], data["target_set_at"]) == (NOW, NOW)


async def test_a_version_that_cannot_be_named_is_refused(house: House) -> None:
    for name in ('"bad name"', "😀", "v" * 129):
        assert "cannot be a version name" in await refused(house, f"config add {name} {{}}")
    for name in ("2026.11.0", "v1_2:a+b-c", "v" * 128):
        assert (await types(house, f"config add {name} {{}}")).data["new"] is True


@pytest.mark.parametrize(
    ("device", "how", "rows"),
    [("same", "other", 0), ("runs", "none", 0), ("unknown", "unknown", 0), ("never", "never", 0)],
)
async def test_what_is_said_where_there_is_nothing_to_compare(house: House, device: str, how: str, rows: int) -> None:
    data = (await types(house, f"config diff {device}")).data
    assert (data["how"], len(data["rows"])) == (how, rows)


async def test_a_device_without_a_target_is_refused(house: House) -> None:
    assert "has no target configuration" in await refused(house, "config diff bare")


async def test_both_versions_are_named(house: House) -> None:
    data = (await types(house, "config diff differs")).data
    assert (data["reported"], data["target"]) == ("a", "b")
