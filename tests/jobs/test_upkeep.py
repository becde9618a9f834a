from __future__ import annotations

from datetime import datetime, timedelta

from fleet.settings import Settings
from storage import seen_events
from storage.db import Database
from tests.house import House


async def test_events_that_slack_will_not_send_again_are_forgotten(
    db: Database, settings: Settings, now: datetime
) -> None:
    house = House(db, settings, now)
    async with db.begin() as session:
        await seen_events.take(session, "Ev-old", now - timedelta(days=3))
        await seen_events.take(session, "Ev-new", now - timedelta(days=1))
    await house.settle()
    async with db.begin() as session:
        assert await seen_events.take(session, "Ev-old", now)
        assert not await seen_events.take(session, "Ev-new", now)
