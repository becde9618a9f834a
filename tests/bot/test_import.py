"""Devices from a file: everything or nothing, unless told otherwise; and again after it was ended half-way."""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot import importing
from bot.devices_file import Row, Source, Wrong
from bot.importing import Importing, Options, Report
from fleet.errors import BadInput, Refused
from fleet.lifecycle import DeviceStatus
from storage import audit, devices
from storage import tables as t
from storage.db import Database
from storage.tables import Device
from tests import build
from tests.build import NEW, OLD
from tests.conftest import NOW, settings_for

LATER = datetime.fromisoformat("2026-03-20T10:00:00+00:00")


def write(tmp_path: Path, *lines: str, name: str = "devices.csv") -> Path:
    file = tmp_path / name
    file.write_text("\n".join(lines) + "\n")
    return file


async def run(db: Database, file: Path, now: datetime = NOW, **options: Any) -> Report:
    await build.fleet(db, NOW, [])
    seen: list[tuple[str, int, int]] = []
    importing = Importing(db, settings_for(), Source(file), Options(**options), lambda: now)
    report = await importing.run(lambda *told: seen.append(told))
    assert all(done <= total for _, done, total in seen)
    return report


async def count(db: Database) -> int:
    async with db.read() as session:
        return await session.scalar(select(func.count()).select_from(t.devices)) or 0


async def device(db: Database, device_id: str) -> tuple[Device, dict[str, str], list[str]]:
    async with db.read() as session:
        return await devices.get(session, device_id), *await devices.labels(session, device_id)


async def actions(db: Database) -> list[str]:
    async with db.read() as session:
        return list(await session.scalars(select(t.audit.c.action).order_by(t.audit.c.id)))


async def test_a_csv_is_registered_with_tags_groups_and_certificate(db: Database, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "device_id,status,site,model,target_config_version,firmware_version,tags,groups,certificate_not_after",
        f"dev-1,provisioned,oslo,gw2,{NEW},1.4.2,env=prod;fast,canary;oslo-2,2027-03-01T00:00:00+01:00",
        "dev-2,,,,,,,,",
    )
    assert (await run(db, file)).added == 2
    row, tags, groups = await device(db, "dev-1")
    assert (row.status, row.site, row.target_config_version) == (DeviceStatus.PROVISIONED, "oslo", NEW)
    assert (row.firmware_version, row.firmware_key > "", row.target_set_at) == ("1.4.2", True, NOW)
    assert row.certificate_not_after == datetime.fromisoformat("2027-02-28T23:00:00+00:00")
    assert (tags, groups) == ({"env": "prod", "fast": "true"}, ["canary", "oslo-2"])
    other, _, _ = await device(db, "dev-2")
    assert (other.status, other.target_config_version, other.reported_config_version) == ("active", None, "")
    assert await actions(db) == ["import.began", "devices.imported"]


async def test_json_lines_are_registered_alike(db: Database, tmp_path: Path) -> None:
    made = {"device_id": "dev-1", "site": "oslo", "tags": {"a;b": "c=d"}, "groups": ["x;y", "z"]}
    assert (await run(db, write(tmp_path, json.dumps(made), "", name="devices.jsonl"))).added == 1
    _, tags, groups = await device(db, "dev-1")
    assert (tags, groups) == ({"a;b": "c=d"}, ["x;y", "z"])


BAD = (
    "device_id,status,target_config_version,tags",
    "dev-1,active,,",
    "no spaces allowed,active,,",
    "dev-1,active,,",
    "dev-3,asleep,,",
    "dev-4,active,9.9,",
    f"dev-5,active,{OLD},=nameless",
    "dev-6,active,,,and more",
    "dev-7,active,,env=prod",
)


