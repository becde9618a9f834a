"""Certificates as rows: recorded, in use, superseded, revoked; set by set, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.certificate import CertificateState
from fleet.lifecycle import DeviceStatus
from fleet.operation import OperationKind, OperationState
from fleet.settings import Settings
from storage import certificate_ends, certificates, renewals, revocation_lists
from storage.db import Database
from storage.tables import Certificate, Device, operations
from tests import build

YEAR, DAY = timedelta(days=365), timedelta(days=1)


def issued(serial: str, device_id: str, now: datetime, **more: object) -> dict[str, object]:
    return {"serial": serial, "device_id": device_id, "not_before": now, "not_after": now + YEAR, "pem": "-", **more}


async def states(session: AsyncSession) -> dict[str, str]:
    return {row.serial: row.state.value for row in await session.scalars(select(Certificate))}


@pytest.fixture
async def fleet(db: Database, now: datetime) -> Database:
    await build.fleet(db, now, [build.device(f"dev-{n}", now) for n in (1, 2, 3)])
    return db


async def test_the_first_certificate_is_the_one_in_use(fleet: Database, now: datetime) -> None:
    async with fleet.begin() as session:
        await certificates.record(session, [issued("a1", "dev-1", now)], now)
        await certificates.record(session, [issued("a2", "dev-1", now + DAY)], now + DAY)
        device = await session.get_one(Device, "dev-1")
        assert (device.certificate_serial, device.certificate_not_after) == ("a1", now + YEAR)
        active = await certificates.active(session, "dev-1")
        assert active
        assert (active.serial, active.state) == ("a2", CertificateState.ISSUED)


async def test_an_installed_certificate_supersedes_the_older_ones_and_settles_what_was_asked(
    fleet: Database, now: datetime, settings: Settings
) -> None:
    async with fleet.begin() as session:
        await certificates.record(session, [issued("a1", "dev-1", now), issued("b1", "dev-2", now)], now)
        asked = await renewals.renew(session, ["dev-1"], "olga", now, settings)
        new = issued("a2", "dev-1", now + DAY, operation_id=asked["dev-1"])
        await certificates.record(session, [new], now + DAY)
        said = [{"device_id": "dev-1", "serial": "a2"}, {"device_id": "dev-2", "serial": "a2"}]
        known = await certificates.installed(session, said, now + DAY, settings)
        assert [row.serial for row in known] == ["a2"]
        assert await states(session) == {"a1": "superseded", "a2": "installed", "b1": "issued"}
        again = await certificates.installed(session, said, now + 2 * DAY, settings)
        assert [row.installed_at for row in again] == [now + DAY]
        device = await session.get_one(Device, "dev-1", populate_existing=True)
        assert device.certificate_serial == "a2"
        state = await session.scalar(select(operations.c.state).where(operations.c.id == asked["dev-1"]))
        assert state is OperationState.DONE


async def test_a_superseded_certificate_is_revoked_once_its_device_was_heard_after_its_time(
    fleet: Database, now: datetime, settings: Settings
) -> None:
    over = now + settings.certificates.revoke_after
    async with fleet.begin() as session:
        for device_id in ("dev-1", "dev-2"):
            await certificates.record(session, [issued(f"{device_id[-1]}a", device_id, now)], now)
            await certificates.record(session, [issued(f"{device_id[-1]}b", device_id, now)], now)
            await certificates.installed(
                session, [{"device_id": device_id, "serial": f"{device_id[-1]}b"}], now, settings
            )
        (await session.get_one(Device, "dev-1")).last_seen_at = over
        (await session.get_one(Device, "dev-2")).last_seen_at = over - timedelta(seconds=1)
        await session.flush()
        assert await certificate_ends.next_revocation(session, now) == over
        assert await certificate_ends.revoke_superseded(session, over - timedelta(seconds=1), 10) == []
        assert [row.serial for row in await certificate_ends.revoke_superseded(session, over, 10)] == ["1a"]
        assert (await states(session))["2a"] == "superseded"


async def test_revoking_takes_every_certificate_of_a_device_also_one_that_was_imported(
    fleet: Database, now: datetime, settings: Settings
) -> None:
    async with fleet.begin() as session:
        await certificates.record(session, [issued("a1", "dev-1", now), issued("a2", "dev-1", now)], now)
        imported = await session.get_one(Device, "dev-2")
        imported.certificate_serial, imported.certificate_not_after = "0A:BC", now + DAY
        (await session.get_one(Device, "dev-3")).certificate_serial = "not a serial"
        await session.flush()
        asked = await renewals.renew(session, ["dev-1"], "olga", now, settings)
        gone = await certificates.revoke(session, ["dev-1", "dev-2", "dev-3"], "decommissioned", now)
        assert gone == ["a1", "a2", "abc"]
        assert await revocation_lists.unlisted_since(session) == now
        assert await certificates.revoke(session, ["dev-1"], "again", now + DAY) == []
        listed = await revocation_lists.entries(session, now + 2 * DAY)
        assert [(row.serial, row.reason) for row in listed] == [("a1", "decommissioned"), ("a2", "decommissioned")]
        state = await session.scalar(select(operations.c.state).where(operations.c.id == asked["dev-1"]))
        assert state is OperationState.CANCELLED
        assert await certificates.active(session, "dev-1") is None


async def test_a_device_is_asked_to_renew_once_and_only_in_a_state_for_it(
    db: Database, now: datetime, settings: Settings
) -> None:
    rows = [build.device(f"dev-{status}", now, status=status) for status in DeviceStatus]
    await build.fleet(db, now, rows)
    async with db.begin() as session:
        every = [row["device_id"] for row in rows]
        asked = await renewals.renew(session, every, "olga", now, settings)
        assert set(asked) == {"dev-provisioned", "dev-active", "dev-maintenance", "dev-suspended"}
        assert await renewals.renew(session, every, "olga", now, settings) == {}
        made = (await session.execute(select(operations))).all()
        assert {row.kind for row in made} == {OperationKind.CERTIFICATE_RENEW}
        assert {row.expires_at for row in made} == {now + settings.certificates.renew_within}


@pytest.mark.parametrize(
    ("written", "kept"), [("00:0A:bC", "abc"), ("0x1F", "1f"), ("", ""), ("serial 5", ""), ("f" * 65, "")]
)
def test_serials_are_kept_in_one_form(written: str, kept: str) -> None:
    assert certificates.plain_serial(written) == kept
