"""Who takes part in a firmware, rotation or decommission campaign, in which order, and who is left out for what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fleet.alert import Severity
from fleet.alert_rule import RuleKind
from fleet.campaign import CampaignKind, TargetState
from fleet.lifecycle import DeviceStatus
from fleet.rollout import Rollout
from storage import alert_rules, firmware, maintenance, rules_naming
from storage.db import Database
from storage.tables import AlertRule, Firmware
from tests import build
from tests.storage.planning import planned, targets


async def skipped(db: Database, now: datetime, kind: CampaignKind, **params: Any) -> dict[str, str]:
    row = await planned(db, now, kind=kind, params=params)
    found = await targets(db, row.id)
    return {name: each.why for name, each in found.items() if each.state is TargetState.SKIPPED}


async def test_firmware_goes_to_models_that_have_an_artefact_and_do_not_run_it(db: Database, now: datetime) -> None:
    rows = [
        build.device("dev-1", now, model="gw2"),
        build.device("dev-2", now, model="pump"),
        build.device("dev-3", now, model="gw2", firmware_version="2.0"),
        build.device("dev-4", now, model="gw2", status=DeviceStatus.SUSPENDED),
    ]
    await build.fleet(db, now, rows)
    artefact: dict[str, Any] = {"url": "https://example.com/1", "sha256": "0f" * 32, "size": 9, "added_by": "olga"}
    async with db.begin() as session:
        await firmware.add(session, Firmware(version="2.0", model="gw2", added_at=now, **artefact))
    assert await skipped(db, now, CampaignKind.FIRMWARE, version="2.0") == {
        "dev-2": "firmware 2.0 has no artefact for its model",
        "dev-3": "has it already",
        "dev-4": "its state is suspended",
    }
    async with db.begin() as session:
        await firmware.add(session, Firmware(version="2.0", model="", added_at=now, **artefact))
    assert "dev-2" not in await skipped(db, now, CampaignKind.FIRMWARE, version="2.0")


async def test_certificates_are_rotated_the_earliest_end_first_a_quota_a_day(db: Database, now: datetime) -> None:
    days = {"dev-1": 90, "dev-2": 3, "dev-3": 40, "dev-4": 2, "dev-5": None}
    rows = [
        build.device(each, now, certificate_not_after=now + timedelta(days=left) if left else None)
        for each, left in days.items()
    ]
    await build.fleet(db, now, rows)
    rollout = Rollout(canary="", wave="2", every=timedelta(days=1))
    row = await planned(db, now, kind=CampaignKind.ROTATE_CERTS, params={}, rollout=rollout)
    found = await targets(db, row.id)
    in_order = [(name, each.wave) for name, each in found.items() if each.state is TargetState.PLANNED]
    assert in_order == [("dev-4", 1), ("dev-2", 1), ("dev-3", 2), ("dev-1", 2)]
    assert found["dev-5"].why == "it has no certificate that is known here"


async def test_a_device_is_not_decommissioned_while_something_is_about_it(db: Database, now: datetime) -> None:
    rows = [build.device(f"dev-{number}", now) for number in range(1, 5)]
    rows[3]["status"] = DeviceStatus.MAINTENANCE
    await build.fleet(db, now, rows)
    window = {"starts_at": now, "ends_at": now + timedelta(hours=1), "zone": "UTC", "why": "", "device_id": "dev-2"}
    async with db.begin() as session:
        await maintenance.plan(session, [window], "olga", now)
    assert await skipped(db, now, CampaignKind.DECOMMISSION, rules="keep", named=["dev-3"]) == {
        "dev-2": "a maintenance is planned for it",
        "dev-3": "an alert rule names it",
        "dev-4": "its state is maintenance",
    }


async def test_alert_rules_are_freed_from_devices_that_go(db: Database, now: datetime) -> None:
    await build.fleet(db, now, [])
    kept = {"both": "dev-1 dev-2", "one": "site:oslo dev-1", "others": "-dev-1 tag:dev-1"}
    async with db.begin() as session:
        for name, which in kept.items():
            rule = AlertRule(name=name, kind=RuleKind.OFFLINE, selector=which, severity=Severity.WARNING)
            rule.created_by, rule.created_at = "olga", now
            await alert_rules.add(session, rule)
        assert await rules_naming.named(session) == {"dev-1": ["both", "one", "others"], "dev-2": ["both"]}
        await rules_naming.remove(session, ["dev-1", "dev-9"], "olga", now)
        after = {rule.name: (rule.selector, rule.enabled) for rule in await alert_rules.all_of(session)}
    assert after == {"both": ("id:dev-2", True), "one": ("site:oslo dev-1", False), "others": ("tag:dev-1", True)}
