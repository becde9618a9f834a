"""Devices decommissioned by the batch: two people agree, everything is exported, rules are dealt with, then they go."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from bot import archiving
from commands.bulk_decommission import show_checklist
from commands.spec import Call
from fleet.alert import Severity
from fleet.alert_rule import RuleKind
from fleet.errors import Unavailable
from fleet.lifecycle import DeviceStatus
from fleet.roles import Person, Role
from fleet.settings import LifecycleSettings
from storage import alert_rules, certificates
from storage.db import AnyRow, Database
from storage.tables import AlertRule, decommissions
from tests import build
from tests.conftest import NOW, ON_SQLITE, settings_for
from tests.house import House
from tests.typed import ANN, refused, types

BOB, CAT = Person("U0BOB", Role.APPROVER), Person("U0CAT", Role.APPROVER)


@pytest.fixture
async def house(db: Database) -> House:
    """dev-1 to dev-4 are active, dev-5 is in maintenance; a rule names dev-1, and dev-2 has a certificate."""
    house = House(db, settings_for(campaigns={"canary": "none", "wave": "100%"}), NOW)
    rows = [build.device(f"dev-{n}", NOW) for n in range(1, 6)]
    rows[4]["status"] = DeviceStatus.MAINTENANCE
    await build.fleet(db, NOW, rows, tags=[{"device_id": "dev-2", "name": "env", "value": "prod"}])
    rule = AlertRule(name="watch", kind=RuleKind.OFFLINE, selector="dev-1 dev-9", severity=Severity.WARNING)
    rule.created_by, rule.created_at = "olga", NOW
    certificate: dict[str, Any] = {"serial": "ab12", "device_id": "dev-2", "pem": "", "not_before": NOW}
    async with db.begin() as session:
        await alert_rules.add(session, rule)
        await certificates.record(session, [{**certificate, "not_after": NOW.replace(year=2030)}], NOW)
    return house


async def gone(house: House, line: str, count: int) -> str:
    """Planned, asked for, approved by two who type the count, and done."""
    planned = await types(house, line)
    asked = await types(house, f"bulk ask {planned.data['campaign_id']}")
    for who in (BOB, CAT):
        await types(house, f"approve yes {asked.data['approval_id']} {count}", who)
    for _ in range(2):
        await house.settle()
    return str(planned.data["campaign_id"])


async def checklist(house: House, campaign_id: str) -> dict[str, list[Any]]:
    shown = await types(house, f"bulk checklist {campaign_id}")
    return {row[0]: row[1:] for row in shown.data["rows"]}


async def exports(house: House) -> dict[str, AnyRow]:
    async with house.db.read() as session:
        return {row.device_id: row for row in await session.execute(select(decommissions))}


async def test_devices_go_with_their_export_and_their_certificates_once_two_people_agreed(house: House) -> None:
    campaign_id = await gone(house, "bulk decommission all", 3)
    found = await checklist(house, campaign_id)
    assert set(found) == {"dev-2", "dev-3", "dev-4"}
    state, lines, digest, rules, is_now, certificate, result = found["dev-2"]
    made = (await exports(house))["dev-2"]
    assert (state, rules, is_now) == ("verified", "none", "decommissioned")
    assert (certificate, result) == ("1 revoked", "succeeded")
    assert (lines, digest) == (made.export_rows, made.export_sha256[:12])
    kept = [json.loads(line) for line in made.export.splitlines()]
    assert {"table": "device_tags", "device_id": "dev-2", "name": "env", "value": "prod"} in kept
    assert {line["serial"] for line in kept if line["table"] == "certificates"} == {"ab12"}
    assert found["dev-3"][5] == "none"
    assert {each.topic for each in house.publish.sent if not each.payload} >= {"dev-2/config/desired"}


@ON_SQLITE
async def test_without_a_word_about_rules_a_device_that_one_names_stays(house: House) -> None:
    planned = await types(house, "bulk decommission all")
    left_out = {why: count for count, why in planned.data["skipped"]}
    assert left_out == {"an alert rule names it": 1, "its state is maintenance": 1}
    assert "Alert rules name 1 of the devices (dev-1: watch)" in planned.data["notes"][-1]
    both = await refused(house, "bulk decommission all --leave-rules --remove-rules")
    assert "opposite things" in both


@ON_SQLITE
@pytest.mark.parametrize(
    ("flag", "after", "rules"), [("--leave-rules", "dev-1 dev-9", "watch"), ("--remove-rules", "id:dev-9", "none")]
)
async def test_rules_are_left_or_freed_as_was_said(house: House, flag: str, after: str, rules: str) -> None:
    campaign_id = await gone(house, f"bulk decommission {flag} dev-1", 1)
    assert (await checklist(house, campaign_id))["dev-1"][3:5] == [rules, "decommissioned"]
    async with house.db.read() as session:
        assert (await alert_rules.get(session, "watch")).selector == after


@ON_SQLITE
async def test_a_checklist_is_a_file_with_every_device(house: House) -> None:
    campaign_id = await gone(house, "bulk decommission dev-3 dev-4", 2)
    call = Call(ANN, "C0FLEETOPS", house.now, house.db, house.settings)
    message = await show_checklist(call, campaign_id, csv=True)
    assert message.file is not None
    rows = [row async for page in message.file.rows for row in page]
    assert [(row[0], str(row[1])) for row in rows] == [("dev-3", "succeeded"), ("dev-4", "succeeded")]
    assert len(rows[0]) == len(message.file.columns)


async def test_the_archive_is_a_file_for_each_device_and_a_manifest_that_they_match(
    house: House, tmp_path: Path
) -> None:
    campaign_id = await gone(house, "bulk decommission dev-3 dev-4", 2)
    made = await exports(house)
    assert await archiving.write(house.db, tmp_path, campaign_id, lambda *_: None) == 2
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [each["device_id"] for each in manifest] == ["dev-3", "dev-4"]
    for each in manifest:
        held = (tmp_path / each["file"]).read_bytes()
        assert hashlib.sha256(held).hexdigest() == each["sha256"] == made[each["device_id"]].export_sha256
        assert held.count(b"\n") == each["rows"] > 1
    assert await archiving.write(house.db, tmp_path, "ca-none", lambda *_: None) == 0
    async with house.db.begin() as session:
        await session.execute(update(decommissions).values(export="{}\n"))
    with pytest.raises(Unavailable, match=r"dev-3.jsonl does not hold"):
        await archiving.write(house.db, tmp_path, None, lambda *_: None)


@ON_SQLITE
async def test_a_rejection_leaves_every_device_as_it_is(house: House) -> None:
    planned = await types(house, "bulk decommission dev-3")
    asked = await types(house, f"bulk ask {planned.data['campaign_id']}")
    await types(house, f"approve no {asked.data['approval_id']} it still works", BOB)
    await house.settle()
    shown = await types(house, f"bulk checklist {planned.data['campaign_id']}")
    assert shown.data["done"] == 0
    assert await exports(house) == {}


@ON_SQLITE
async def test_who_asked_is_told_that_an_export_was_not_confirmed_in_time(house: House) -> None:
    store = {"telemetry_store_secret": "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="}
    house.settings = house.settings.model_copy(update={"lifecycle": LifecycleSettings.model_validate(store)})
    campaign_id = await gone(house, "bulk decommission dev-3", 1)
    await house.later(days=8)
    assert "Nobody confirmed the export of its data in time" in str((await checklist(house, campaign_id))["dev-3"][6])
    [told] = [each for each in house.deliver.posts() if each.message.template == "bulk/ended"]
    assert (told.channel, told.message.data["status"], told.message.data["failed"]) == ("U0ANN", "failed", 1)
    assert [each.text[:12] for each in told.message.buttons] == ["Retry failed", "Details"]


@ON_SQLITE
async def test_a_device_whose_export_nobody_confirmed_stays_also_when_that_comes_too_late(house: House) -> None:
    store = {"telemetry_store_secret": "whsec_c2VjcmV0LW9mLXRoZS10ZWxlbWV0cnktc3RvcmU="}
    house.settings = house.settings.model_copy(update={"lifecycle": LifecycleSettings.model_validate(store)})
    campaign_id = await gone(house, "bulk decommission dev-3", 1)
    assert (await checklist(house, campaign_id))["dev-3"][0] == "waiting"
    await types(house, f"bulk abort {campaign_id}")
    await house.later(days=8)
    await house.later(days=8)
    assert (await types(house, f"bulk show {campaign_id}")).data["status"] == "aborted"
    assert (await checklist(house, campaign_id))["dev-3"][0] == "cancelled"
    assert (await checklist(house, campaign_id))["dev-3"][4] == "active"
