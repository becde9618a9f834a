"""Devices are asked for a request for a new certificate. What comes of it: storage/certificate_requests.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import LEGAL, CampaignKind
from fleet.operation import OperationKind, OperationState
from fleet.settings import Settings
from storage import batch, ids, operations
from storage.tables import devices as device_table
from storage.tables import operations as operation_table

_RENEWABLE = LEGAL[CampaignKind.ROTATE_CERTS]
_OPEN = (OperationState.QUEUED, OperationState.SENT)


async def renew(
    session: AsyncSession, device_ids: Sequence[str], by: str, now: datetime, settings: Settings
) -> dict[str, str]:
    """Ask these devices for a request for a new certificate. Returns the operation of each that was asked.

    Left out are those that were asked and have not answered, and those in no state for it (manufactured,
    decommissioned). It is sent for `certificates.renew_within`; a late answer is taken.
    """
    given = batch.texts(session)
    statement = (
        select(device_table.c.device_id)
        .join(given, given.c.value == device_table.c.device_id)
        .where(device_table.c.status.in_(_RENEWABLE))
    )
    found = list(await session.scalars(statement, {"given": batch.dump(device_ids)}))
    return await ask(session, found, by, now, now + settings.certificates.renew_within)


async def ask(
    session: AsyncSession, device_ids: Sequence[str], by: str, now: datetime, expires_at: datetime
) -> dict[str, str]:
    """Queue `certificate_renew` for these devices, in whatever state they are, but for those that were asked already.

    Returns the operation of each.
    """
    given = batch.texts(session)
    asked = (
        select(operation_table.c.device_id)
        .join(given, given.c.value == operation_table.c.device_id)
        .where(operation_table.c.kind == OperationKind.CERTIFICATE_RENEW, operation_table.c.state.in_(_OPEN))
    )
    before = set(await session.scalars(asked, {"given": batch.dump(device_ids)}))
    made = {each: ids.new("op", now) for each in sorted(device_ids) if each not in before}
    rows = [
        {
            "id": operation_id,
            "kind": OperationKind.CERTIFICATE_RENEW,
            "device_id": device_id,
            "requested_by": by,
            "created_at": now,
            "due_at": now,
            "expires_at": expires_at,
        }
        for device_id, operation_id in made.items()
    ]
    await operations.add(session, rows)
    return made
