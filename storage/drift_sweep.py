"""The sweep: drifted devices are found by one query, and taken up as cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.drift import first_state
from fleet.settings import DriftSettings
from storage import batch, drift_rounds, ids
from storage.columns import hours_since
from storage.db import AnyRow
from storage.drift import OPEN, STILL_DRIFTED
from storage.tables import campaign_devices, devices, drift_cases
from storage.tables.campaigns import UNDER_WAY


async def find(session: AsyncSession, now: datetime, limit: int) -> Sequence[AnyRow]:
    """The rows of `drifted`, by the index of drifted devices.

    Of `!=` between two columns PostgreSQL thinks that nearly every row has it, and would read the whole fleet.
    """
    await batch.by_index(session)
    rows: Sequence[AnyRow] = (await session.execute(drifted(now, limit))).all()
    return rows


def drifted(now: datetime, limit: int) -> Select[Any]:
    """The query of the sweep: drifted devices without an open case for their present target, last heard first.

    Columns: device_id, target_config_version, reported_config_version, last_seen_at, site, hours_since_seen (None if
    never heard), and case_id of an open case for a former target. The predicate stands as literal text, so that the
    partial index serves it whatever the plan cache does; sorting comes after filtering. A device that a campaign asks
    just now is left to it.
    """
    return (
        select(
            devices.c.device_id,
            devices.c.target_config_version,
            devices.c.reported_config_version,
            devices.c.last_seen_at,
            devices.c.site,
            hours_since(batch.moment(now), devices.c.last_seen_at).label("hours_since_seen"),
            _open_case().scalar_subquery().label("case_id"),
        )
        .where(STILL_DRIFTED, *_nobody_knows_of_it())
        .order_by(devices.c.last_seen_at.desc().nulls_last())
        .limit(limit)
    )


def _open_case() -> Select[Any]:
    return select(drift_cases.c.id).where(drift_cases.c.device_id == devices.c.device_id, OPEN).correlate(devices)


def _nobody_knows_of_it() -> tuple[ColumnElement[bool], ...]:
    """It has no open case for its present target, and no campaign asks it just now.

    Looked up for each drifted device: joined, PostgreSQL would walk all open cases for each, of which there are none
    or thousands whatever its statistics say.
    """
    taken_up = _open_case().where(drift_cases.c.target_version == devices.c.target_config_version)
    under_way = text(f"campaign_devices.{UNDER_WAY}")
    asked = select(campaign_devices.c.device_id).where(campaign_devices.c.device_id == devices.c.device_id, under_way)
    return batch.not_found(taken_up), batch.not_found(asked.correlate(devices))


async def take_up(session: AsyncSession, found: Sequence[AnyRow], now: datetime, policy: DriftSettings, by: str) -> int:
    """Open a case for each row of `drifted`, or begin a round for the new target of an open one; queue the pushes.

    Returns how many were taken up: a device that another replica took up in the same moment is left to it.
    """
    rounds = [
        {
            "id": row.case_id or ids.new("dc", now),
            "device_id": row.device_id,
            "target_version": row.target_config_version,
            "state": first_state(row.last_seen_at, now, policy),
            "reported_version": row.reported_config_version,
            "operation_id": ids.new("op", now),
        }
        for row in found
    ]
    known = {row.case_id for row in found if row.case_id}
    fresh = [
        {**each, "detected_at": now, "escalate_at": now + policy.escalate_after}
        for each in rounds
        if each["id"] not in known
    ]
    opened: set[str] = set()
    if fresh:
        insert = batch.insert(session, drift_cases).on_conflict_do_nothing().returning(drift_cases.c.id)
        opened = set(await session.scalars(insert, fresh))
    await drift_rounds.queue_pushes(session, [each for each in rounds if each["id"] in opened], now, by)
    moved = await drift_rounds.begin(session, [each for each in rounds if each["id"] in known], now, by)
    return len(opened) + moved
