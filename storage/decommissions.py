"""Devices on their way out, until the export of their data is certain. The drawing is in fleet/decommission.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.decommission import CERTAIN, ExportState
from fleet.errors import Unavailable
from fleet.event import EventType
from fleet.lifecycle import DeviceStatus
from fleet.roles import MUSTER
from storage import batch, device_export, events, ids
from storage.columns import iso
from storage.db import AnyRow, wake
from storage.device_export import Export
from storage.tables import OPEN_DECOMMISSION, Decommission, campaign_devices, decommissions, devices

_OPEN = text(OPEN_DECOMMISSION)  # as the partial index has it


async def begin(
    session: AsyncSession, device_ids: Sequence[str], by: str, why: str, now: datetime, *, store: bool
) -> None:
    """These devices are to go. All that the registry holds about them is exported and read back; a telemetry `store` is
    asked for its own export, and waited for.

    A device that is on its way out already stays as it is.
    """
    own = await device_export.of_devices(session, device_ids)
    state = ExportState.WAITING if store else ExportState.VERIFIED
    settled = {} if store else {"settled_at": now, "settled_by": MUSTER.id}
    row = {"state": state, "requested_by": by, "requested_at": now, "why": why, **settled}
    rows = [{**row, "id": ids.new("dx", now), "device_id": each, **_columns(own[each])} for each in device_ids]
    if not rows:
        return
    statement = batch.insert(session, decommissions).on_conflict_do_nothing().returning(decommissions.c.device_id)
    new = set(await session.scalars(statement, rows))
    await _read_back(session, sorted(new))
    if store:
        asked = {"requested_by": by, "requested_at": iso(now), "why": why}
        await events.emit_many(session, EventType.EXPORT_REQUESTED, dict.fromkeys(sorted(new), asked), now)


def _columns(export: Export) -> dict[str, str | int]:
    return {"export": export.text, "export_rows": export.rows, "export_sha256": export.sha256}


async def _read_back(session: AsyncSession, device_ids: Sequence[str]) -> None:
    """Raises Unavailable if the registry does not give back what was exported."""
    given = batch.texts(session)
    columns = (decommissions.c.device_id, decommissions.c.export, decommissions.c.export_rows)
    statement = select(*columns, decommissions.c.export_sha256).join(given, given.c.value == decommissions.c.device_id)
    for row in await session.execute(statement.where(_OPEN), {"given": batch.dump(device_ids)}):
        if not Export(row.export, row.export_rows, row.export_sha256).sound:
            raise Unavailable(
                f"The export of {row.device_id} was not read back as it was written, so no device was decommissioned. "
                "Look at the database before you try again."
            )


async def certain(session: AsyncSession, device_ids: Sequence[str]) -> set[str]:
    """Those of the devices that are on their way out and whose export is certain."""
    given = batch.texts(session)
    statement = (
        select(decommissions.c.device_id)
        .join(given, given.c.value == decommissions.c.device_id)
        .where(_OPEN, decommissions.c.state.in_(CERTAIN))
    )
    return set(await session.scalars(statement, {"given": batch.dump(device_ids)}))


async def settle(
    session: AsyncSession,
    device_ids: Sequence[str],
    to: ExportState,
    by: str,
    now: datetime,
    *,
    why: str = "",
    ref: str = "",
) -> list[str]:
    """The wait of these devices is over: CONFIRMED (with what the store calls its copy), OVERRIDDEN or CANCELLED.

    Returns those that did wait. A confirmed device is decommissioned by the job that this wakes.
    """
    done = {"done_at": now} if to is ExportState.CANCELLED else {}
    given = batch.texts(session)
    statement = (
        update(decommissions)
        .where(
            decommissions.c.device_id == given.c.value,
            batch.and_not_guessed(_OPEN, decommissions.c.state == ExportState.WAITING),
        )
        .values(state=to, settled_by=by, settled_at=now, settled_why=why, export_ref=ref, **done)
        .returning(decommissions.c.device_id)
    )
    settled = sorted(await session.scalars(statement, {"given": batch.dump(device_ids)}))
    wake(session, "decommissions")
    return settled


async def done(session: AsyncSession, device_ids: Sequence[str], now: datetime) -> None:
    """These devices are decommissioned."""
    given = batch.texts(session)
    statement = update(decommissions).where(decommissions.c.device_id == given.c.value, batch.and_not_guessed(_OPEN))
    await session.execute(statement.values(done_at=now), {"given": batch.dump(device_ids)})


async def ready(session: AsyncSession, limit: int) -> Sequence[AnyRow]:
    """Active devices whose export is certain and that are still here: device_id, requested_by, why, site."""
    statement = (
        select(decommissions.c.device_id, decommissions.c.requested_by, decommissions.c.why)
        .join(devices, devices.c.device_id == decommissions.c.device_id)
        .where(_OPEN, decommissions.c.state.in_(CERTAIN), devices.c.status == DeviceStatus.ACTIVE)
        .order_by(decommissions.c.requested_by, decommissions.c.why, decommissions.c.device_id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def unconfirmed(session: AsyncSession) -> Sequence[AnyRow]:
    """All that wait for somebody to confirm an export: device_id, requested_at."""
    statement = select(decommissions.c.device_id, decommissions.c.requested_at)
    return (await session.execute(statement.where(_OPEN, decommissions.c.state == ExportState.WAITING))).all()


async def waiting(session: AsyncSession, device_id: str) -> Decommission | None:
    """The decommission of a device that waits for its export."""
    statement = select(Decommission).where(decommissions.c.device_id == device_id, _OPEN)
    return (await session.scalars(statement)).first()


def _newest_done(campaign_id: str | None) -> Select[*tuple[Any, ...]]:
    """The newest decommission of each device that went through one, all of them or those of one campaign."""
    newest = select(func.max(decommissions.c.id)).where(decommissions.c.done_at.is_not(None))
    if campaign_id is not None:
        of_it = select(campaign_devices.c.device_id).where(campaign_devices.c.campaign_id == campaign_id)
        newest = newest.where(decommissions.c.device_id.in_(of_it))
    gone = devices.c.status == DeviceStatus.DECOMMISSIONED
    done = select(decommissions).join(devices, and_(devices.c.device_id == decommissions.c.device_id, gone))
    return done.where(decommissions.c.id.in_(newest.group_by(decommissions.c.device_id)))


async def count_done(session: AsyncSession, campaign_id: str | None) -> int:
    """How many devices are decommissioned, or of one campaign."""
    return await session.scalar(select(func.count()).select_from(_newest_done(campaign_id).subquery())) or 0


async def page_done(session: AsyncSession, campaign_id: str | None, after: str, limit: int) -> Sequence[AnyRow]:
    """Their newest decommissions as whole rows, in order of device, behind the device `after`."""
    statement = _newest_done(campaign_id).where(decommissions.c.device_id > after)
    return (await session.execute(statement.order_by(decommissions.c.device_id).limit(limit))).all()
