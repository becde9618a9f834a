"""The CA in its files: read for whoever signs, and written once by `muster ca`."""

from __future__ import annotations

import os
from pathlib import Path

from fleet import pki
from fleet.errors import Refused
from fleet.pki import Manufacturers, OwnAuthority, Unfit
from fleet.settings import CertificateSettings, ProvisioningSettings


def authority(settings: CertificateSettings) -> OwnAuthority | None:
    """Muster's own CA; None where the settings name no key. Raises Refused, saying which file and what to do."""
    if not (settings.ca_file and settings.key_file and settings.ca_passphrase):
        return None
    certificate, key = read(settings.ca_file, "certificates.ca_file"), read(settings.key_file, "certificates.key_file")
    try:
        return pki.load(certificate, key, settings.ca_passphrase.get_secret_value(), settings.validity)
    except Unfit as why:
        raise Refused(
            f"The CA in {settings.ca_file} and {settings.key_file} cannot be used: {why}. "
            "Check certificates.ca_file, certificates.key_file and MUSTER_CA_PASSPHRASE."
        ) from None


def manufacturers(settings: ProvisioningSettings) -> Manufacturers | None:
    """Those whose devices may claim a certificate; None where the settings name none. Raises Refused."""
    if settings.manufacturing_ca_file is None:
        return None
    try:
        return pki.manufacturers(read(settings.manufacturing_ca_file, "provisioning.manufacturing_ca_file"))
    except Unfit as why:
        raise Refused(f"{settings.manufacturing_ca_file} cannot be used as a manufacturing CA: {why}.") from None


def read(path: Path, setting: str) -> bytes:
    """The bytes of a file that a setting names. Raises Refused."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise Refused(f"{path} cannot be read ({fault.strerror or fault}). Check the setting {setting}.") from None


def write_new(path: Path, text: str, mode: int) -> None:
    """A file that was not there. Raises Refused if it is, or cannot be written: nothing is ever overwritten."""
    check_new(path)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii") as file:
            file.write(text)
    except OSError as fault:
        raise Refused(f"{path} cannot be written: {fault.strerror or fault}.") from None


def check_new(path: Path) -> None:
    """Raises Refused if there is such a file."""
    if path.exists():
        raise Refused(f"{path} is there already, and is not overwritten. Move it away first if that is meant.")
