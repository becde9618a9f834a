"""Tags renamed from the preview to the report, on devices and wherever a selector names them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from fleet.message import Message
from fleet.roles import Person, Role
from fleet.selector import parse
from storage import devices
from storage.db import Database
from storage.tables import AuditEntry
from tests import build
from tests.conftest import NOW, ON_SQLITE, settings_for
from tests.house import House
from tests.typed import refused, types

BOB = Person("U0BOB", Role.APPROVER)
KEPT = (
    "group save prod tag:env=prod -tag:old",
    "dashboard add wall https://example.com/1 tag:env",
    "dashboard add other https://example.com/2 tag:stage=env site:env",
)


@pytest.fixture
async def house(db: Database) -> House:
    """Everybody needs one approval, undoing none."""
    policies = [{"operation": "bulk.retag", "approvals": 1}, {"operation": "bulk.*", "approvals": 0}]
    house = House(db, settings_for(approvals={"policies": policies}), NOW)
    rows = [build.device(f"dev-{number}", NOW, site="oslo" if number % 2 else "bergen") for number in range(1, 6)]
    tags = [("dev-1", "env", "prod"), ("dev-2", "env", "test"), ("dev-3", "role", "prod"), ("dev-5", "realm", "x")]
    columns = ("device_id", "name", "value")
    await build.fleet(db, NOW, rows, tags=[dict(zip(columns, each, strict=True)) for each in tags])
    for line in KEPT:
        await types(house, line)
    return house


async def meant(house: House, selector: str) -> str:
    async with house.db.read() as session:
        found, _ = await devices.ids(session, parse(selector), house.now, house.settings.drift.online_within, 99)
    return " ".join(found)


async def renamed(house: House, line: str) -> Message:
    """Previewed, asked for by its button, approved, and done. Returns the report."""
    preview = await types(house, line)
    asked = await types(house, preview.buttons[0].run)
    await types(house, f"approve yes {asked.data['approval_id']}", BOB)
    await house.settle()
    return next(each.message for each in reversed(house.deliver.letters) if each.message.template == "bulk/retagged")


async def references(house: House) -> dict[str, str]:
    rows = [*(await types(house, "group list")).data["rows"], *(await types(house, "dashboard list")).data["rows"]]
    return {row[0]: row[2] if row[1].startswith("http") else row[1] for row in rows}


async def test_a_tag_is_renamed_on_devices_and_in_what_refers_to_it(house: House) -> None:
    preview = await types(house, "bulk retag env realm")
    assert preview.data["total"] == 2
    assert [f"{each['kind']} {each['name']}" for each in preview.data["changes"]] == ["dashboard wall", "group prod"]
    assert preview.data["already"] == 1
    assert await meant(house, "tag:realm") == "dev-5"  # a preview changes nothing

    report = await renamed(house, "bulk retag env realm")
    assert report.data["devices"] == 2
    assert await meant(house, "tag:realm=prod,test") == "dev-1 dev-2"
    assert await references(house) == {
        "prod": "tag:realm=prod -tag:old",
        "wall": "tag:realm",
        "other": "tag:stage=env site:env",
    }
    assert await meant(house, "group:prod") == "dev-1"
    async with house.db.read() as session:
        entry = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "tag.renamed"))).one()
    assert entry.data["devices"] == 2


async def test_the_old_name_holds_for_a_while_and_then_no_more(house: House) -> None:
    await renamed(house, "bulk retag env realm")
    assert await meant(house, "tag:env=prod") == "dev-1"
    assert await meant(house, "-tag:env") == "dev-3 dev-4"
    await types(house, "group save late tag:env=test")  # saved under the old name
    assert await meant(house, "group:late") == "dev-2"
    house.now += timedelta(days=30)
    assert await meant(house, "tag:env") == ""
    assert await meant(house, "tag:realm=prod") == "dev-1"
    assert "Rename it back: /fleet bulk retag realm env" in await refused(
        house, "bulk retag-undo " + await newest(house)
    )


async def newest(house: House) -> str:
    return str((await types(house, "bulk retags")).data["rows"][0][0])


async def test_an_undo_gives_back_the_old_name_to_those_that_were_renamed_only(house: House) -> None:
    report = await renamed(house, "bulk retag env realm")
    await types(house, "dashboard add wall https://example.com/1 tag:realm site:oslo")  # edited since
    await types(house, report.buttons[0].run)
    await house.settle()
    assert await meant(house, "tag:env") == "dev-1 dev-2"
    assert await meant(house, "tag:realm") == "dev-5"
    kept = await references(house)
    assert (kept["prod"], kept["wall"]) == ("tag:env=prod -tag:old", "tag:env site:oslo")
    undone = next(each.message for each in house.deliver.letters if each.message.template == "bulk/retag_undone")
    assert (undone.data["devices"], undone.data["references"]) == (2, ["dashboard wall", "group prod"])
    assert "was undone already" in await refused(house, report.buttons[0].run)


@ON_SQLITE
async def test_a_value_is_renamed_alone(house: House) -> None:
    report = await renamed(house, "bulk retag env=prod env=production")
    assert await meant(house, "tag:env=production") == "dev-1"
    assert await meant(house, "tag:role=prod") == "dev-3"
    assert (await references(house))["prod"] == "tag:env=production -tag:old"
    assert await meant(house, "tag:env=prod") == "dev-1"  # the alias
    await types(house, report.buttons[0].run)
    await house.settle()
    assert await meant(house, "tag:env=production") == ""
    assert await meant(house, "tag:env=prod") == "dev-1"


@ON_SQLITE
async def test_what_changed_since_the_preview_is_not_done(house: House) -> None:
    preview = await types(house, "bulk retag env realm")
    async with house.db.begin() as session:
        await devices.add(session, [build.device("dev-9", NOW)], [{"device_id": "dev-9", "name": "env", "value": "x"}])
    assert "changed since the preview" in await refused(house, preview.buttons[0].run)

    asked = await types(house, (await types(house, "bulk retag env realm")).buttons[0].run)
    await types(house, "group save more tag:env=test")
    await types(house, f"approve yes {asked.data['approval_id']}", BOB)
    await house.settle()
    failed = await types(house, f"approve show {asked.data['approval_id']}")
    assert failed.data["state"] == "failed"
    assert "nothing was done" in failed.data["error"]
    assert await meant(house, "tag:env") == "dev-1 dev-2 dev-9"


@ON_SQLITE
async def test_what_would_lose_a_value_or_change_nothing_is_refused(house: House) -> None:
    async with house.db.begin() as session:
        await devices.add(session, [], [{"device_id": "dev-1", "name": "realm", "value": "y"}])
    assert "1 devices have env and realm (dev-1)" in await refused(house, "bulk retag env realm")
    assert "There is nothing to rename" in await refused(house, "bulk retag nope nada")
    assert "Rename the value first" in await refused(house, "bulk retag env=prod stage=prod")


@ON_SQLITE
async def test_a_renaming_on_which_another_was_built_is_undone_after_it(house: House) -> None:
    first = await renamed(house, "bulk retag env stage")
    second = await renamed(house, "bulk retag stage ring")
    assert await meant(house, "tag:env=prod") == "dev-1"  # two aliases, one after the other
    assert "Undo that first: /fleet bulk retag-undo" in await refused(house, first.buttons[0].run)
    for report in (second, first):
        await types(house, report.buttons[0].run)
        await house.settle()
    assert await meant(house, "tag:env") == "dev-1 dev-2"
    assert (await references(house))["wall"] == "tag:env"
