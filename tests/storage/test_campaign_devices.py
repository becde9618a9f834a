"""What moves the devices of a campaign costs a look at each device, whatever was so at the last ANALYZE."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import true, update

from fleet.campaign import TargetState
from fleet.operation import OperationKind, OperationState
from storage import campaign_devices, campaign_outcomes, campaigns, operations
from storage.db import Database
from storage.tables import campaign_devices as targets
from storage.tables import campaigns as campaign_rows
from storage.tables import devices
from storage.tables import operations as operation_rows
from tests import build
from tests.build import OLD
from tests.postgres import analyze, rows_read
from tests.storage.planning import planned

DEVICES = 800  # so many that PostgreSQL does not read a table as a whole for one row, however small it believes it
PER_DEVICE = 20  # rows read; a walk of everything for each device reads hundreds


@pytest.fixture
def registry_url(postgres_registry: str) -> str:
    """It is PostgreSQL that guesses from statistics."""
    return postgres_registry


async def all_under_way(db: Database, now: datetime) -> str:
    """Analyzed while nothing was under way; then everything is, before anybody has looked again."""
    await build.fleet(
        db,
        now,
        [build.device(f"dev-{n:03}", now, reported_config_version=OLD, last_seen_at=now) for n in range(DEVICES)],
    )
    row = await planned(db, now)
    await analyze(db)
    ids = [f"dev-{n:03}" for n in range(DEVICES)]
    new = {"kind": OperationKind.CONFIG, "requested_by": "olga", "created_at": now, "due_at": now}
    async with db.begin() as session:
        await session.execute(update(campaign_rows).values(status="running", wave=1))
        await operations.add(
            session, [{**new, "id": f"op-{each}", "device_id": each, "campaign_id": row.id} for each in ids]
        )
        asked = [
            {"device_id": each, "operation_id": f"op-{each}", "due_at": now + timedelta(minutes=5)} for each in ids
        ]
        await campaign_devices.dispatched(session, await campaigns.get(session, row.id), asked, now)
    return row.id


async def test_what_came_of_a_wave_is_read_once_for_each_device(db: Database, now: datetime) -> None:
    campaign_id = await all_under_way(db, now)
    async with db.begin() as session:
        answered = update(operation_rows).where(operation_rows.c.device_id < "dev-600")
        await session.execute(answered.values(state=OperationState.DONE))
        await session.execute(
            update(operation_rows).where(operation_rows.c.device_id >= "dev-600").values(state=OperationState.REJECTED)
        )
    async with db.begin() as session:
        row = await campaigns.get(session, campaign_id)
        before = await rows_read(session)
        assert await campaign_outcomes.follow(session, row, now, timedelta(minutes=5)) == DEVICES
        assert await rows_read(session) - before < DEVICES * PER_DEVICE
        assert await campaigns.tally(session, campaign_id) == {TargetState.SUCCEEDED: 600, TargetState.REJECTED: 200}
        before = await rows_read(session)
        assert await campaign_devices.retry(session, row, true()) == (200, 200)
        assert await rows_read(session) - before < DEVICES * PER_DEVICE


async def test_parked_devices_that_were_heard_are_read_once_each(db: Database, now: datetime) -> None:
    campaign_id = await all_under_way(db, now)
    async with db.begin() as session:
        await session.execute(update(targets).values(state=TargetState.PARKED, settled_at=now))
        await session.execute(update(devices).values(last_seen_at=now + timedelta(minutes=1)))
    async with db.begin() as session:
        row = await campaigns.get(session, campaign_id)
        before = await rows_read(session)
        assert await campaign_outcomes.look_at_parked(session, row, now) == DEVICES
        assert await campaign_devices.exclude(session, row, true(), "left out", now) == DEVICES
        assert await rows_read(session) - before < DEVICES * PER_DEVICE
