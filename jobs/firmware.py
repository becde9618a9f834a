"""Firmware on its way to devices, and what they say of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.firmware import REFUSED, artefact_for, words
from jobs.spec import Dispatch, Heard, Intake, Run
from link.publish import Outgoing
from link.topics import Order
from link.wire import FirmwareDesired, FirmwareState
from storage import firmware
from storage.db import AnyRow
from storage.tables import Firmware


async def _messages(run: Run, session: AsyncSession, rows: Sequence[AnyRow]) -> dict[str, Outgoing]:
    artefacts = await firmware.of_versions(session, {row.version for row in rows})
    models = await firmware.models(session, [row.device_id for row in rows])
    made = {}
    for row in rows:
        artefact = artefact_for(models.get(row.device_id, ""), artefacts.get(row.version, {}))
        if artefact is not None:
            made[row.id] = _message(run, row, artefact)
    return made


def _message(run: Run, row: AnyRow, artefact: Firmware) -> Outgoing:
    payload = FirmwareDesired(
        version=row.version,
        url=artefact.url,
        sha256=artefact.sha256,
        size=artefact.size,
        campaign=row.campaign_id,
        operation_id=row.id,
        attempt=row.attempt,
    )
    order = Order.FIRMWARE_DESIRED
    return Outgoing(run.topics.of(row.device_id, order), payload.encode(), retain=order.retained)


DISPATCH = Dispatch(messages=_messages)


async def state(intake: Intake, heard: Sequence[Heard]) -> None:
    """Keep how far each device has got; a device that failed or rolled back has refused its update."""
    last: dict[str, dict[str, Any]] = {}
    refusals = []
    for each in heard:
        said = cast(FirmwareState, each.said)
        row = {"device_id": each.device_id, "version": said.version, "step": said.state.value}
        last[each.device_id] = row | {"progress": said.progress, "error": said.error or ""}
        if said.state in REFUSED:
            refusals.append(row | {"error": words(said.state, said.error)})
    await firmware.told(intake.session, list(last.values()), intake.now)
    if refusals:
        await firmware.refused(intake.session, refusals, intake.now)
