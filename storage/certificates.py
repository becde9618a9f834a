"""Operational certificates: recorded when issued, in use when the device says so, and revoked for good.

The certificate in use also stands with the device (`certificate_serial`, `certificate_not_after`): selectors, exports
and the watch over ends look there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from fleet.certificate import CertificateState
from fleet.operation import OperationKind, OperationState, sources
from fleet.settings import Settings
from storage import batch, devices, operations
from storage.db import AnyRow, wake
from storage.tables import Certificate, certificates, provisionings
from storage.tables import devices as device_table
from storage.tables import operations as operation_table

_NO_END = datetime(9999, 12, 31, tzinfo=UTC)  # RFC 5280, 4.1.2.5: a certificate without a well-defined end
_IN_USE = certificates.c.state == CertificateState.INSTALLED
_USABLE = (CertificateState.ISSUED, CertificateState.INSTALLED)
_VALID = (*_USABLE, CertificateState.SUPERSEDED)
KINDS = (OperationKind.CERTIFICATE_RENEW, OperationKind.CERTIFICATE_ISSUED)
REVOKED: dict[str, Any] = {"state": CertificateState.REVOKED, "revoke_at": None}


async def record(session: AsyncSession, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Keep new certificates: serial (hex), device_id, not_before, not_after, pem; operation_id and campaign_id.

    A device that had none is taken to use it from now on: nothing else is known to end.
    """
    if not rows:
        return
    await _take_in(session, await _imported(session, [row["device_id"] for row in rows]))
    new = [{"operation_id": None, "campaign_id": None, **row, "issued_at": now} for row in rows]
    await session.execute(insert(certificates), [{**row, "state": CertificateState.ISSUED} for row in new])
    given = batch.rows(session, {"device_id": batch.TEXT, "serial": batch.TEXT, "not_after": batch.MOMENT})
    first = (
        update(device_table)
        .where(device_table.c.device_id == given.c.device_id, device_table.c.certificate_not_after.is_(None))
        .values(certificate_serial=given.c.serial, certificate_not_after=given.c.not_after)
    )
    told = ({name: row[name] for name in ("device_id", "serial", "not_after")} for row in new)
    await session.execute(first, {"given": batch.dump(told)})
    wake(session, "certificates")


async def installed(
    session: AsyncSession, said: Sequence[Mapping[str, str]], now: datetime, settings: Settings
) -> Sequence[AnyRow]:
    """Devices use these from now on: device_id and serial. Returns the certificates that were issued to just them.

    Settles what was asked of the device, and gives its other certificates `certificates.revoke_after` to live. One that
    was in use already is returned as well, and nothing is moved by it.
    """
    given = batch.rows(session, {"device_id": batch.TEXT, "serial": batch.TEXT})
    bound = {"given": batch.dump(said)}
    usable = batch.and_not_guessed(
        certificates.c.device_id == given.c.device_id,
        certificates.c.state.in_(_USABLE),
    )
    statement = (
        update(certificates)
        .where(certificates.c.serial == given.c.serial, usable)
        .values(
            state=CertificateState.INSTALLED,
            installed_at=func.coalesce(certificates.c.installed_at, batch.moment(now)),
        )
        .returning(certificates)
    )
    known: Sequence[AnyRow] = (await session.execute(statement, bound)).all()
    new = [row for row in known if row.installed_at == now]
    if new:
        await _supersede(session, new, now + settings.certificates.revoke_after)
        await devices.certified(
            session, [{"device_id": row.device_id, "serial": row.serial, "not_after": row.not_after} for row in new]
        )
        await _settle(session, [row.device_id for row in new], now)
    return known


async def _settle(session: AsyncSession, device_ids: Sequence[str], now: datetime) -> None:
    """Whatever these were asked about certificates is done."""
    given = batch.texts(session)
    done = (
        update(operation_table)
        .where(
            operation_table.c.device_id == given.c.value,
            batch.and_not_guessed(
                operation_table.c.kind.in_(KINDS), operation_table.c.state.in_(sources(OperationState.DONE))
            ),
        )
        .values(state=OperationState.DONE, settled_at=now, claimed_by=None, claimed_until=None)
        .returning(operation_table.c.campaign_id)
    )
    if any(await session.scalars(done, {"given": batch.dump(device_ids)})):
        wake(session, "campaigns")


async def _supersede(session: AsyncSession, newer: Sequence[AnyRow], revoke_at: datetime) -> None:
    kinds: dict[str, TypeEngine[Any]] = {
        "device_id": batch.TEXT,
        "serial": batch.TEXT,
        "issued_at": batch.MOMENT,
    }
    given = batch.rows(session, kinds)
    older = batch.and_not_guessed(
        certificates.c.serial != given.c.serial,
        certificates.c.issued_at <= given.c.issued_at,
        certificates.c.state.in_(_USABLE),
    )
    statement = (
        update(certificates)
        .where(certificates.c.device_id == given.c.device_id, older)
        .values(state=CertificateState.SUPERSEDED, revoke_at=revoke_at)
    )
    told = ({name: row._mapping[name] for name in kinds} for row in newer)
    await session.execute(statement, {"given": batch.dump(told)})


