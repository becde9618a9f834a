"""Devices into a file, and back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bot import exporting
from bot.devices_file import COLUMNS, SAID, Format, Source
from bot.exporting import Exporting
from bot.importing import Importing, Options
from fleet.errors import NotFound
from fleet.selector import parse
from storage import migrate
from storage.db import Database
from tests import build
from tests.conftest import NOW, settings_for


async def exported(db: Database, which: str = "all", kind: Format = Format.CSV, said: bool = False) -> str:
    out = io.StringIO(newline="")
    await Exporting(db, settings_for(), parse(which), NOW).run(out, kind, said, lambda done, total: None)
    return out.getvalue()


async def imported(db: Database, file: Path) -> int:
    await build.fleet(db, NOW, [])
    report = await Importing(db, settings_for(), Source(file), Options(), lambda: NOW).run(lambda *_: None)
    return report.added


async def test_a_group_that_is_none_is_refused_before_anything_is_written(db: Database) -> None:
    out = io.StringIO()
    with pytest.raises(NotFound, match="There is no group called nowhere"):
        await Exporting(db, settings_for(), parse("group:nowhere"), NOW).run(out, Format.CSV, False, lambda *_: None)
    assert out.getvalue() == ""


LINES = (
    {
        "device_id": "dev-1",
        "status": "provisioned",
        "site": 'Tromsø, "north"\n2nd floor',
        "model": "gw2",
        "target_config_version": build.NEW,
        "firmware_version": "1.4.2",
        "tags": {"a=b": "c;d=e\\", "fast": "true", "empty": ""},
        "groups": ["canary", "x;y\\"],
        "certificate_serial": "0a1b",
        "certificate_not_after": "2027-03-01T00:00:00+00:00",
    },
    {"device_id": "dev-2", "status": "active"},
)


@pytest.mark.parametrize("kind", list(Format))
async def test_what_is_exported_is_what_import_reads_back(db: Database, tmp_path: Path, kind: Format) -> None:
    first = tmp_path / "first.jsonl"
    first.write_text("".join(json.dumps(each) + "\n" for each in LINES))
    assert await imported(db, first) == 2
    before = await exported(db, kind=kind)
    if kind is Format.JSONL:
        assert [json.loads(line) for line in before.splitlines()] == list(LINES)

    file = tmp_path / f"fleet.{kind}"
    file.write_text(before, newline="")
    fresh = settings_for(f"sqlite+aiosqlite:///{tmp_path}/fresh.db").database
    other = Database(fresh)
    await migrate.upgrade(other)
    assert await imported(other, file) == 2
    after = await exported(other, kind=kind)
    await other.close()
    assert after == before


async def test_a_selector_chooses_and_pages_follow_one_another(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)
    made = [build.device(f"dev-{number}", NOW, site="oslo" if number % 2 else "bergen") for number in range(16)]
    tags = [{"device_id": f"dev-{number}", "name": "n", "value": str(number)} for number in range(16)]
    await build.fleet(db, NOW, made, tags=tags)
    lines = (await exported(db, "site:oslo")).splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert sorted(line.split(",")[0] for line in lines[1:]) == sorted(f"dev-{number}" for number in range(1, 16, 2))
    assert all(f"n={line.split(',')[0][4:]}" in line for line in lines[1:])


async def test_what_devices_said_is_added_when_asked_for_and_passed_over_by_import(
    db: Database, tmp_path: Path
) -> None:
    await build.fleet(db, NOW, [build.device("dev-1", NOW, last_seen_at=NOW)])
    said = await exported(db, said=True)
    assert said.splitlines()[0] == ",".join((*COLUMNS, *SAID))
    assert NOW.isoformat() in said
    (tmp_path / "all.csv").write_text(said.replace("dev-1", "dev-2"))
    assert await imported(db, tmp_path / "all.csv") == 1


async def test_progress_tells_how_many_of_how_many(db: Database) -> None:
    await build.fleet(db, NOW, [build.device(f"dev-{number}", NOW) for number in range(5)])
    told: list[tuple[int, int]] = []
    out = io.StringIO()
    written = await Exporting(db, settings_for(), parse("all"), NOW).run(
        out, Format.CSV, False, lambda *each: told.append(each)
    )
    assert (written, told) == (5, [(5, 5)])
