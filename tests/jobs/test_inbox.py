"""What devices say: merged in order, written once, and counted where it cannot be read."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from storage import dead_letters, devices
from storage.db import Database
from storage.tables import DeadLetter
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for
from tests.house import House


@pytest.fixture
async def house(db: Database) -> House:
    await build.fleet(db, NOW, [build.device("dev-1", NOW), build.device("dev-2", NOW)])
    return House(db, settings_for(), NOW)


async def device(house: House, device_id: str = "dev-1") -> devices.Device:
    async with house.db.read() as session:
        return await devices.get(session, device_id)


async def letters(house: House) -> dict[str, int]:
    async with house.db.read() as session:
        return await dead_letters.counts(session, NOW - timedelta(days=1))


async def test_a_status_writes_all_that_it_says(house: House) -> None:
    said = {"firmware_version": "1.5.0", "site": "bergen", "boot_id": "b7", "device_ts": "2026-03-19T14:20:00Z"}
    await house.say("dev-1", OLD, **said)
    row = await device(house)
    assert (row.reported_config_version, row.firmware_version, row.reported_site) == (OLD, "1.5.0", "bergen")
    assert (row.boot_id, row.last_seen_at, row.clock_skew_s) == ("b7", NOW, 600.0)
    assert row.site == "oslo"  # the registry's own
    assert (await device(house, "dev-2")).last_seen_at is None


async def test_what_a_status_leaves_out_is_kept(house: House) -> None:
    await house.say("dev-1", OLD, firmware_version="1.5.0", boot_id="b7")
    await house.say("dev-1", NEW)
    row = await device(house)
    assert (row.reported_config_version, row.firmware_version, row.boot_id) == (NEW, "1.5.0", "b7")


async def test_the_later_word_of_a_batch_holds(house: House) -> None:
    status = json.dumps({"reported_config_version": OLD}).encode()
    ack = json.dumps({"version": NEW, "status": "applied"}).encode()
    await house.hear_many([("dev-1/status", status), ("dev-1/config/ack", ack)])
    assert (await device(house)).reported_config_version == NEW
    await house.hear_many([("dev-1/config/ack", ack), ("dev-1/status", status)])
    assert (await device(house)).reported_config_version == OLD


async def test_a_batch_that_comes_again_changes_nothing(house: House) -> None:
    for _ in range(3):
        await house.say("dev-1", OLD, boot_id="b1")
    row = await device(house)
    assert (row.reported_config_version, row.boot_id) == (OLD, "b1")


async def test_of_telemetry_the_last_value_its_time_and_the_count_are_kept(house: House) -> None:
    await house.hear_many([("dev-1/telemetry", b'{"t": 20}'), ("dev-1/telemetry", b'{"t": 21}')])
    house.now += timedelta(minutes=1)
    await house.hear("dev-1/telemetry", b'{"t": 22}')
    row = await device(house)
    assert (row.telemetry_count, row.telemetry_last, row.telemetry_at) == (3, '{"t": 22}', house.now)
    assert row.last_seen_at == house.now


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("dev-1/status", b"not json", "not json"),
        ("dev-1/status", b"[1]", "not an object"),
        ("dev-1/status", b"\xff\xfe", "not utf-8"),
        ("dev-1/status", b"{}", "bad field: reported_config_version"),
        ("dev-1/status", b'{"reported_config_version": 7}', "bad field: reported_config_version"),
        ("dev-1/status", b'{"reported_config_version":"v","device_id":"dev-2"}', "names another device"),
        ("dev-1/status", b'{"reported_config_version":"\\u0000"}', "nul character"),
        ("dev-1/status", b'{"reported_config_version":"%b"}' % (b"x" * 200_000), "too large"),
        ("dev-1/config/ack", b'{"version":"1","status":"maybe"}', "bad field: status"),
        ("-dev/status", b'{"reported_config_version":"1"}', "bad device id"),
        ("dev-1/nonsense", b"{}", "unknown topic"),
        ("dev-9/status", b'{"reported_config_version":"1"}', "unknown device"),
    ],
)
async def test_what_cannot_be_taken_is_counted_and_stops_nothing(
    house: House, topic: str, payload: bytes, reason: str
) -> None:
    good = json.dumps({"reported_config_version": OLD}).encode()
    await house.hear_many([(topic, payload), ("dev-2/status", good), (topic, payload)])
    assert (await device(house, "dev-2")).reported_config_version == OLD
    counted = await letters(house)
    assert list(counted) == [reason]
    assert counted[reason] == (1 if reason == "unknown device" else 2)  # of a stranger, a batch is one word


async def test_a_retained_copy_is_not_the_devices_voice(house: House) -> None:
    await house.hear("dev-1/status", {"reported_config_version": OLD}, retain=True)
    assert (await device(house)).last_seen_at is None
    assert await letters(house) == {"retained copy": 1}


async def test_dead_letters_are_bounded_and_the_newest_are_kept(house: House) -> None:
    async with house.db.begin() as session:
        for hour in range(300):
            at = NOW + timedelta(hours=hour)
            await dead_letters.add(
                session, [dead_letters.Letter("dev-1", "dev-1/status", "not json", "", b"x" * 9999, at)]
            )
        assert await dead_letters.prune(session, 100) == 200
    async with house.db.read() as session:
        oldest = await session.get(
            DeadLetter, ("dev-1", "dev-1/status", "not json", (NOW + timedelta(hours=200)).replace(minute=0))
        )
    assert oldest is not None
    assert (oldest.size, len(oldest.payload)) == (9999, 2048)