async def revoke(session: AsyncSession, device_ids: Sequence[str], reason: str, now: datetime) -> list[str]:
    """Revoke every certificate of these devices, and wake who lists them. Returns the serials.

    One that only an import knows is taken in as a revoked one. What was asked of these devices about certificates is
    cancelled, and nobody wants them provisioned any more: so whoever holds a revoked key gets nothing by asking.
    """
    given = batch.texts(session)
    bound = {"given": batch.dump(device_ids)}
    imported = await _imported(session, device_ids)
    # Before the certificates: whoever issues one to them just now holds these rows, and is waited for.
    ended = update(device_table).where(device_table.c.device_id == given.c.value).values(certificate_not_after=None)
    await session.execute(ended, bound)
    await _take_in(session, imported)
    statement = (
        update(certificates)
        .where(certificates.c.device_id == given.c.value, batch.and_not_guessed(certificates.c.state.in_(_VALID)))
        .values(**REVOKED, revoked_at=now, reason=reason[:256])
        .returning(certificates.c.serial)
    )
    serials = sorted(await session.scalars(statement, bound))
    for kind in KINDS:
        await operations.cancel_open(session, device_ids, kind, now)
    await session.execute(delete(provisionings).where(provisionings.c.device_id.in_(select(given.c.value))), bound)
    wake(session, "crl", "certificates")
    return serials


async def _imported(session: AsyncSession, device_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Certificates that stand only with the device, because an import brought them. Serials are hex, or not ours."""
    given = batch.texts(session)
    known = select(certificates.c.serial).where(certificates.c.serial == func.lower(device_table.c.certificate_serial))
    statement = (
        select(
            device_table.c.device_id,
            device_table.c.certificate_serial,
            device_table.c.certificate_not_after,
            device_table.c.registered_at,
        )
        .join(given, given.c.value == device_table.c.device_id)
        .where(device_table.c.certificate_serial != "", batch.not_found(known))
    )
    rows = (await session.execute(statement, {"given": batch.dump(device_ids)})).all()
    return [
        {
            "serial": serial,
            "device_id": row.device_id,
            "state": CertificateState.INSTALLED,
            "not_before": row.registered_at,
            "not_after": row.certificate_not_after or _NO_END,
            "pem": "",
            "issued_at": row.registered_at,
        }
        for row in rows
        if (serial := plain_serial(row.certificate_serial))
    ]


async def _take_in(session: AsyncSession, imported: Sequence[Mapping[str, Any]]) -> None:
    if imported:
        await session.execute(batch.insert(session, certificates).on_conflict_do_nothing(), imported)


def plain_serial(written: str) -> str:
    """A serial as it is kept: lower-case hex without colons and leading zeros; empty if it is none."""
    digits = written.replace(":", "").lower().removeprefix("0x").lstrip("0")
    return digits if digits and set(digits) <= set("0123456789abcdef") and len(digits) <= 64 else ""


async def active(session: AsyncSession, device_id: str) -> Certificate | None:
    """The certificate that the device uses; the newest one issued to it while it has confirmed none."""
    statement = (
        select(Certificate)
        .where(certificates.c.device_id == device_id)
        .where(certificates.c.state.in_(_USABLE))
        .order_by(case((_IN_USE, 0), else_=1), certificates.c.issued_at.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).first()


async def all_revoked(session: AsyncSession, device_id: str) -> bool:
    """It had certificates, and every one of them is revoked: what it asks for is refused (fleet/provisioning.py)."""
    revoked = func.count().filter(certificates.c.state == CertificateState.REVOKED)
    counted = select(revoked, func.count()).where(certificates.c.device_id == device_id)
    gone, known = (await session.execute(counted)).one()
    return 0 < gone == known


async def of_device(session: AsyncSession, device_id: str, limit: int) -> Sequence[Certificate]:
    """The newest certificates of a device first."""
    statement = select(Certificate).where(certificates.c.device_id == device_id)
    return (await session.scalars(statement.order_by(certificates.c.issued_at.desc()).limit(limit))).all()


async def by_serials(session: AsyncSession, serials: Sequence[str]) -> dict[str, AnyRow]:
    """These certificates, by serial."""
    given = batch.texts(session)
    statement = select(certificates).join(given, given.c.value == certificates.c.serial)
    rows = await session.execute(statement, {"given": batch.dump(serials)})
    return {row.serial: row for row in rows}
