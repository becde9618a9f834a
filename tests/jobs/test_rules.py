"""Alert rules over time: silence, thresholds, severity at night, and what people change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from fleet.alert import AlertKind, AlertState, Severity
from fleet.lifecycle import DeviceStatus
from jobs import rules
from storage import alert_rules
from storage.db import Database
from storage.tables import Alert, devices
from tests import build
from tests.build import NEW
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import VIC, refused, types

GB = 10**9


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    await build.fleet(db, NOW, [build.device(f"dev-{n}", NOW, last_seen_at=NOW) for n in range(1, 4)])
    async with db.begin() as session:
        await alert_rules.ensure_defaults(session, NOW)
    return house


async def alerts_in(house: House, kind: AlertKind) -> Sequence[Alert]:
    async with house.db.read() as session:
        return (await session.scalars(select(Alert).where(Alert.kind == kind).order_by(Alert.id))).all()


async def passes(house: House, minutes: int, *speaking: str, step: int = 2) -> None:
    """Time goes by with Muster listening; these devices go on speaking."""
    for _ in range(0, minutes, step):
        for device_id in speaking:
            await house.say(device_id, NEW)
        house.now += timedelta(minutes=step)
        await rules.notice_silence.work(house.run())
        await rules.apply.work(house.run())


async def test_a_silent_device_is_told_after_half_an_hour_and_settled_when_it_is_heard(house: House) -> None:
    await passes(house, 30, "dev-2", "dev-3", step=3)
    assert not await alerts_in(house, AlertKind.OFFLINE)
    await passes(house, 3, "dev-2", "dev-3", step=3)
    await house.settle()
    [post] = house.deliver.posts()
    assert (post.message.template, post.message.data["rule"]) == ("alert/rule", "offline")
    [alert] = await alerts_in(house, AlertKind.OFFLINE)
    assert (alert.device_id, alert.severity) == ("dev-1", Severity.WARNING)
    assert "still silent" in await refused(house, f"alert resolve {alert.id}")
    await passes(house, 3, "dev-1", "dev-2", "dev-3", step=3)
    [alert] = await alerts_in(house, AlertKind.OFFLINE)
    assert alert.state is AlertState.RESOLVED


async def test_silence_while_muster_was_away_is_nobodys(house: House) -> None:
    await passes(house, 6)
    house.now += timedelta(hours=2)  # it did not run
    await passes(house, 2)
    assert not await alerts_in(house, AlertKind.OFFLINE)
    await passes(house, 26, "dev-2")
    assert not await alerts_in(house, AlertKind.OFFLINE)
    house.publish.connected = False
    await passes(house, 40)
    assert not await alerts_in(house, AlertKind.OFFLINE)
    house.publish.connected = True
    await passes(house, 45, "dev-2", step=3)
    assert [each.device_id for each in await alerts_in(house, AlertKind.OFFLINE)] == ["dev-1", "dev-3"]


async def test_two_rules_tell_one_device_twice_and_only_those_they_are_about(house: House) -> None:
    await types(house, "rule add gone offline dev-1 --for 1h --severity critical")
    await types(house, "rule change offline --selector dev-1,dev-2")
    await passes(house, 75, step=3)
    told = [(each.device_id, each.severity.value) for each in await alerts_in(house, AlertKind.OFFLINE)]
    assert sorted(told) == [("dev-1", "critical"), ("dev-1", "warning"), ("dev-2", "warning")]


async def test_a_rule_holds_for_devices_in_states_that_are_monitored(house: House) -> None:
    await types(house, "rule add gone offline all --for 1h")
    before = (await types(house, "rule show gone")).data["total"]
    async with house.db.begin() as session:
        for each, status in (("dev-1", DeviceStatus.DECOMMISSIONED), ("dev-2", DeviceStatus.MANUFACTURED)):
            await session.execute(devices.update().where(devices.c.device_id == each).values(status=status))
    assert (await types(house, "rule show gone")).data["total"] == before - 2


async def test_a_rule_that_rests_or_changes_closes_what_it_had_opened(house: House) -> None:
    await passes(house, 36, step=3)
    assert len(await alerts_in(house, AlertKind.OFFLINE)) == 3
    await types(house, "rule change offline --selector dev-1")
    await house.later(minutes=1)
    assert (await types(house, "rule show offline")).data["open"] == 1
    await types(house, "rule disable offline")
    assert {each.state for each in await alerts_in(house, AlertKind.OFFLINE)} == {AlertState.RESOLVED}
    await types(house, "rule change offline --selector all")
    await types(house, "rule enable offline")
    await passes(house, 3, step=3)
    assert (await types(house, "rule show offline")).data["open"] == 3


async def test_devices_that_have_not_begun_to_work_are_not_told_of(house: House) -> None:
    async with house.db.begin() as session:
        await session.execute(devices.update().where(devices.c.device_id == "dev-1").values(default_rules=False))
    await passes(house, 36, step=3)
    assert [each.device_id for each in await alerts_in(house, AlertKind.OFFLINE)] == ["dev-2", "dev-3"]


async def test_a_hot_processor_is_told_when_it_has_been_so_for_long_enough(house: House) -> None:
    await house.hear("dev-1/telemetry", {"cpu_percent": 95, "t": 4})
    await passes(house, 10)
    await house.hear("dev-1/telemetry", {"cpu_percent": 97})
    await passes(house, 6)
    [alert] = await alerts_in(house, AlertKind.CPU)
    assert (alert.data["value"], alert.data["rule"]) == (97.0, "high-cpu")
    await house.hear("dev-1/telemetry", {"cpu_percent": 40})
    await house.later(minutes=1)
    assert [each.state for each in await alerts_in(house, AlertKind.CPU)] == [AlertState.RESOLVED]


async def test_a_processor_that_cools_in_between_is_not_told(house: House) -> None:
    for percent in (95, 20, 95, 89.9, 95):
        await house.hear("dev-1/telemetry", {"cpu_percent": percent})
        await passes(house, 8)
    assert not await alerts_in(house, AlertKind.CPU)


async def test_a_full_disk_is_told_at_once_and_strange_telemetry_is_nothing(house: House) -> None:
    await house.hear("dev-1/telemetry", {"disk_used_bytes": 95 * GB, "disk_total_bytes": 100 * GB})
    await house.hear("dev-2/telemetry", {"disk_used_bytes": 95 * GB, "disk_total_bytes": 0, "cpu_percent": "hot"})
    await house.hear("dev-3/telemetry", {"disk_used_bytes": [1], "ram_used_bytes": None})
    await house.settle()
    assert [each.device_id for each in await alerts_in(house, AlertKind.DISK)] == ["dev-1"]


async def test_certificates_are_watched_where_a_rule_is_about_them(house: House) -> None:
    async with house.db.begin() as session:
        await session.execute(devices.update().values(certificate_not_after=NOW + timedelta(days=5)))
    await types(house, "rule change certificate --selector -dev-1")
    await house.settle()
    assert [each.device_id for each in await alerts_in(house, AlertKind.CERTIFICATE)] == ["dev-2", "dev-3"]
    await types(house, "rule disable certificate")
    await house.later(minutes=10)
    assert {each.state for each in await alerts_in(house, AlertKind.CERTIFICATE)} == {AlertState.RESOLVED}


async def test_at_night_a_warning_waits_for_the_morning_and_what_is_critical_does_not(db: Database) -> None:
    night = {"begin": "22:00", "end": "07:00", "zone": "Europe/Oslo", "up_to": "warning"}
    ladder = [{"after": "15m", "mention": "<!here>"}]
    house = House(db, settings_for(alerts={"quiet_hours": [night], "ladder": ladder}), NOW.replace(hour=23))
    await build.fleet(db, NOW, [build.device("dev-1", NOW), build.device("dev-2", NOW)])
    await types(house, "rule add hot cpu --above 90 dev-1")
    await types(house, "rule add burning cpu --above 98 --severity critical dev-2")
    await house.hear("dev-1/telemetry", {"cpu_percent": 99})
    await house.hear("dev-2/telemetry", {"cpu_percent": 99})
    await house.settle()
    await house.later(minutes=15)
    assert {each.message.template for each in house.deliver.posts()} == {"alert/rule", "alert/call"}
    assert {each.message.data["device_id"] for each in house.deliver.posts() if "device_id" in each.message.data} == {
        "dev-2"
    }
    [low] = [each for each in await alerts_in(house, AlertKind.CPU) if each.device_id == "dev-1"]
    await types(house, f"alert ack {low.id}")  # an edit does not bring the post forward
    await house.settle()
    assert len(house.deliver.posts()) == 2
    house.now = NOW.replace(day=20, hour=6, minute=0)  # 07:00 in Oslo
    await house.settle()
    assert house.deliver.posts()[-1].message.data["device_id"] == "dev-1"
    assert house.deliver.posts()[-1].late is None


async def test_what_cannot_be_a_rule_is_refused_with_what_to_write(house: House) -> None:
    assert "--above" in await refused(house, "rule add hot cpu all")
    assert "--above" in await refused(house, "rule add hot cpu all --above 120")
    assert "--for" in await refused(house, "rule add gone offline all")
    assert "leave out --above" in await refused(house, "rule add gone offline all --above 3 --for 1h")
    assert "alert_days" in await refused(house, "rule add cert certificate all --for 1d")
    assert "already" in await refused(house, "rule add offline offline all --for 1h")
    assert "disable" in await refused(house, "rule remove offline")
    assert "high-cpu" in await refused(house, "rule show high-cpo")
    assert "Nothing to change" in await refused(house, "rule change offline")
    assert "operator" in await refused(house, "rule disable offline", VIC)


async def test_a_rule_is_removed_with_its_alerts(house: House) -> None:
    await types(house, "rule add hot cpu --above 90 all")
    await house.hear("dev-1/telemetry", {"cpu_percent": 99})
    await house.settle()
    assert (await types(house, "rule remove hot")).data["closed"] == 1
    assert [each.state for each in await alerts_in(house, AlertKind.CPU)] == [AlertState.RESOLVED]
    async with house.db.read() as session:
        left = await session.scalar(text("SELECT count(*) FROM rule_breaches r JOIN alert_rules a ON a.id = r.rule_id"))
        assert left == 1  # of the default rule
