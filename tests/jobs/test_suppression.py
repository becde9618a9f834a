"""In maintenance and suspension no alert of any kind reaches people; afterwards they are told what was kept back."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from fleet.alert import OF_THE_HOUSE, AlertKind
from fleet.lifecycle import ALERTS_PAUSED, DeviceStatus
from jobs import rules
from storage import alert_rules, lifecycle, maintenance, schedule
from storage.db import Database
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import types

GB = 10**9
A_DAY = timedelta(days=1)
OF = {f"dev-{kind.value.replace('_', '-')}": kind for kind in AlertKind if kind not in OF_THE_HOUSE}
"""A device for each kind of alert, that has the cause of that kind and, as far as it can be, no other."""


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    soon = {AlertKind.CERTIFICATE: NOW + timedelta(days=5)}
    rows = [
        build.device(name, NOW, last_seen_at=NOW, certificate_not_after=soon.get(kind)) for name, kind in OF.items()
    ]
    await build.fleet(db, NOW, rows)
    async with db.begin() as session:
        await alert_rules.ensure_defaults(session, NOW)
    await types(house, "rule add memory ram --above 90 all")
    return house


async def become(house: House, status: DeviceStatus, *names: str) -> None:
    async with house.db.begin() as session:
        moved = await lifecycle.move(
            session, names or list(OF), status, "U0ANN", "the pump", house.now, house.settings, until=NOW + A_DAY
        )
    assert moved.refused == {}


async def everything_happens(house: House) -> None:
    """Every kind of cause, each for its device, while a day goes by with Muster listening."""
    metrics = {"dev-cpu": {"cpu_percent": 99}}
    metrics["dev-ram"] = {"ram_used_bytes": 15 * GB, "ram_total_bytes": 16 * GB}
    metrics["dev-disk"] = {"disk_used_bytes": 15 * GB, "disk_total_bytes": 16 * GB}
    for name, said in metrics.items():
        await house.hear(f"{name}/telemetry", said)
    for _ in range(3):
        await house.say("dev-location", NEW, site="bergen")
        await house.say("dev-flapping", OLD)
        await sweep(house)
        await house.say("dev-flapping", NEW)
        await house.later(minutes=1)
    await house.say("dev-unknown-version", "2031.9")
    await house.say("dev-drift", OLD)
    await sweep(house)
    await house.ack("dev-drift", NEW, "rejected", error="no")
    await house.settle()
    for _ in range(12):
        house.now += timedelta(minutes=3)
        await house.hear_many([(f"{name}/status", _status(name)) for name in OF.keys() - {"dev-offline"}])
        await rules.notice_silence.work(house.run())
    await house.settle()


def _status(name: str) -> bytes:
    version = {"dev-drift": OLD, "dev-unknown-version": "2031.9"}.get(name, NEW)
    site = {"site": "bergen"} if name == "dev-location" else {}
    return json.dumps({"reported_config_version": version, **site}).encode()


async def sweep(house: House) -> None:
    async with house.db.begin() as session:
        await schedule.bring_forward(session, schedule.SWEEP, house.now)
    await house.settle()


def kinds(house: House) -> set[str]:
    alerts = [each.message for each in house.deliver.posts() if each.message.template.startswith("alert/")]
    return {str(each.data["kind"]) for each in alerts if "kind" in each.data}


async def test_every_kind_of_alert_reaches_people_while_devices_are_active(house: House) -> None:
    await everything_happens(house)
    assert kinds(house) == {kind.value for kind in OF.values()}


@pytest.mark.parametrize("status", sorted(ALERTS_PAUSED))
async def test_none_does_while_they_are_paused_and_all_are_summarised_after(house: House, status: DeviceStatus) -> None:
    await become(house, status)
    await everything_happens(house)
    assert house.deliver.posts() == []
    await house.hear("dev-cpu/telemetry", {"cpu_percent": 5})
    await house.later(minutes=1)
    await become(house, DeviceStatus.ACTIVE)
    await house.later(minutes=1)
    [summary] = [each.message.data for each in house.deliver.posts() if each.message.template == "alert/suppressed"]
    assert (summary["devices"], summary["alerts"], summary["lasting"]) == (len(OF), len(OF), len(OF) - 1)
    told = {each["kind"].replace(" ", "_") for row in summary["rows"] for each in row["what"]}
    assert told == {kind.value for kind in OF.values()}
    assert kinds(house) == {kind.value for kind in OF.values()} - {"cpu"}
    posts = len(house.deliver.posts())
    await house.later(minutes=2)
    assert len(house.deliver.posts()) == posts


async def test_a_device_that_stays_paused_is_not_in_the_summary_of_another(house: House) -> None:
    await become(house, DeviceStatus.SUSPENDED)
    for name in ("dev-ram", "dev-disk"):
        await house.hear(f"{name}/telemetry", {f"{name[4:]}_used_bytes": 15 * GB, f"{name[4:]}_total_bytes": 16 * GB})
    await house.settle()
    await become(house, DeviceStatus.ACTIVE, "dev-ram")
    await house.later(minutes=1)
    [summary] = [each.message.data for each in house.deliver.posts() if each.message.template == "alert/suppressed"]
    assert [row["device_id"] for row in summary["rows"]] == ["dev-ram"]


async def test_a_quiet_maintenance_is_not_summarised(house: House) -> None:
    await types(house, "rule disable certificate")
    await become(house, DeviceStatus.MAINTENANCE)
    await house.later(minutes=1)
    await become(house, DeviceStatus.ACTIVE)
    await house.later(minutes=1)
    assert house.deliver.posts() == []
    async with house.db.read() as session:
        assert not await maintenance.to_summarise(session, 1)
