"""How devices are asked to renew, how the certificate gets to them, and what follows when its time has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.certificate import CertificateState
from fleet.roles import MUSTER
from jobs.spec import Dispatch, Run, job
from link.publish import Outgoing
from link.topics import Order
from link.wire import CertificateIssued, CertificateRenew
from storage import audit, certificate_ends, certificates, devices
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

_BATCH = 500


async def _asked(run: Run, session: AsyncSession, rows: Sequence[AnyRow]) -> dict[str, Outgoing]:
    ends = await devices.certificate_ends(session, [row.device_id for row in rows])
    return {
        row.id: Outgoing(
            run.topics.of(row.device_id, Order.CERTIFICATE_RENEW),
            CertificateRenew(
                operation_id=row.id,
                attempt=row.attempt,
                not_after=ends.get(row.device_id),
                expires_at=row.expires_at,
            ).encode(),
        )
        for row in rows
    }


async def _issued(run: Run, session: AsyncSession, rows: Sequence[AnyRow]) -> dict[str, Outgoing]:
    """One that was revoked meanwhile has no message, so that its operation is cancelled."""
    issued = await certificates.by_serials(session, [row.params["serial"] for row in rows])
    usable = {serial: row.pem for serial, row in issued.items() if row.state is not CertificateState.REVOKED}
    return {
        row.id: Outgoing(
            run.topics.of(row.device_id, Order.CERTIFICATE_ISSUED),
            CertificateIssued(
                operation_id=row.params["operation_id"] or row.id,
                certificate_pem=usable[row.params["serial"]],
                chain_pem=row.params["chain_pem"],
            ).encode(),
        )
        for row in rows
        if row.params["serial"] in usable
    }


ASKED = Dispatch(messages=_asked)
ISSUED = Dispatch(messages=_issued)


@job("renewals", every=timedelta(minutes=1), woken_by=("certificates",))
async def follow_up(run: Run) -> datetime | None:
    """Revoke old certificates once the new ones have worked for a while; close renewals that nobody answered."""
    async with run.db.read() as session:
        if not await certificate_ends.anything_over(session, run.now):
            return await certificate_ends.next_revocation(session, run.now)
    async with run.db.begin(CLOCK) as session:
        gone = await certificate_ends.revoke_superseded(session, run.now, _BATCH)
        silent = await certificate_ends.close_unanswered(session, run.now, _BATCH)
        if gone:
            serials = {row.serial: row.device_id for row in gone}
            await audit.add(session, run.now, MUSTER.id, "certificate.revoked", f"{len(gone)} superseded", serials)
    log.info("certificates followed up", revoked=len(gone), unanswered=silent)
    return run.now if _BATCH in (len(gone), silent) else None
