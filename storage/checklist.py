"""The checklist of each device in a decommission campaign, read from what was really done."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import TargetState
from fleet.certificate import CertificateState
from fleet.lifecycle import DeviceStatus
from storage.db import AnyRow
from storage.tables import campaign_devices, certificates, decommissions, devices

COLUMNS = (
    *("device_id", "state", "why", "status", "export_state", "export_rows", "export_sha256", "export_ref"),
    *("valid_certificates", "revoked_certificates", "done_at"),
)
SHOWN = ("Device", "Export", "Lines", "SHA-256", "Rules", "Device is", "Certificates", "Result")

_target = campaign_devices.c


async def page(session: AsyncSession, campaign_id: str, after: str, limit: int) -> Sequence[AnyRow]:
    """Up to `limit` devices that were not left out, in order of id. Columns: COLUMNS, None where nothing was done."""
    newest = (
        select(func.max(decommissions.c.id))
        .where(decommissions.c.device_id == _target.device_id)
        .correlate(campaign_devices)
        .scalar_subquery()
    )
    valid = (CertificateState.ISSUED, CertificateState.INSTALLED, CertificateState.SUPERSEDED)
    of_device = select(func.count()).where(certificates.c.device_id == _target.device_id).correlate(campaign_devices)
    statement = (
        select(
            _target.device_id,
            _target.state,
            _target.why,
            devices.c.status,
            decommissions.c.state.label("export_state"),
            decommissions.c.export_rows,
            decommissions.c.export_sha256,
            decommissions.c.export_ref,
            of_device.where(certificates.c.state.in_(valid)).scalar_subquery().label("valid_certificates"),
            of_device.where(certificates.c.state == CertificateState.REVOKED)
            .scalar_subquery()
            .label("revoked_certificates"),
            decommissions.c.done_at,
        )
        .outerjoin(devices, devices.c.device_id == _target.device_id)
        .outerjoin(decommissions, and_(decommissions.c.id == newest))
        .where(_target.campaign_id == campaign_id, _target.device_id > after, _target.state != TargetState.SKIPPED)
        .order_by(_target.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def totals(session: AsyncSession, campaign_id: str) -> tuple[int, int]:
    """How many devices are in it, and how many of them are decommissioned."""
    gone = devices.c.status == DeviceStatus.DECOMMISSIONED
    statement = (
        select(func.count(), func.count().filter(gone))
        .select_from(campaign_devices)
        .outerjoin(devices, devices.c.device_id == _target.device_id)
        .where(_target.campaign_id == campaign_id, _target.state != TargetState.SKIPPED)
    )
    total, done = (await session.execute(statement)).one()
    return total, done


def shown(row: AnyRow, rules: Sequence[str]) -> tuple[str | int | None, ...]:
    """One row as people see it, in the order of SHOWN. `rules`: the alert rules that name the device."""
    certificate = f"{row.revoked_certificates} revoked" if row.revoked_certificates else "none"
    if row.valid_certificates:
        certificate = f"{row.valid_certificates} valid"
    return (
        row.device_id,
        row.export_state.value if row.export_state else "not begun",
        row.export_rows,
        (row.export_sha256 or "")[:12],
        ", ".join(rules) or "none",
        row.status.value if row.status else "gone",
        certificate,
        row.why or row.state.value,
    )
