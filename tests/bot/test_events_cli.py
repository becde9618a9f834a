"""`muster events` and `muster ledger`, as typed on the machine of the bot."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from bot import cli
from fleet.event import DeliveryState
from fleet.settings import DatabaseSettings
from storage import event_deliveries, events
from storage.db import Database
from tests.conftest import NOW


@pytest.fixture
def app_yaml(tmp_path: Path, sqlite_url: str) -> Path:
    """A registry with one event that was taken and one that was given up."""
    file = tmp_path / "app.yaml"
    slack = {"bot_token": "a", "app_token": "b", "ops_channel": "C1"}
    file.write_text(yaml.safe_dump({"slack": slack, "database": {"url": sqlite_url}}))
    asyncio.run(_prepare(sqlite_url))
    return file


async def _prepare(url: str) -> None:
    db = Database(DatabaseSettings.model_validate({"url": url}))
    async with db.begin() as session:
        await events.emit_many(session, "billing.started", {"dev-1": {}, "dev-2": {}}, NOW)
        await event_deliveries.route(session, {"erp": ("*",)}, NOW, 10)
        rows = await event_deliveries.claim(session, "erp", NOW, "muster-1", NOW, 10)
        states = (DeliveryState.DELIVERED, DeliveryState.DEAD)
        settled = [
            {"seq": row.seq, "state": state, "due_at": NOW, "error": "HTTP 500"}
            for row, state in zip(rows, states, strict=True)
        ]
        await event_deliveries.settle(session, "erp", settled, NOW)
    await db.close()


def muster(app_yaml: Path, *words: str) -> Result:
    return CliRunner().invoke(cli.cli, [*words, "--settings", str(app_yaml)], env={"COLUMNS": "200"})


def test_what_was_given_up_is_listed_and_sent_again(app_yaml: Path) -> None:
    listed = muster(app_yaml, "events", "list", "--dead").stdout
    assert "dev-2" in listed
    assert "HTTP 500" in listed
    assert "dev-1" not in listed
    assert "1 to be sent again." in muster(app_yaml, "events", "replay", "--dead").stderr
    assert "Every event was taken." in muster(app_yaml, "events", "list", "--dead").stdout
    assert "pending" in muster(app_yaml, "events", "list").stdout


def test_replay_wants_one_event_or_all_that_are_dead(app_yaml: Path) -> None:
    assert "Name one event" in str(muster(app_yaml, "events", "replay").exception)
    assert "Name one event" in str(muster(app_yaml, "events", "replay", "ev-1", "--dead").exception)
    assert "No endpoint was ever sent ev-1" in str(muster(app_yaml, "events", "replay", "ev-1").exception)


def test_the_ledger_of_a_month_is_csv(app_yaml: Path, tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text("device_id,site,status\ndev-1,oslo,active\ndev-2,oslo,provisioned\n")
    assert muster(app_yaml, "import", str(file)).exit_code == 0
    month = f"{datetime.now(UTC):%Y-%m}"
    (row,) = csv.DictReader(io.StringIO(muster(app_yaml, "ledger", "--month", month).stdout))
    assert (row["device_id"], row["site"], row["still_billed"]) == ("dev-1", "oslo", "True")
    (entry,) = csv.DictReader(io.StringIO(muster(app_yaml, "ledger", "--month", month, "--entries").stdout))
    assert (entry["device_id"], entry["kind"], entry["by"]) == ("dev-1", "start", "muster import")
    assert len(muster(app_yaml, "ledger", "--month", "2020-01").stdout.splitlines()) == 1
    assert "2999-01 has not begun" in str(muster(app_yaml, "ledger", "--month", "2999-01").exception)
