"""Devices change their state as a plan says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from fleet import maintenance as rule
from fleet.errors import Refused
from fleet.event import EventType
from fleet.lifecycle import DeviceStatus
from jobs.spec import Run
from storage import audit, events, lifecycle, maintenance
from storage.lifecycle import Moved
from storage.tables import Approval

_NAMED = 3


async def start(run: Run, session: AsyncSession, approval: Approval) -> None:
    """Move the devices of the plan to the state `to`: all of them, or none."""
    to, why = DeviceStatus(approval.params["to"]), str(approval.params["why"])
    if to is DeviceStatus.MAINTENANCE and not await _planned(run, session, approval):
        return
    without = bool(approval.params.get("without_export"))
    done = await lifecycle.move(
        *(session, approval.device_ids, to, approval.requested_by, why, run.now, run.settings), without_export=without
    )
    _all(done)


async def _planned(run: Run, session: AsyncSession, approval: Approval) -> bool:
    """Plan the maintenance windows. True if they begin now."""
    given, by = approval.params, approval.requested_by
    starts_at = datetime.fromisoformat(given["starts_at"]) if given["starts_at"] else run.now
    ends_at = starts_at + timedelta(seconds=given["for_s"])
    if no := rule.refusal(starts_at, ends_at, run.now, run.settings.lifecycle.longest_window):
        raise Refused(no)
    window = {"starts_at": starts_at, "ends_at": ends_at, "zone": given["zone"], "why": given["why"]}
    planned = [{**window, "device_id": each} for each in approval.device_ids]
    made = await maintenance.plan(session, planned, by, run.now)
    if others := sorted(set(approval.device_ids) - {row.device_id for row in made}):
        raise Refused(f"{_some(others)} has a window that is not over, or is decommissioned. Nothing was planned.")
    told = {row.device_id: maintenance.window_data(row) for row in made}
    await events.emit_many(session, EventType.MAINTENANCE_PLANNED, told, run.now)
    subject = audit.subject_of(approval.device_ids)
    await audit.add(
        *(session, run.now, by, "maintenance.planned", subject),
        {"devices": list(approval.device_ids), "from": str(starts_at), "until": str(ends_at), "why": given["why"]},
    )
    return starts_at <= run.now


def _all(done: Moved) -> None:
    if done.refused:
        why = " ".join(f"{device_id}: {no}" for device_id, no in sorted(done.refused.items())[:_NAMED])
        raise Refused(f"Nothing was changed, as {_some(sorted(done.refused))} cannot be moved any more. {why}")


def _some(device_ids: Sequence[str]) -> str:
    return device_ids[0] if len(device_ids) == 1 else f"{device_ids[0]} and {len(device_ids) - 1:,} more"
