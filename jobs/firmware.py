"""Firmware on its way to devices, and what they say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import CampaignStatus
from fleet.firmware import REFUSED, artefact_for, words
from fleet.operation import OperationKind, OperationState
from jobs.campaign_spec import Asked, Turn, queue
from jobs.spec import Dispatch, Heard, Intake, Run
from link.publish import Outgoing
from link.topics import Order
from link.wire import FirmwareDesired, FirmwareState
from storage import audit, campaign_downgrade, campaign_news, campaign_outcomes, firmware, ids, operations
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


async def ask(asked: Asked, turns: Sequence[Turn]) -> Mapping[str, str | None]:
    """The version of the campaign; an update that was under way before is no longer wanted."""
    return await queue(asked, turns, OperationKind.FIRMWARE, version=str(asked.campaign.params["version"]))


async def ended(asked: Asked) -> None:
    """Nobody looks after those any more that do not have it: the broker no longer tells them to install it.

    After an abort, and if that was asked for, those that have it are brought back to what they ran before.
    """
    session, row, now = asked.session, asked.campaign, asked.now
    told = await campaign_outcomes.asked_in_vain(session, row)
    cleared = [
        {
            "id": ids.new("op", now),
            "kind": OperationKind.CLEAR,
            "device_id": device_id,
            "params": {"topic": Order.FIRMWARE_DESIRED.value},
            "requested_by": row.changed_by,
            "created_at": now,
            "due_at": now,
        }
        for device_id in told
    ]
    await operations.add(session, cleared)
    if row.status is not CampaignStatus.ABORTED or not row.params.get("downgrade_on_abort"):
        return
    for version in await campaign_downgrade.versions(session, row):
        back = await campaign_downgrade.plan(session, row, version, now)
        about = {"after": row.id, "version": version, "targets": back.targets}
        await audit.add(session, now, row.changed_by, "campaign.downgrade", back.id, about)
        await campaign_news.open_message(session, back, now, asked.settings)


async def state(intake: Intake, heard: Sequence[Heard]) -> None:
    """Keep how far each device has got; a device that failed or rolled back has refused its update, even afterwards."""
    session, now = intake.session, intake.now
    said = [_row(each.device_id, cast(FirmwareState, each.said)) for each in heard]
    await firmware.told(session, list({row["device_id"]: row for row in said}.values()), now)
    last = {(row["device_id"], row["version"]): row for row in said}
    answers = [
        {**last[each.device_id, each.version], "id": each.id, "done": each.state is OperationState.DONE}
        for each in await firmware.asked(session, list(last.values()))
    ]
    refusals = [{**each, "error": words(each["step"], each["error"])} for each in answers if each["step"] in REFUSED]
    await operations.answer(session, [each for each in refusals if not each["done"]], OperationState.REJECTED, now)
    await campaign_outcomes.taken_back(session, [each for each in refusals if each["done"]], now)
    await campaign_outcomes.accepted(session, [each for each in answers if each["step"] not in REFUSED], now)


def _row(device_id: str, said: FirmwareState) -> dict[str, Any]:
    told = {"step": said.state.value, "progress": said.progress, "error": said.error or ""}
    return {"device_id": device_id, "version": said.version, **told}
