"""Devices that are new, and the certificates of every device."""

from __future__ import annotations

from typing import Annotated

from commands.spec import Call, Rest, command
from fleet.certificate import CertificateState
from fleet.errors import BadInput, Refused
from fleet.lifecycle import UNWATCHED, DeviceStatus
from fleet.message import Button, Message
from fleet.pki import LONGEST_NAME
from fleet.roles import Role
from link.topics import is_device_id
from storage import audit, certificate_requests, certificates, configs, devices, fences, registration, renewals
from storage.tables import Certificate, CertificateRequest, Device

_SHOWN = 5
_LONGEST_LABEL = 128
_CLOCK_OFF_S = 300.0
_ALL_REVOKED = (
    "The certificates of {} are revoked, so what it asks for is refused. To let it have a new one all the same:"
)


@command("device register", role=Role.OPERATOR, example="device register dev-1 --site oslo --model gw2")
async def register(
    call: Call,
    device: str,
    *,
    site: Annotated[str, "where it is"] = "",
    model: Annotated[str, "what it is"] = "",
    config: Annotated[str | None, "the configuration it shall run from its first connection on"] = None,
) -> Message:
    """Take a new device into the registry: it is manufactured, and waits to be provisioned.

    `--config` is what it shall run from its first connection on. Many devices at once come by `muster import`.
    """
    if not is_device_id(device):
        raise BadInput(f"{device} cannot name a device: up to 128 letters, digits and . _ : - after a letter or digit.")
    if max(len(site), len(model)) > _LONGEST_LABEL:
        raise BadInput(f"A site or a model has at most {_LONGEST_LABEL} characters.")
    row = {"device_id": device, "status": DeviceStatus.MANUFACTURED.value, "site": site, "model": model}
    async with call.db.begin() as session:
        if config:
            await configs.get(session, config)
        if not await registration.add(session, [{**row, "target": config}], call.now):
            there = await devices.get(session, device)
            raise Refused(f"{device} is registered already: it is {there.status}. /fleet device show {device} has it.")
        told = {"site": site, "model": model, "config": config}
        await audit.add(session, call.now, call.person.id, "device.registered", device, told)
    return Message(
        template="device/registered",
        data={"device_id": device, "site": site, "model": model, "config": config},
        buttons=(Button(text="Provision", run=f"device provision {device}"), _show(device)),
    )


@command("device provision", role=Role.OPERATOR, example="device provision dev-1")
async def provision(call: Call, device: str) -> Message:
    """Let a device have a certificate: the request it has sent is answered, or the next one it sends.

    A manufactured device is provisioned by that. Any other may have one more certificate: after its own were revoked,
    or when it has lost its key and claims anew.
    """
    if call.settings.certificates.ca_file is None:
        raise Refused("There is no CA here. Make one with `muster ca init`, and set certificates.ca_file.")
    if len(device) > LONGEST_NAME:
        raise Refused(f"A certificate can name {LONGEST_NAME} characters, and the id {device} has {len(device)}.")
    async with call.db.begin() as session:
        row = await devices.get(session, device)
        if row.status is DeviceStatus.DECOMMISSIONED:
            raise Refused(f"{device} is decommissioned, which is for good. It gets no certificate any more.")
        waited = await certificate_requests.want(session, device, call.person.id, call.now)
        if waited is None:
            until = call.now + call.settings.certificates.renew_within
            await renewals.ask(session, [device], call.person.id, call.now, until)
        await audit.add(session, call.now, call.person.id, "device.wanted", device, {"status": row.status.value})
    return Message(
        template="device/provisioning",
        data={"device_id": device, "status": row.status.value, "asked_at": waited.received_at if waited else None},
        buttons=(_certificates(device), _show(device)),
    )


@command("device cert", role=Role.VIEWER, example="device cert dev-1")
async def cert(call: Call, device: str) -> Message:
    """The certificates of a device, the newest first, and what it asked for last."""
    async with call.db.read() as session:
        row = await devices.get(session, device)
        known = await certificates.of_device(session, device, _SHOWN)
        active = await certificates.active(session, device)
        request = await certificate_requests.newest(session, device)
        revoked = await certificates.all_revoked(session, device)
    return Message(
        template="device/certificates",
        data={
            "now": call.now,
            "device_id": device,
            "serial": active.serial if active else "" if known else row.certificate_serial,
            "state": active.state.value if active else "",
            "not_after": active.not_after if active else row.certificate_not_after,
            "rows": [_row(each) for each in known],
            "refused": revoked and row.status not in UNWATCHED,
            "request": _request(request),
            **_clock(row),
        },
        buttons=(*_next(row, revoked), _show(device)),
    )


