"""What devices ask for certificates: one row for each request, however often it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.certificate import CertificateState, RequestState
from fleet.operation import OperationKind, OperationState
from storage import batch
from storage.db import AnyRow, earliest, wake
from storage.tables import (
    CertificateRequest,
    certificate_requests,
    certificates,
    devices,
    operations,
    provisionings,
)

WAKES = "certificate requests"

_PENDING = text("certificate_requests.state = 'pending'")  # as the partial index has it
_ANSWERABLE = (OperationState.QUEUED, OperationState.SENT, OperationState.EXPIRED)


async def receive(session: AsyncSession, rows: Sequence[Mapping[str, Any]], now: datetime) -> set[tuple[str, str]]:
    """Take in requests: device_id, key, digest, csr_pem, operation_id, claim. One that was there is looked at again.

    Returns (device_id, key) of those whose key was used before for something else: they are not taken.
    """
    insert = batch.insert(session, certificate_requests)
    statement = insert.on_conflict_do_update(
        index_elements=["device_id", "key"],
        set_={"state": RequestState.PENDING, "due_at": now},
        where=and_(
            certificate_requests.c.digest == insert.excluded.digest,
            certificate_requests.c.state != RequestState.WAITING,
        ),
    )
    new = [{**row, "state": RequestState.PENDING, "received_at": now, "due_at": now} for row in rows]
    await session.execute(statement, new)
    wake(session, WAKES)
    given = batch.rows(session, {"device_id": batch.TEXT, "key": batch.TEXT, "digest": batch.TEXT})
    others = select(given.c.device_id, given.c.key).join(
        certificate_requests,
        and_(certificate_requests.c.device_id == given.c.device_id, certificate_requests.c.key == given.c.key),
    )
    told = ({name: row[name] for name in ("device_id", "key", "digest")} for row in rows)
    found = await session.execute(
        others.where(certificate_requests.c.digest != given.c.digest), {"given": batch.dump(told)}
    )
    return {(row.device_id, row.key) for row in found}


def _count(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    counted = select(func.count()).select_from(certificates).correlate(certificate_requests)
    return counted.where(certificates.c.device_id == certificate_requests.c.device_id, *conditions).scalar_subquery()


async def pending(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """Up to `limit` requests to decide on: their columns, and how their device stands.

    Also: status (None: not registered), wanted_by, serial_state, renewing, campaign_id, valid, revoked, installed,
    last_issued_at.
    """
    met = certificates.alias("met")
    of_device = certificates.c.device_id == certificate_requests.c.device_id
    state = certificates.c.state
    newest = select(func.max(certificates.c.issued_at)).where(of_device).correlate(certificate_requests)
    answered = select(certificates.c.serial).where(of_device, certificates.c.operation_id == operations.c.id)
    asked = and_(
        operations.c.id == certificate_requests.c.operation_id,
        operations.c.device_id == certificate_requests.c.device_id,
        operations.c.kind == OperationKind.CERTIFICATE_RENEW,
        operations.c.state.in_(_ANSWERABLE),
        batch.not_found(answered.correlate(certificate_requests, operations)),
    )
    statement = (
        select(
            certificate_requests,
            devices.c.status,
            provisionings.c.requested_by.label("wanted_by"),
            met.c.state.label("serial_state"),
            operations.c.id.label("renewing"),
            operations.c.campaign_id,
            _count(state != CertificateState.REVOKED).label("valid"),
            _count(state == CertificateState.REVOKED).label("revoked"),
            _count(certificates.c.installed_at.is_not(None)).label("installed"),
            newest.scalar_subquery().label("last_issued_at"),
        )
        .outerjoin(devices, devices.c.device_id == certificate_requests.c.device_id)
        .outerjoin(provisionings, provisionings.c.device_id == certificate_requests.c.device_id)
        .outerjoin(met, met.c.serial == certificate_requests.c.serial)
        .outerjoin(operations, asked)
        .where(_PENDING, certificate_requests.c.due_at <= now)
        .order_by(certificate_requests.c.due_at, certificate_requests.c.device_id, certificate_requests.c.key)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def still(session: AsyncSession, rows: Sequence[AnyRow]) -> list[AnyRow]:
    """Those of `pending` that are as they were; nobody else moves their devices until the commit."""
    given = batch.rows(session, {"device_id": batch.TEXT, "key": batch.TEXT})
    asked = batch.dump({"device_id": row.device_id, "key": row.key} for row in rows)
    lock = select(devices.c.device_id, devices.c.status).where(devices.c.device_id.in_(select(given.c.device_id)))
    locked = await session.execute(lock.order_by(devices.c.device_id).with_for_update(of=devices), {"given": asked})
    status = dict(locked.all())
    open_ones = (
        select(certificate_requests.c.device_id, certificate_requests.c.key)
        .join(
            given,
            and_(certificate_requests.c.device_id == given.c.device_id, certificate_requests.c.key == given.c.key),
        )
        .where(_PENDING)
        .with_for_update(of=certificate_requests)
    )
    pending_now = {(row.device_id, row.key) for row in await session.execute(open_ones, {"given": asked})}
    return [row for row in rows if (row.device_id, row.key) in pending_now and status.get(row.device_id) == row.status]


async def settle(session: AsyncSession, decided: Sequence[Mapping[str, Any]]) -> None:
    """What became of them: device_id, key, state, serial, why."""
    names = ("device_id", "key", "state", "serial", "why")
    given = batch.rows(session, dict.fromkeys(names, batch.TEXT))
    statement = (
        update(certificate_requests)
        .where(certificate_requests.c.device_id == given.c.device_id, certificate_requests.c.key == given.c.key)
        .values(
            state=given.c.state,
            serial=func.coalesce(given.c.serial, certificate_requests.c.serial),
            why=given.c.why,
        )
    )
    await session.execute(statement, {"given": batch.dump(decided)})


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next one is to be looked at."""
    return await earliest(session, select(func.min(certificate_requests.c.due_at)).where(_PENDING))


