"""What becomes of a device's request for a certificate.

    it was met before ────────────────────────> Again, the same certificate
    a device of nobody ───────────────────────> only a claim, and only where that is allowed, registers it
    Manufactured ── a claim, or somebody wants it ──> Issue, and it is Provisioned
                 └─ a request only ───────────> Wait for `device provision`
    Provisioned, Active, Maintenance, Suspended
        somebody wants it ────────────────────> Issue
        all it had are revoked ───────────────> Refuse: whoever holds a revoked key could ask, too
        it was asked to renew ────────────────> Issue, once
        unasked ── it got none just now ──────> Issue
                └─ else ──────────────────────> Refuse
        a claim ── nothing is in use yet ─────> Issue (the answer was lost)
                └─ else ──────────────────────> Refuse
    Decommissioned ───────────────────────────> Refuse

The way out of a refusal is always `device provision`: somebody says that the device may have one more certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.lifecycle import DeviceStatus


@dataclass(frozen=True, slots=True)
class Asking:
    """A request, and how its device stands. `status` None: it is not registered.

    `met` says that this very request has its certificate, `met_valid` that this is not revoked. `renewing`: it is the
    first answer to what Muster asked of this device. `valid` and `revoked` count the device's certificates, `installed`
    those that it has used.
    """

    claim: bool
    status: DeviceStatus | None
    wanted: bool = False
    renewing: bool = False
    met: bool = False
    met_valid: bool = False
    valid: int = 0
    revoked: int = 0
    installed: int = 0
    last_issued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """`registers`: the device is taken into the registry first. `provisions`: it becomes Provisioned by it."""

    registers: bool = False
    provisions: bool = False


@dataclass(frozen=True, slots=True)
class Again:
    """Send what was issued for it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Until somebody provisions the device."""


@dataclass(frozen=True, slots=True)
class Refuse:
    why: str


Decision = Issue | Again | Wait | Refuse


def decide(asking: Asking, now: datetime, accept_unknown: bool, unasked_every: timedelta) -> Decision:
    """What becomes of it now."""
    if asking.met:
        return Again() if asking.met_valid else Refuse("the certificate of this request is revoked")
    match asking.status:
        case None:
            if accept_unknown:
                return Issue(registers=True, provisions=True)
            return Refuse("the device is not registered, and provisioning.accept_unknown is off")
        case DeviceStatus.DECOMMISSIONED:
            return Refuse("the device is decommissioned")
        case DeviceStatus.MANUFACTURED:
            return Issue(provisions=True) if asking.claim or asking.wanted else Wait()
    if asking.wanted:
        return Issue()
    if asking.revoked and not asking.valid:
        return Refuse("its certificates are revoked; /fleet device provision lets it have a new one")
    if asking.renewing:
        return Issue()
    return _of_a_claim(asking) if asking.claim else _unasked(asking, now, unasked_every)


def _of_a_claim(asking: Asking) -> Decision:
    if asking.installed:
        return Refuse("the device has had a certificate; /fleet device provision lets it have another by a claim")
    return Issue()


def _unasked(asking: Asking, now: datetime, every: timedelta) -> Decision:
    if asking.last_issued_at and asking.last_issued_at > now - every:
        return Refuse("it got one a short while ago, and nobody asked it (certificates.unasked_every)")
    return Issue()