def _next(device: Device, revoked: bool) -> tuple[Button, ...]:
    """How the device comes to another certificate: it is asked for a request, or somebody must allow it one anew."""
    if device.status in UNWATCHED:
        return ()
    verb = "provision" if revoked else "renew"
    return (Button(text=verb.capitalize(), run=f"device {verb} {device.device_id}"),)


def _row(certificate: Certificate) -> list[object]:
    state = certificate.state.value
    if certificate.state is CertificateState.REVOKED and certificate.listed_at is None:
        state += ", not listed yet"
    return [certificate.serial[-12:], state, certificate.issued_at, certificate.not_after, certificate.reason]


def _request(request: CertificateRequest | None) -> list[object] | None:
    if request is None:
        return None
    kind = "claim" if request.claim is not None else "request"
    return [kind, request.state.value, request.received_at, request.why]


def _clock(device: Device) -> dict[str, float | None]:
    """A device whose clock is far off may take a new certificate for one that is not valid yet, or over."""
    skew = device.clock_skew_s
    return {"clock_off_s": skew if skew is not None and abs(skew) > _CLOCK_OFF_S else None}


@command("device renew", role=Role.OPERATOR, example="device renew dev-1")
async def renew(call: Call, device: str) -> Message:
    """Ask a device for a request for a new certificate. The old one works until the new one has for a while."""
    async with call.db.begin() as session:
        row = await devices.get(session, device)
        if row.status not in UNWATCHED and await certificates.all_revoked(session, device):
            raise Refused(f"{_ALL_REVOKED.format(device)} /fleet device provision {device}")
        asked = await renewals.renew(session, [device], call.person.id, call.now, call.settings)
        if not asked:
            raise Refused(_why_not_renewed(row))
        await audit.add(session, call.now, call.person.id, "certificate.asked", device, asked)
        stopped = await fences.told(session, call.now)
    return Message(
        template="device/renewing",
        data={
            "device_id": device,
            "not_after": row.certificate_not_after,
            "within_s": call.settings.certificates.renew_within.total_seconds(),
            "revoke_after_s": call.settings.certificates.revoke_after.total_seconds(),
            **_clock(row),
            **stopped,
        },
        buttons=(_certificates(device), _show(device)),
    )


def _why_not_renewed(device: Device) -> str:
    name = device.device_id
    match device.status:
        case DeviceStatus.MANUFACTURED:
            return f"{name} is manufactured and has no certificate. Let it have one: /fleet device provision {name}"
        case DeviceStatus.DECOMMISSIONED:
            return f"{name} is decommissioned, which is for good. It gets no certificate any more."
    return f"{name} was asked already and has not answered. See /fleet device cert {name}"


@command("device revoke", role=Role.APPROVER, example="device revoke dev-1 its key was copied", fresh_role=True)
async def revoke(call: Call, device: str, reason: Rest) -> Message:
    """Revoke every certificate of a device: the broker refuses it from its next connection on.

    Its state stays as it is. It gets no new certificate by asking, until somebody provisions it again.
    """
    async with call.db.begin() as session:
        await devices.get(session, device)
        serials = await certificates.revoke(session, [device], reason, call.now)
        if not serials:
            raise Refused(f"{device} has no valid certificate that Muster knows. See /fleet device cert {device}")
        told = {"reason": reason, "serials": serials}
        await audit.add(session, call.now, call.person.id, "certificate.revoked", device, told)
    return Message(
        template="device/revoked",
        data={
            "device_id": device,
            "serials": serials,
            "reason": reason,
            "listed": call.settings.certificates.crl_file is not None,
        },
        buttons=(_certificates(device), _show(device)),
    )


def _show(device: str) -> Button:
    return Button(text="Show device", run=f"device show {device}")


def _certificates(device: str) -> Button:
    return Button(text="Certificates", run=f"device cert {device}")
