"""What failed in campaigns: grouped by cause, model and firmware, and the devices of one such group.

Model and firmware are those that were frozen with the targets: a device that reports another one by now stays in its
group, so what is shown is what is meant.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Text, and_, case, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.campaign import UNSUCCESSFUL
from fleet.cause import meant
from storage.db import AnyRow
from storage.tables import campaign_devices

_target = campaign_devices.c
CAUSE = case((_target.why != "", _target.why), else_=cast(_target.state, Text))
"""What is known of a failure; of a device that refused without a word, that it did."""


def _failed(campaign_id: str) -> ColumnElement[bool]:
    return and_(_target.campaign_id == campaign_id, _target.state.in_(UNSUCCESSFUL))


async def groups(session: AsyncSession, campaign_id: str, limit: int) -> Sequence[AnyRow]:
    """The largest first. Columns: why (the cause), model, firmware, devices, example (one id)."""
    devices, why = func.count(), CAUSE.label("why")
    statement = (
        select(
            why,
            _target.model,
            _target.firmware,
            devices.label("devices"),
            func.min(_target.device_id).label("example"),
        )
        .where(_failed(campaign_id))
        .group_by(why, _target.model, _target.firmware)
        .order_by(devices.desc(), why, _target.model, _target.firmware)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def cause(session: AsyncSession, campaign_id: str, named: str) -> str:
    """The whole text of the cause that somebody names. Raises as `fleet.cause.meant` does."""
    there = select(CAUSE.label("why")).where(_failed(campaign_id)).distinct().order_by("why")
    return meant(named, (await session.scalars(there)).all())


def of_group(why: str | None, model: str | None, firmware: str | None) -> ColumnElement[bool]:
    """A condition on `campaign_devices`: those of a cause, a model, a firmware, as far as each is given."""
    given = [(CAUSE, why), (_target.model, model), (_target.firmware, firmware)]
    return and_(true(), *(column == value for column, value in given if value is not None))
