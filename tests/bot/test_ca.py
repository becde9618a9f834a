"""`muster ca`: a CA is made once, its key is encrypted, and doctor says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot import ca
from bot.cli import cli
from bot.doctor import certificates as doctor
from bot.doctor.finding import Level
from fleet import pki
from fleet.errors import Refused
from fleet.settings import Settings
from tests import keyed
from tests.conftest import settings_for
from tests.keyed import PASSPHRASE

Muster = Callable[..., str]
NOW = datetime(2026, 3, 19, tzinfo=UTC)


@pytest.fixture
def muster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Muster:
    """Type a `muster ca` command where app.yaml names a CA."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSTER_CA_PASSPHRASE", PASSPHRASE)
    (tmp_path / "app.yaml").write_text(
        "slack: {bot_token: xoxb-x, app_token: xapp-x, ops_channel: C0}\n"
        "certificates: {ca_file: ca.pem, key_file: ca.key, crl_file: crl.pem, "
        "ca_passphrase: '${MUSTER_CA_PASSPHRASE:-}'}\n"
    )

    def typed(*words: str) -> str:
        result = CliRunner().invoke(cli, ["ca", *words])
        if isinstance(result.exception, Refused):
            return f"refused: {result.exception}"
        assert result.exit_code == 0, result.output
        return result.output

    return typed


def test_a_ca_is_made_once_and_signs_for_broker_and_muster(muster: Muster, tmp_path: Path) -> None:
    assert "The CA Muster CA is in ca.pem" in muster("init")
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    assert "ENCRYPTED" in (tmp_path / "ca.key").read_text()
    assert pki.read_list((tmp_path / "crl.pem").read_bytes()).entries == 0
    assert "is there already" in muster("init")
    muster("issue-server", "mqtt.example.com", "127.0.0.1")
    muster("issue-client")
    assert {path.name for path in tmp_path.glob("*.key")} == {"ca.key", "broker.key", "muster.key"}
    assert (tmp_path / "broker.key").stat().st_mode & 0o777 == 0o600
    assert "is there already" in muster("issue-client")


def test_without_passphrase_or_with_a_short_one_no_ca_is_made(
    muster: Muster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MUSTER_CA_PASSPHRASE", "short")
    assert "12 characters" in muster("init")
    assert not list(tmp_path.glob("ca.*"))


def given(folder: Path, **certificates: object) -> Settings:
    certificate, key = keyed.ca_files(keyed.MUSTER_CA)
    (folder / "ca.pem").write_text(certificate)
    (folder / "ca.key").write_text(key)
    (folder / "ca.key").chmod(0o600)
    files = {"ca_file": folder / "ca.pem", "key_file": folder / "ca.key", "ca_passphrase": PASSPHRASE}
    return settings_for(certificates={**files, "crl_file": folder / "crl.pem", **certificates})


def test_a_muster_with_an_unusable_ca_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="MUSTER_CA_PASSPHRASE"):
        ca.authority(given(tmp_path, ca_passphrase="another one").certificates)
    with pytest.raises(Refused, match=r"certificates\.ca_file"):
        ca.authority(given(tmp_path, ca_file=tmp_path / "nowhere.pem").certificates)
    assert ca.authority(given(tmp_path, key_file=None).certificates) is None
    (tmp_path / "factory.pem").write_text("nothing")
    unusable = settings_for(provisioning={"manufacturing_ca_file": tmp_path / "factory.pem"})
    with pytest.raises(Refused, match="manufacturing CA"):
        ca.manufacturers(unusable.provisioning)


def test_doctor_looks_at_the_ca_and_its_list(tmp_path: Path) -> None:
    settings = given(tmp_path)
    assert _levels(settings) == [Level.FINE, Level.WARNING]  # the list is not written yet
    authority = keyed.authority()
    for days, level in ((30, Level.FINE), (13, Level.WARNING), (0, Level.PROBLEM)):
        until = NOW + timedelta(days=days)
        (tmp_path / "crl.pem").write_text(authority.revocation_list([], 1, NOW - timedelta(days=1), until))
        assert _levels(settings) == [Level.FINE, level]
    (tmp_path / "crl.pem").write_bytes(b"")
    assert _levels(settings) == [Level.FINE, Level.PROBLEM]
    (tmp_path / "ca.key").chmod(0o644)
    assert _levels(settings)[:2] == [Level.FINE, Level.WARNING]
    assert _levels(given(tmp_path, ca_passphrase="another one"))[0] is Level.PROBLEM
    assert pki.read_list(authority.revocation_list([], 5, NOW, NOW + timedelta(days=1)).encode()).number == 5


def _levels(settings: Settings) -> list[Level]:
    return [finding.level for finding in doctor.check(settings, NOW)]
