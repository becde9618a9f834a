"""A device belongs to another site from now on."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind
from jobs.spec import Run
from storage import alert_devices, audit, devices
from storage.tables import Approval


async def start(run: Run, session: AsyncSession, approval: Approval) -> None:
    """Move the device of the plan to the plan's `site`; an alert about where it stands is resolved."""
    [device_id] = approval.device_ids
    site, by = str(approval.params["site"]), approval.requested_by
    before = await devices.move(session, device_id, site)
    edit_every = run.settings.alerts.edit_every
    await alert_devices.resolve_for(session, AlertKind.LOCATION, [device_id], by, run.now, edit_every)
    told = {"from": before, "to": site, "approval": approval.id}
    await audit.add(session, run.now, by, "device.moved", device_id, told)
