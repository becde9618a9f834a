"""`muster ca init|issue-server|issue-client`: Muster's own CA, and certificates for the machines of the house."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from bot import ca as ca_files
from bot import settings_file
from bot.screen import with_made_up_secrets
from bot.with_registry import APP_YAML, SettingsFile
from fleet import pki
from fleet.errors import Refused
from fleet.settings import CertificateSettings

ca = typer.Typer(no_args_is_help=True, help="Muster's own certificate authority.")

Folder = Annotated[Path, typer.Option("--out", help="The folder that certificate and key are written to.")]
HERE = Path()
SHORTEST_PASSPHRASE = 12


@ca.command()
def init(
    name: Annotated[str, typer.Option(help="What it is called in every certificate.")] = "Muster CA",
    years: Annotated[int, typer.Option(min=1, max=50, help="How long it is valid.")] = 10,
    settings: SettingsFile = APP_YAML,
) -> None:
    """Make the CA: its certificate, and its key encrypted with MUSTER_CA_PASSPHRASE, where the settings name them.

    Also a first, empty revocation list, where certificates.crl_file is set: a broker does not start without it.
    """
    policy = _policy(settings)
    if not (policy.ca_file and policy.key_file and policy.ca_passphrase):
        raise Refused(
            "Set certificates.ca_file and certificates.key_file in app.yaml to where the CA is to be, and "
            "MUSTER_CA_PASSPHRASE in the environment. Then ask again."
        )
    passphrase = policy.ca_passphrase.get_secret_value()
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise Refused(f"MUSTER_CA_PASSPHRASE guards the fleet: make it {SHORTEST_PASSPHRASE} characters or more.")
    for path in filter(None, (policy.ca_file, policy.key_file, policy.crl_file)):
        ca_files.check_new(path)
    certificate, key = pki.create(name, passphrase, _utc_now(), timedelta(days=365 * years))
    ca_files.write_new(policy.key_file, key, 0o600)
    ca_files.write_new(policy.ca_file, certificate, 0o644)
    if policy.crl_file:
        _first_list(policy, policy.crl_file)
    typer.echo(f"The CA {name} is in {policy.ca_file}, its key in {policy.key_file}. Back up both, and the passphrase.")


def _first_list(policy: CertificateSettings, path: Path) -> None:
    """A list of nobody, as a broker does not start without one; Muster replaces it when it starts."""
    if authority := ca_files.authority(policy):
        now = _utc_now()
        ca_files.write_new(path, authority.revocation_list([], 0, now, now + policy.crl_valid_for), 0o644)


@ca.command("issue-server")
def issue_server(
    hosts: Annotated[list[str], typer.Argument(help="Names and addresses by which clients reach the broker.")],
    out: Folder = HERE,
    settings: SettingsFile = APP_YAML,
) -> None:
    """A certificate and a key for the broker: broker.pem and broker.key."""
    _pair(settings, out, "broker", hosts[0], hosts)


@ca.command("issue-client")
def issue_client(
    name: Annotated[str, typer.Argument(help="The user that the broker's ACL knows it by.")] = "muster",
    out: Folder = HERE,
    settings: SettingsFile = APP_YAML,
) -> None:
    """A certificate and a key for Muster itself, or another service: <name>.pem and <name>.key."""
    _pair(settings, out, name, name, [])


def _pair(settings: Path, folder: Path, file: str, name: str, hosts: list[str]) -> None:
    authority = ca_files.authority(_policy(settings))
    if authority is None:
        raise Refused("The settings name no CA to sign with. Make one with `muster ca init` first.")
    now = _utc_now()
    certificate, key = authority.pair(name, hosts, now)
    ca_files.write_new(folder / f"{file}.key", key, 0o600)
    ca_files.write_new(folder / f"{file}.pem", certificate, 0o644)
    until = min(now + authority.validity, authority.ends_at)
    typer.echo(f"{folder / file}.pem and {folder / file}.key are for {name}, until {until:%Y-%m-%d}.")


def _policy(settings: Path) -> CertificateSettings:
    """The CA needs nothing of Slack, so its tokens need not be set yet."""
    return settings_file.load(settings, with_made_up_secrets(os.environ)).certificates


def _utc_now() -> datetime:
    return datetime.now(UTC)