async def test_a_file_with_wrong_rows_imports_nothing_and_lists_them(db: Database, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        await run(db, write(tmp_path, *BAD))
    said = str(refused.value)
    assert "6 rows" in said
    assert "nothing was imported" in said
    for wanted in (
        "line 3: 'no spaces allowed' cannot be a device id",
        "line 4: dev-1 stands on line 2 already",
        "line 5: the status 'asleep' is unknown",
        "line 6: there is no configuration 9.9",
        "line 7: the tag '' has no name",
        "line 8: it has more cells than the first line has titles",
    ):
        assert wanted in said
    assert (await count(db), await actions(db)) == (0, [])


async def test_the_good_rows_alone_when_told_to_and_the_bad_ones_into_a_file(db: Database, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    report = await run(db, write(tmp_path, *BAD), skip_bad=True, rejects=rejects)
    assert (report.added, report.wrong_count) == (2, 6)
    rows = list(csv.DictReader(rejects.read_text().splitlines()))
    assert [row["line"] for row in rows] == ["3", "4", "5", "6", "7", "8"]
    assert (rows[2]["device_id"], rows[2]["status"]) == ("dev-3", "asleep")


async def test_a_mended_file_of_rejects_can_be_imported_as_it_is(db: Database, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    await run(db, write(tmp_path, "device_id,status,tags", "dev-1,asleep,a=b\\;c"), skip_bad=True, rejects=rejects)
    rejects.write_text(rejects.read_text().replace("asleep,", "active,", 2))
    assert (await run(db, rejects, LATER)).added == 1
    assert (await device(db, "dev-1"))[1] == {"a": "b;c"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "it is not JSON"),
        ("[1]", "it is not a JSON object"),
        ('{"device_id":"a","colour":"red"}', "there is no column colour"),
        ('{"device_id":"a","site":7}', "site must be text"),
        ('{"device_id":"a","tags":7}', "tags cannot be read"),
        ('{"device_id":"a","tags":{"b":7}}', "the values of tags must be text"),
        ('{"device_id":"a","groups":[""]}', "groups must be names"),
        ('{"device_id":"a","site":"\\ud800"}', "site is not UTF-8"),
        ('{"device_id":"a","site":"\\u0000"}', "site has a NUL"),
        (f'{{"device_id":"a","site":"{"x" * 129}"}}', "site is longer than 128 characters"),
        ('{"device_id":"a","certificate_not_after":"soon"}', "certificate_not_after is no moment"),
        ('{"device_id":"a","certificate_not_after":"2027-01-01T00:00:00"}', "certificate_not_after has no time zone"),
        ("{}", "'' cannot be a device id"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(tmp_path: Path, line: str, problem: str) -> None:
    (wrong,) = Source(write(tmp_path, line, name="devices.jsonl")).rows()
    assert isinstance(wrong, Wrong)
    assert problem in wrong.problem


def test_bytes_that_are_no_utf8_spoil_their_row_only(tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_bytes(b"\xef\xbb\xbfdevice_id,site\ndev-1,troms\xf8\ndev-2,troms\xc3\xb8\n")
    wrong, row = Source(file).rows()
    assert isinstance(wrong, Wrong)
    assert (wrong.line, wrong.problem) == (2, "site is not UTF-8")
    assert isinstance(row, Row)
    assert row.values["site"] == "tromsø"


@pytest.mark.parametrize("titles", ["id,site", "device_id,colour", "device_id,site,site", ""])
def test_a_first_line_that_is_no_titles_is_refused(tmp_path: Path, titles: str) -> None:
    with pytest.raises(BadInput, match="must name the columns"):
        list(Source(write(tmp_path, titles, "a,b")).rows())


async def test_a_registered_device_is_refused_unless_it_is_to_be_changed(db: Database, tmp_path: Path) -> None:
    await build.fleet(db, NOW, [build.device("dev-1", NOW, last_seen_at=NOW)])
    file = write(tmp_path, "device_id,site,firmware_version,tags", "dev-1,bergen,9.9,env=test", "dev-2,bergen,9.9,")
    with pytest.raises(BadInput, match="line 2: dev-1 is registered already; --update changes it"):
        await run(db, file)
    report = await run(db, file, update=True)
    assert (report.added, report.changed) == (1, 1)
    row, tags, _ = await device(db, "dev-1")
    assert (row.site, row.model, row.target_config_version, row.registered_at) == ("bergen", "gw2", NEW, NOW)
    assert row.firmware_version == "1.4.0"  # what it said itself holds
    assert tags == {"env": "test"}
    again = await run(db, file, LATER, update=True)
    assert (again.added, again.changed) == (0, 2)


async def test_an_update_replaces_labels_and_keeps_those_that_the_file_has_no_column_for(
    db: Database, tmp_path: Path
) -> None:
    labels = {
        "tags": [{"device_id": "dev-1", "name": "old", "value": "1"}],
        "groups": [{"device_id": "dev-1", "name": "kept"}],
    }
    await build.fleet(db, NOW, [build.device("dev-1", NOW)], **labels)
    await run(db, write(tmp_path, "device_id,tags", "dev-1,new=1"), update=True)
    assert (await device(db, "dev-1"))[1:] == ({"new": "1"}, ["kept"])


async def test_an_update_changes_no_status_and_no_decommissioned_device(db: Database, tmp_path: Path) -> None:
    gone = build.device("dev-2", NOW, status=DeviceStatus.DECOMMISSIONED)
    await build.fleet(db, NOW, [build.device("dev-1", NOW), gone])
    with pytest.raises(BadInput) as refused:
        await run(db, write(tmp_path, "device_id,status", "dev-1,suspended", "dev-2,active"), update=True)
    assert "dev-1 is active; an import does not change that" in str(refused.value)
    assert "dev-2 is decommissioned" in str(refused.value)


async def test_an_update_leaves_out_decommissioned_devices_that_stand_in_the_file_as_such(
    db: Database, tmp_path: Path
) -> None:
    gone = [build.device(each, NOW, status=DeviceStatus.DECOMMISSIONED) for each in ("dev-2", "dev-3")]
    await build.fleet(db, NOW, [build.device("dev-1", NOW), *gone])
    lines = ("device_id,status,site", "dev-1,active,bergen", "dev-2,decommissioned,bergen", "dev-3,,bergen")
    report = await run(db, write(tmp_path, *lines), update=True)
    assert (report.changed, report.gone, report.wrong_count) == (1, 2, 0)
    assert [(await device(db, f"dev-{each}"))[0].site for each in (1, 2, 3)] == ["bergen", "oslo", "oslo"]


async def test_an_update_gives_a_few_devices_another_target_and_not_the_fleet(db: Database, tmp_path: Path) -> None:
    names = [f"dev-{number}" for number in range(11)]
    await build.fleet(db, NOW, [build.device(each, NOW) for each in names])
    lines = ["device_id,target_config_version", *(f"{each},{OLD}" for each in names)]
    with pytest.raises(Refused, match="11 registered devices another target"):
        await run(db, write(tmp_path, *lines), update=True)
    await run(db, write(tmp_path, *lines[:-1]), LATER, update=True)
    row, _, _ = await device(db, "dev-0")
    assert (row.target_config_version, row.target_set_at) == (OLD, LATER)
    untouched, _, _ = await device(db, "dev-10")
    assert untouched.target_config_version == NEW


class Ended(Exception):
    """As `kill -9` between two transactions."""


async def test_an_import_that_was_ended_half_way_goes_on_where_it_stopped(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "WRITTEN_AT_ONCE", {True: 10, False: 10})
    file = write(tmp_path, "device_id,tags", *(f"dev-{number:03},n={number}" for number in range(25)))
    await build.fleet(db, NOW, [])

    def end(doing: str, done: int, total: int) -> None:
        if (doing, done) == ("writing", 20):
            raise Ended

    with pytest.raises(Ended):
        await Importing(db, settings_for(), Source(file), Options(), lambda: NOW).run(end)
    assert await count(db) == 20
    report = await run(db, file, LATER)
    assert (report.added, report.resumed, await count(db)) == (5, 20, 25)
    assert (await device(db, "dev-024"))[0].registered_at == NOW
    assert await actions(db) == ["import.began", "devices.imported"]
    with pytest.raises(BadInput, match="25 rows"):
        await run(db, file, LATER)


async def test_going_on_does_not_take_what_somebody_else_registered(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "WRITTEN_AT_ONCE", {True: 1, False: 1})
    await build.fleet(db, NOW, [])
    file = write(tmp_path, "device_id", "dev-1", "dev-2")

    def registered_by_another(doing: str, done: int, total: int) -> None:
        if (doing, done) == ("writing", 1):
            asyncio.get_running_loop().create_task(build.fleet(db, NOW, [build.device("dev-2", LATER)]))

    async def slowly(self: Importing, *args: Any, **more: Any) -> None:
        await asyncio.sleep(0.05)
        await written(self, *args, **more)

    written = Importing._write_chunk
    monkeypatch.setattr(Importing, "_write_chunk", slowly)
    report = await Importing(db, settings_for(), Source(file), Options(), lambda: NOW).run(registered_by_another)
    assert (report.added, report.meanwhile) == (1, ["dev-2"])


async def test_a_file_that_changes_while_it_is_read_imports_nothing(db: Database, tmp_path: Path) -> None:
    await build.fleet(db, NOW, [])
    file = write(tmp_path, "device_id", "dev-1")

    def change(*_: object) -> None:
        file.write_text("device_id\ndev-2\n")

    with pytest.raises(Refused, match="was changed while it was read"):
        await Importing(db, settings_for(), Source(file), Options(), lambda: NOW).run(change)
    assert await count(db) == 0


async def test_the_audit_names_the_file_and_its_devices(db: Database, tmp_path: Path) -> None:
    async with db.begin() as session:
        await audit.add(session, NOW, "olga", "config.assigned", "x")
    await run(db, write(tmp_path, "device_id", "dev-1"), LATER)
    async with db.read() as session:
        entry = (await session.execute(select(t.audit).where(t.audit.c.action == "devices.imported"))).one()
    assert entry.subject.startswith("import:")
    assert (entry.data["file"], entry.data["devices"]) == ("devices.csv", 1)
