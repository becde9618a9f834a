"""What is typed on the machine of the bot: exit codes, sentences, files."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from bot import cli
from bot.devices_file import COLUMNS
from sandbox.broker import free_port


@pytest.fixture
def app_yaml(tmp_path: Path, sqlite_url: str) -> Path:
    file = tmp_path / "app.yaml"
    slack = {"bot_token": "a", "app_token": "b", "ops_channel": "C1", "base_url": f"http://127.0.0.1:{free_port()}/"}
    file.write_text(yaml.safe_dump({"slack": slack, "database": {"url": sqlite_url}, "mqtt": {"port": free_port()}}))
    return file


def muster(app_yaml: Path, *words: str) -> Result:
    return CliRunner().invoke(cli.cli, [*words, "--settings", str(app_yaml)])


def refused(app_yaml: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    """The exit code of the console script itself."""
    monkeypatch.setattr(sys, "argv", ["muster", *words, "--settings", str(app_yaml)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def written(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "devices.csv"
    file.write_text("\n".join(lines))
    return file


def test_devices_go_in_and_come_out_again(app_yaml: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "device_id,site,tags", "dev-1,oslo,env=prod", "dev-2,bergen,")
    assert muster(app_yaml, "import", str(file)).exit_code == 0
    out = muster(app_yaml, "export", "site:oslo")
    assert out.exit_code == 0
    (row,) = csv.DictReader(io.StringIO(out.stdout))
    assert (tuple(row), row["device_id"], row["tags"]) == (COLUMNS, "dev-1", "env=prod")
    assert "1 devices written to standard output." in out.stderr

    to = tmp_path / "fleet.jsonl"
    assert muster(app_yaml, "export", "--output", str(to)).exit_code == 0
    assert len(to.read_text().splitlines()) == 2
    assert not to.with_name("fleet.jsonl.part").exists()


def test_bad_rows_are_listed_and_the_exit_code_is_1(
    app_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "device_id", "dev-1", "dev 2")
    assert refused(app_yaml, monkeypatch, "import", str(file)) == 1
    assert "line 3: 'dev 2' cannot be a device id" in " ".join(capsys.readouterr().err.split())


def test_bad_rows_are_skipped_when_told_to(app_yaml: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "device_id", "dev-1", "dev 2")
    rejects = tmp_path / "rejects.csv"
    out = muster(app_yaml, "import", str(file), "--skip-bad", "--rejects", str(rejects))
    assert out.exit_code == 0
    assert "1 devices registered" in out.stderr
    assert "1 rows are wrong and were skipped" in out.stderr
    assert "dev 2" in rejects.read_text()


def test_a_file_that_cannot_be_written_is_a_sentence(
    app_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(app_yaml, monkeypatch, "export", "-o", str(tmp_path / "none" / "fleet.csv")) == 1
    assert "cannot be written" in " ".join(capsys.readouterr().err.split())


def test_doctor_names_every_part_that_is_away_and_ends_with_1(app_yaml: Path) -> None:
    out = muster(app_yaml, "doctor")
    assert out.exit_code == 1
    said = " ".join(out.stdout.split())
    assert "✓ settings" in said
    assert "✓ migrations" in said
    assert "✗ broker" in said
    assert "✗ Slack" in said
    assert "2 to mend, 2 to know of." in said


def test_migrate_says_where_the_database_is(app_yaml: Path) -> None:
    assert "already" in muster(app_yaml, "migrate").output


def test_the_audit_is_verified_against_a_head_and_exported(app_yaml: Path, tmp_path: Path) -> None:
    unchecked = muster(app_yaml, "audit", "verify")
    assert (unchecked.exit_code, "set MUSTER_AUDIT_KEY" in " ".join(unchecked.stderr.split())) == (2, True)
    settings = yaml.safe_load(app_yaml.read_text())
    settings["audit"] = {"key": "k" * 32, "head_file": str(tmp_path / "heads.jsonl")}
    app_yaml.write_text(yaml.safe_dump(settings))
    assert muster(app_yaml, "import", str(written(tmp_path, "device_id", "dev-1"))).exit_code == 0
    whole = muster(app_yaml, "audit", "verify")
    assert (whole.exit_code, "The chain is whole" in whole.stdout) == (0, True)
    assert "not sealed yet" in whole.stdout
    cut = muster(app_yaml, "audit", "verify", "--head", f"7:{'ab' * 32}")
    assert (cut.exit_code, "its tail was cut off" in cut.stdout) == (1, True)
    lines = muster(app_yaml, "audit", "export", "--since", "2026-01-01").stdout.splitlines()
    assert "devices.imported" in [json.loads(line)["action"] for line in lines]


def test_a_configuration_is_kept_only_under_a_name_that_can_be_typed(
    app_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "body.json"
    file.write_text("{}")
    assert refused(app_yaml, monkeypatch, "config", "bad name", str(file)) == 1
    assert "cannot be a version name" in " ".join(capsys.readouterr().err.split())
    assert muster(app_yaml, "config", "2026.11.0", str(file)).exit_code == 0
