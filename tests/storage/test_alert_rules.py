"""Alert rules as rows: defaults, and what their selectors name."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from fleet.alert import Severity
from fleet.alert_rule import DEFAULTS, RuleKind
from fleet.errors import NotFound, Refused
from fleet.lifecycle import DeviceStatus
from storage import alert_rules
from storage.db import Database
from storage.tables import AlertRule, devices
from tests import build
from tests.conftest import NOW


def rule(name: str, selector: str) -> AlertRule:
    return AlertRule(
        id="",
        name=name,
        kind=RuleKind.OFFLINE,
        for_s=900,
        selector=selector,
        severity=Severity.CRITICAL,
        created_by="U1",
        created_at=NOW,
    )


async def test_the_default_rules_are_made_once_and_stay_as_people_changed_them(db: Database) -> None:
    async with db.begin() as session:
        await alert_rules.ensure_defaults(session, NOW)
        await alert_rules.change(session, await alert_rules.get(session, "high-cpu"), {"threshold": 75.0})
        await alert_rules.ensure_defaults(session, NOW)
        names = [each.name for each in await alert_rules.all_of(session)]
        assert names == sorted(each.name for each in DEFAULTS)
        assert (await alert_rules.get(session, "HIGH-CPU")).threshold == 75.0


async def test_the_default_rules_hold_for_devices_at_work_and_for_those_that_begin(db: Database) -> None:
    made = [build.device(f"dev-{status}", NOW, status=status) for status in DeviceStatus]
    await build.fleet(db, NOW, made)
    ruled = select(devices.c.device_id).where(devices.c.default_rules)
    async with db.begin() as session:
        assert set(await session.scalars(ruled)) == {"dev-active", "dev-maintenance", "dev-suspended"}
        await alert_rules.enable_defaults(session, ["dev-provisioned"], NOW)
        assert "dev-provisioned" in set(await session.scalars(ruled))


async def test_a_name_is_taken_once_and_a_wrong_one_is_answered_with_near_ones(db: Database) -> None:
    async with db.begin() as session:
        await alert_rules.ensure_defaults(session, NOW)
        with pytest.raises(Refused, match="already"):
            await alert_rules.add(session, rule("offline", "all"))
        with pytest.raises(NotFound, match="offline"):
            await alert_rules.get(session, "ofline")
