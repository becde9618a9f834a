"""How devices are asked for a request for a new certificate, and how the certificate gets to them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.certificate import CertificateState
from jobs.spec import Dispatch, Run
from link.publish import Outgoing
from link.topics import Order
from link.wire import CertificateIssued, CertificateRenew
from storage import certificates, devices
from storage.db import AnyRow


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
