"""Entries of the audit about the settings, and about devices that a batch names."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from fleet.settings_change import flat
from storage import audit
from storage.db import Database
from storage.tables import audit as entries
from storage.tables import audit_subjects
from tests.conftest import NOW, settings_for


async def test_a_start_with_other_settings_is_noted_with_their_names(db: Database) -> None:
    first, second = flat(settings_for()), flat(settings_for(drift={"retries": 5}))
    async with db.begin() as session:
        assert await audit.note_settings(session, "muster-1", first, NOW) == []
        assert await audit.note_settings(session, "muster-1", first, NOW + timedelta(hours=1)) == []
        assert await audit.note_settings(session, "muster-2", second, NOW + timedelta(hours=1)) == []
        assert await audit.note_settings(session, "muster-1", second, NOW + timedelta(hours=2)) == ["drift.retries"]
        rows = (await session.execute(select(entries).order_by(entries.c.at, entries.c.subject))).all()
    assert [(row.action, row.subject) for row in rows] == [
        ("settings.recorded", "settings of muster-1"),
        ("settings.recorded", "settings of muster-2"),
        ("settings.changed", "settings of muster-1"),
    ]
    assert rows[-1].data["changed"] == {"drift.retries": ["3", "5"]}


async def test_a_batch_is_in_the_story_of_each_of_its_devices(db: Database) -> None:
    async with db.begin() as session:
        await audit.add(session, NOW, "olga", "config.pushed", "2 devices", {"devices": ["dev-1", "dev-2"]}, ["dev-3"])
        await audit.add(session, NOW, "olga", "drift.swept", "fleet", {"devices": 12})
        assert sorted(await session.scalars(select(audit_subjects.c.device_id))) == ["dev-1", "dev-2", "dev-3"]
