"""Certificates rotated through the campaign engine, in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

import jobs.approvals
import jobs.campaigns
from fleet.campaign import TargetState
from fleet.certificate import CertificateState
from fleet.operation import OperationKind, OperationState
from fleet.rotation import DAY
from storage import campaign_news, campaigns, devices
from storage import certificates as certificates_of
from storage.db import AnyRow, Database
from storage.tables import certificates, operations
from tests import build
from tests.conftest import NOW, ON_SQLITE, settings_for
from tests.house import House
from tests.typed import refused, types

MINUTE = timedelta(minutes=1)


async def a_house(db: Database, ends: Sequence[timedelta]) -> House:
    """Online devices whose certificates end so long from now; nobody needs to approve."""
    policy = {"approvals": {"policies": [{"approvals": 0}]}, "drift": {"online_within": "90d"}}
    house = House(db, settings_for(**policy), NOW)
    rows = [
        build.device(f"dev-{n:05}", NOW, site=f"site-{n % 7}", last_seen_at=NOW, certificate_not_after=NOW + left)
        for n, left in enumerate(ends)
    ]
    await build.fleet(db, NOW, rows)
    return house


async def begun(house: House, line: str) -> str:
    planned = await types(house, line)
    await types(house, f"bulk ask {planned.data['campaign_id']}")
    await jobs.approvals.start.work(house.run())
    return str(planned.data["campaign_id"])


async def asked(house: House, since: int) -> Sequence[AnyRow]:
    """What the campaign asked of devices, in the order of its moments, but for the first `since`."""
    async with house.db.read() as session:
        columns = (operations.c.device_id, operations.c.due_at, operations.c.id, operations.c.campaign_id)
        statement = select(*columns).where(operations.c.kind == OperationKind.CERTIFICATE_RENEW)
        return (await session.execute(statement.order_by(operations.c.due_at, operations.c.id).offset(since))).all()


async def renewed(house: House, rows: Sequence[AnyRow]) -> None:
    """These devices use a new certificate, as if they had been asked and had answered."""
    made = [
        {
            "serial": row.id.removeprefix("op-").lower(),
            "device_id": row.device_id,
            "state": CertificateState.INSTALLED,
            "not_before": house.now,
            "not_after": house.now + timedelta(days=365),
            "pem": "",
            "issued_at": house.now,
            "installed_at": house.now,
            "campaign_id": row.campaign_id,
        }
        for row in rows
    ]
    done = {"state": OperationState.DONE, "settled_at": house.now}
    async with house.db.begin() as session:
        await session.execute(insert(certificates), made)
        await session.execute(update(operations).where(operations.c.id.in_([row.id for row in rows])).values(done))


async def test_ten_thousand_devices_are_rotated_in_order_by_quota_and_pace(sqlite_url: str) -> None:
    db = Database(settings_for(sqlite_url).database)
    ends = [timedelta(days=31 + n * 37 % 330, minutes=n % 1000) for n in range(10_000)]
    house = await a_house(db, ends)
    not_after = {f"dev-{n:05}": NOW + left for n, left in enumerate(ends)}
    await begun(house, "bulk rotate-certs all --per-minute 400")
    at: dict[str, datetime] = {}
    while house.now < NOW + 31 * DAY and len(at) < len(ends):
        due = await jobs.campaigns.advance.work(house.run())
        new = await asked(house, len(at))
        at |= {row.device_id: row.due_at for row in new}
        if new:
            await renewed(house, new)
        elif due and due > house.now:
            house.now = due
    await db.close()

    assert len(at) == 10_000
    in_turn = sorted(at, key=lambda each: at[each])
    assert [not_after[each] for each in in_turn] == sorted(not_after.values())  # the earliest end first
    assert max(Counter((moment - NOW) // DAY for moment in at.values()).values()) <= 334
    assert max(at.values()) < NOW + 30 * DAY
    moments = sorted(at.values())
    within_a_minute = [moments[i + 400] - moments[i] for i in range(len(moments) - 400)]
    assert min(within_a_minute) >= MINUTE  # any 401 of them take longer
    assert all(moment < not_after[each] for each, moment in at.items())  # nobody expired before their turn


async def test_only_who_uses_its_new_certificate_has_succeeded(db: Database) -> None:
    house = await a_house(db, [timedelta(days=40)] * 3)
    campaign_id = await begun(house, "bulk rotate-certs all --over 1d")
    for _ in range(3):
        await jobs.campaigns.advance.work(house.run())
    await renewed(house, (await asked(house, 0))[:1])
    await jobs.campaigns.advance.work(house.run())
    async with house.db.read() as session:
        tally = await campaigns.tally(session, campaign_id)
    assert tally == {TargetState.SUCCEEDED: 1, TargetState.DISPATCHED: 2}


async def facts(house: House, campaign_id: str) -> dict[str, Any]:
    async with house.db.read() as session:
        return await campaign_news.facts(session, await campaigns.get(session, campaign_id), house.now)


async def test_a_rotation_is_not_said_to_be_over_before_its_days_and_the_old_certificates_are(db: Database) -> None:
    house = await a_house(db, [timedelta(days=40), timedelta(days=50), timedelta(days=60)])
    campaign_id = await begun(house, "bulk rotate-certs id:dev-00000,dev-00001 --over 2d")
    for day in range(2):
        for _ in range(3):
            await jobs.campaigns.advance.work(house.run())
        await renewed(house, await asked(house, day))
        for _ in range(3):
            await jobs.campaigns.advance.work(house.run())
        if day == 0:
            said = await facts(house, campaign_id)
            assert DAY < said["eta"] - NOW < DAY + MINUTE
            assert said["old_certificates"] is None
            house.now = said["due_at"]
    old = {"serial": "00", "device_id": "dev-00000", "not_before": NOW, "not_after": NOW + DAY, "pem": ""}
    old |= {"state": CertificateState.SUPERSEDED, "issued_at": NOW, "revoke_at": house.now + DAY}
    async with db.begin() as session:
        await session.execute(insert(certificates), [old, old | {"serial": "01", "device_id": "dev-00002"}])
    assert (await facts(house, campaign_id))["old_certificates"] == {"devices": 1, "until": house.now + DAY}


@ON_SQLITE
async def test_the_preview_says_who_would_be_too_late_and_over_how_many_days_nobody_would(db: Database) -> None:
    house = await a_house(db, [timedelta(days=n / 4 + 1.5) for n in range(20)])  # four a day end
    preview = await types(house, "bulk rotate-certs all --over 10d")
    assert preview.data["takes_s"] == timedelta(days=10).total_seconds()
    assert preview.data["notes"] == [
        "2 devices a day for 10 days, the earliest end first, at most 60 a minute.",
        ":warning: 17 certificates end before their turn is over; with --over 6d none would.",
        "Each old certificate is revoked 1d after its new one was first in use.",
    ]
    assert len((await types(house, "bulk rotate-certs all --over 6d")).data["notes"]) == 2


async def test_an_old_certificate_lives_until_the_new_one_was_seen_in_use(db: Database) -> None:
    house = await a_house(db, [40 * DAY])
    old = {"serial": "a1", "device_id": "dev-00000", "not_before": NOW, "not_after": NOW + 40 * DAY, "pem": ""}
    async with db.begin() as session:
        await certificates_of.record(session, [old], NOW)
        await certificates_of.installed(session, [{"device_id": "dev-00000", "serial": "a1"}], NOW, house.settings)
    campaign_id = await begun(house, "bulk rotate-certs all")
    await jobs.campaigns.advance.work(house.run())
    await jobs.campaigns.advance.work(house.run())
    [row] = await asked(house, 0)
    new = {**old, "serial": "b2", "not_after": NOW + 365 * DAY, "campaign_id": campaign_id, "operation_id": row.id}
    async with db.begin() as session:
        await certificates_of.record(session, [new], NOW)

    async def state(serial: str) -> str:
        async with db.read() as session:
            return str((await certificates_of.by_serials(session, [serial]))[serial].state.value)

    await house.later(minutes=5)
    assert (await state("a1"), await state("b2")) == ("installed", "issued")
    shown = await types(house, f"bulk show {campaign_id}")
    assert shown.data["succeeded"] == 0
    await house.hear("dev-00000/certificate/installed", {"serial": "b2"})
    await house.settle()
    assert (await state("a1"), await state("b2")) == ("superseded", "installed")
    assert (await types(house, f"bulk show {campaign_id}")).data["succeeded"] == 1
    await house.later(hours=25)
    await house.say("dev-00000", build.NEW)
    await house.settle()
    assert await state("a1") == "revoked"


async def test_a_device_whose_certificates_are_revoked_is_left_out_with_the_way_to_a_new_one(db: Database) -> None:
    house = await a_house(db, [timedelta(days=30)] * 2)
    certified = {"serial": "4A:0F", "device_id": "dev-00000", "not_after": NOW + timedelta(days=30)}
    async with db.begin() as session:
        await devices.certified(session, [certified])
        await certificates_of.revoke(session, ["dev-00000"], "stolen", NOW)
    planned = await types(house, "bulk rotate-certs all")
    [skipped] = planned.data["skipped"]
    assert skipped[1].startswith("its certificates are revoked")


async def test_a_rotation_over_no_time_or_over_years_is_refused(db: Database) -> None:
    house = await a_house(db, [timedelta(days=30)])
    assert "--over needs a time" in await refused(house, "bulk rotate-certs all --over 0d")
    assert "--over takes at most 366d" in await refused(house, "bulk rotate-certs all --over 400d")