async def want(session: AsyncSession, device_id: str, by: str, now: datetime) -> CertificateRequest | None:
    """Somebody wants the device to have a certificate: the newest request that waits, or else the next to come.

    Returns the one that waited, if there was one. Who wanted it first stays.
    """
    row = {"device_id": device_id, "requested_by": by, "requested_at": now}
    await session.execute(batch.insert(session, provisionings).on_conflict_do_nothing(), [row])
    statement = (
        select(CertificateRequest)
        .where(certificate_requests.c.device_id == device_id)
        .where(certificate_requests.c.state == RequestState.WAITING)
        .order_by(certificate_requests.c.received_at.desc())
        .limit(1)
    )
    waited = (await session.scalars(statement)).first()
    if waited:
        waited.state, waited.due_at = RequestState.PENDING, now
        session.add(waited)
        wake(session, WAKES)
    return waited


async def no_longer_wanted(session: AsyncSession, device_ids: Sequence[str]) -> None:
    """These have what somebody wanted for them."""
    given = batch.texts(session)
    statement = delete(provisionings).where(provisionings.c.device_id.in_(select(given.c.value)))
    await session.execute(statement, {"given": batch.dump(device_ids)})


async def newest(session: AsyncSession, device_id: str) -> CertificateRequest | None:
    """The newest request of a device."""
    statement = select(CertificateRequest).where(certificate_requests.c.device_id == device_id)
    return (await session.scalars(statement.order_by(certificate_requests.c.received_at.desc()).limit(1))).first()


async def prune(session: AsyncSession, before: datetime) -> None:
    """Forget what was received before then. A claim that old is refused by its time, so its nonce is not needed."""
    statement = delete(certificate_requests).where(certificate_requests.c.received_at < before)
    await session.execute(statement.where(certificate_requests.c.state != RequestState.WAITING))
