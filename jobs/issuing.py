"""Requests for certificates are judged, signed and answered. Signing is done in a thread, outside of transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import pki
from fleet.certificate import CertificateState, RequestState
from fleet.lifecycle import DeviceStatus
from fleet.operation import OperationKind
from fleet.pki import Authority, Issued, Manufacturers, Unfit
from fleet.provisioning import Again, Asking, Decision, Issue, Refuse, decide
from fleet.roles import MUSTER
from jobs.spec import Run, job
from storage import audit, certificate_requests, certificates, ids, lifecycle, operations, registration
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """A request, what becomes of it, and the certificate that was signed for it."""

    row: AnyRow
    decision: Decision
    issued: Issued | None = None


@job("issuing", every=timedelta(minutes=1), woken_by=(certificate_requests.WAKES,))
async def issue(run: Run) -> datetime | None:
    """Answer devices that ask for a certificate: a new one, the same again, or none."""
    if run.authority is None:
        return None  # another replica has the key
    async with run.db.read() as session:
        found = await certificate_requests.pending(session, run.now, _BATCH)
        due = None if found else await certificate_requests.next_due(session)
    if not found:
        return due
    rows = list({row.device_id: row for row in reversed(found)}.values())  # one of each device at a time, oldest first
    judged = await asyncio.to_thread(_judge, run, run.authority, rows)
    async with run.db.begin(CLOCK) as session:
        unchanged = {(row.device_id, row.key) for row in await certificate_requests.still(session, rows)}
        await _write(run, session, [each for each in judged if (each.row.device_id, each.row.key) in unchanged])
    return run.now


def _judge(run: Run, authority: Authority, rows: Sequence[AnyRow]) -> list[Judged]:
    """Runs in a thread: it decides and signs, and touches nothing else."""
    policy, every = run.settings.provisioning, run.settings.certificates.unasked_every
    judged = []
    for row in rows:
        decision, issued = decide(_asking(row), run.now, policy.accept_unknown, every), None
        if isinstance(decision, Issue):
            try:
                if row.claim is not None:
                    _check_claim(row, run.manufacturers, run.now, policy.claim_window)
                issued = authority.issue(row.csr_pem, row.device_id, run.now)
            except Unfit as unfit:
                decision = Refuse(str(unfit))
        judged.append(Judged(row, decision, issued))
    return judged


def _asking(row: AnyRow) -> Asking:
    return Asking(
        claim=row.claim is not None,
        status=row.status,
        wanted=row.wanted_by is not None,
        renewing=row.renewing is not None,
        met=row.serial is not None,
        met_valid=row.serial_state is not None and row.serial_state is not CertificateState.REVOKED,
        valid=row.valid,
        revoked=row.revoked,
        installed=row.installed,
        last_issued_at=row.last_issued_at,
    )


def _check_claim(row: AnyRow, manufacturers: Manufacturers | None, now: datetime, window: timedelta) -> None:
    if manufacturers is None:
        raise Unfit("claims are not taken: provisioning.manufacturing_ca_file is not set")
    claim = row.claim
    key = manufacturers.key_of(claim["certificate_pem"], row.device_id, now)
    pki.check_signature(key, claim["signature"], claim["signed"].encode())
    # The moment that it came, not the present: a claim that waited for Muster is not late.
    if abs(datetime.fromisoformat(claim["issued_at"]) - row.received_at) > window:
        raise Unfit("the claim was made too long ago, or the device's clock is wrong (provisioning.claim_window)")


async def _write(run: Run, session: AsyncSession, judged: Sequence[Judged]) -> None:
    refused = {each.row.device_id: each.decision.why for each in judged if isinstance(each.decision, Refuse)}
    new = [each for each in judged if each.issued]
    if new:
        await _record(run, session, new)
    answered = [each for each in judged if isinstance(each.decision, Issue | Again)]
    chain = run.authority.chain_pem if run.authority else ""
    await operations.add(session, [_operation(run, each, chain) for each in answered])
    await certificate_requests.settle(session, [_settled(each) for each in judged])
    if refused:
        await audit.add(session, run.now, MUSTER.id, "certificate.refused", audit.subject_of(refused), {"why": refused})
        log.warning("certificate requests refused", why=refused)


async def _record(run: Run, session: AsyncSession, new: Sequence[Judged]) -> None:
    strangers = [each.row.device_id for each in new if isinstance(each.decision, Issue) and each.decision.registers]
    if strangers:
        fresh = [{"device_id": each, "status": DeviceStatus.MANUFACTURED.value} for each in strangers]
        await registration.add(session, fresh, run.now)
        about, told = audit.subject_of(strangers), {"devices": strangers}
        await audit.add(session, run.now, MUSTER.id, "device.registered", about, told)
    await certificates.record(session, [_certificate(each) for each in new], run.now)
    serials = {each.row.device_id: each.issued.serial for each in new if each.issued}
    await audit.add(session, run.now, MUSTER.id, "certificate.issued", audit.subject_of(serials), {"serials": serials})
    for by, why, device_ids in _provisioned(new):
        await lifecycle.move(session, device_ids, DeviceStatus.PROVISIONED, by, why, run.now, run.settings)
    await certificate_requests.no_longer_wanted(session, list(serials))


def _provisioned(new: Sequence[Judged]) -> list[tuple[str, str, list[str]]]:
    """Those that become Provisioned by it, by who wanted that: a person, or the device's own claim."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in new:
        if isinstance(each.decision, Issue) and each.decision.provisions:
            why = "zero-touch claim" if each.row.claim is not None else "certificate issued"
            groups.setdefault((each.row.wanted_by or MUSTER.id, why), []).append(each.row.device_id)
    return [(by, why, device_ids) for (by, why), device_ids in groups.items()]


def _certificate(each: Judged) -> dict[str, Any]:
    assert each.issued is not None
    return {
        "serial": each.issued.serial,
        "device_id": each.row.device_id,
        "not_before": each.issued.not_before,
        "not_after": each.issued.not_after,
        "pem": each.issued.pem,
        "operation_id": each.row.renewing,
        "campaign_id": each.row.campaign_id,
    }


def _operation(run: Run, each: Judged, chain_pem: str) -> dict[str, Any]:
    return {
        "id": ids.new("op", run.now),
        "kind": OperationKind.CERTIFICATE_ISSUED,
        "device_id": each.row.device_id,
        "requested_by": each.row.wanted_by or MUSTER.id,
        "created_at": run.now,
        "due_at": run.now,
        "expires_at": run.now + run.settings.certificates.renew_within,
        "params": {
            "serial": each.issued.serial if each.issued else each.row.serial,
            "operation_id": each.row.renewing,
            "chain_pem": chain_pem,
        },
    }


def _settled(each: Judged) -> dict[str, Any]:
    match each.decision:
        case Issue() | Again():
            state, why = RequestState.ISSUED, ""
        case Refuse(why=why):
            state = RequestState.REFUSED
        case _:
            state, why = RequestState.WAITING, ""
    serial = each.issued.serial if each.issued else None
    return {"device_id": each.row.device_id, "key": each.row.key, "state": state.value, "serial": serial, "why": why}
