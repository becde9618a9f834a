"""What is exported of a device before it goes: everything, counted, with a digest that notices any change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from fleet.operation import OperationKind
from storage import audit, dead_letters, device_export, operations
from storage.db import Database
from storage.dead_letters import Letter
from storage.device_export import Export
from storage.tables import metadata
from tests import build

HOSTILE = 'line\none\u2028two "three" \\ \x00'.replace("\x00", "\x1f")


async def exported(db: Database, now: datetime) -> dict[str, Export]:
    labels = {"tags": [{"device_id": "dev-1", "name": "env", "value": HOSTILE}]}
    labels["groups"] = [{"device_id": "dev-1", "name": "few"}]
    await build.fleet(db, now, [build.device("dev-1", now), build.device("dev-2", now)], **labels)
    asked = {"id": "op-1", "kind": OperationKind.CONFIG, "device_id": "dev-1", "requested_by": "olga"}
    async with db.begin() as session:
        await operations.add(session, [{**asked, "created_at": now, "due_at": now, "params": {"a": [1, None]}}])
        await dead_letters.add(session, [Letter("dev-1", "dev-1/status", "not json", "", b"\xff\x00", now)])
        both = {"devices": ["dev-1", "dev-2"], "why": HOSTILE}
        await audit.add(session, now, "olga", "device.active", "2 devices", both)
        return await device_export.of_devices(session, ["dev-1", "dev-2"])


async def test_an_export_holds_every_row_about_the_device_and_none_about_others(db: Database, now: datetime) -> None:
    made = await exported(db, now)
    lines = [json.loads(line) for line in made["dev-1"].text.splitlines()]
    assert {line["table"] for line in lines} == {
        *("devices", "device_tags", "device_groups", "operations", "dead_letters", "audit")
    }
    of = {line["table"]: line for line in lines}
    assert of["device_tags"]["value"] == HOSTILE
    assert of["operations"]["params"] == {"a": [1, None]}
    assert of["dead_letters"]["payload"] == "/wA="
    assert of["audit"]["data"] == {"devices": 2, "why": HOSTILE}  # the other devices are not this one's business
    assert "dev-2" not in made["dev-1"].text
    assert [json.loads(line)["table"] for line in made["dev-2"].text.splitlines()] == ["devices", "audit"]


async def test_an_export_that_was_changed_is_noticed(db: Database, now: datetime) -> None:
    good = (await exported(db, now))["dev-1"]
    assert good.sound
    assert not replace(good, text=good.text.replace("few", "new")).sound
    assert not replace(good, text=good.text.rsplit("\n", 2)[0] + "\n").sound
    assert not replace(good, rows=good.rows + 1).sound
    assert not replace(good, text="{").sound


def test_no_table_with_devices_is_forgotten() -> None:
    exported_ones = {table.name for table in device_export.tables()}
    with_devices = {name for name, table in metadata.tables.items() if "device_id" in table.c}
    assert with_devices - exported_ones == {"decommissions", "audit_subjects"}
