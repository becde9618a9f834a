"""The CA, its key and its passphrase, and how old the list of revoked certificates is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from bot import ca
from bot.doctor.finding import Finding, fine, problem, warning
from fleet import pki
from fleet.errors import Refused
from fleet.pki import Unfit
from fleet.settings import CertificateSettings, Settings

_ENDS_SOON = timedelta(days=365)


def check(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Nothing where no CA is configured."""
    policy = settings.certificates
    if policy.ca_file:
        yield from _authority(policy, now)
    if policy.crl_file:
        yield _revocation_list(policy, policy.crl_file, now)
    try:
        makers = ca.manufacturers(settings.provisioning)
    except Refused as why:
        yield problem(
            "claims", str(why), "Set provisioning.manufacturing_ca_file to the CA that signs for the factory."
        )
    else:
        if makers:
            yield fine("claims", f"devices of {len(makers.cas)} manufacturing CA may claim a certificate")


def _authority(policy: CertificateSettings, now: datetime) -> Iterator[Finding]:
    if policy.key_file is None:
        yield fine("ca", "no key here: this replica issues nothing, another one must")
        return
    try:
        authority = ca.authority(policy)
    except Refused as why:
        yield problem("ca", str(why), "Make a CA with `muster ca init`, or restore its files and passphrase.")
        return
    if authority is None:
        return
    if authority.ends_at - now < _ENDS_SOON:
        said = f"the CA ends on {authority.ends_at:%Y-%m-%d}, and every certificate with it"
        yield warning("ca", said, "Make the next CA now, and let devices renew while the broker trusts both.")
    else:
        yield fine("ca", f"the key is decrypted and fits; valid until {authority.ends_at:%Y-%m-%d}")
    if policy.key_file.stat().st_mode & 0o077:
        yield warning("ca", f"others can read {policy.key_file}", f"chmod 600 {policy.key_file}")


def _revocation_list(policy: CertificateSettings, path: Path, now: datetime) -> Finding:
    part = "crl"
    if not path.exists():
        return warning(part, f"{path} is not written yet", "Start Muster: it writes it within a minute.")
    try:
        found = pki.read_list(path.read_bytes())
    except (OSError, Unfit) as why:
        mend = "A broker with it refuses every device. Start Muster: it writes it anew."
        return problem(part, f"{path} cannot be read as a revocation list: {why}", mend)
    left = found.ends_at - now
    if left <= timedelta(0):
        said = f"the list in {path} ended on {found.ends_at:%Y-%m-%d %H:%M} UTC: the broker refuses every device"
        return problem(part, said, "Start a Muster that has the key of the CA, and look at its log.")
    if left < policy.crl_alert_before:
        said = f"the list in {path} ends on {found.ends_at:%Y-%m-%d} and was not renewed"
        return warning(part, said, "Start a Muster that has the key of the CA, and look at its log.")
    return fine(part, f"list {found.number} with {found.entries:,} entries, until {found.ends_at:%Y-%m-%d}")
