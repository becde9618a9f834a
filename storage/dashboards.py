"""Dashboards: pages elsewhere, each for the devices of a selector."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.errors import Refused, not_found
from fleet.selector import Selector, parse
from storage import batch, selection
from storage.tables import Dashboard, dashboards

MOST = 200
"""Each of them is a column of one statement when a device is shown."""


async def every(session: AsyncSession) -> Sequence[Dashboard]:
    """All dashboards in order of name."""
    return (await session.scalars(select(Dashboard).order_by(dashboards.c.name))).all()


async def of_device(
    session: AsyncSession, device_id: str, now: datetime, online_within: timedelta
) -> list[tuple[str, str]]:
    """Name and address of those that this device belongs to."""
    there = {each.name: each for each in await every(session)}
    selectors = {name: parse(each.selector) for name, each in there.items()}
    found = await selection.matching(session, device_id, selectors, now, online_within)
    return [(name, there[name].url) for name in found]


async def add(
    session: AsyncSession, name: str, url: str, selector: Selector, note: str, by: str, now: datetime
) -> None:
    """Keep one, in the place of another of that name. Raises Refused when there are too many."""
    others = select(func.count()).select_from(dashboards).where(dashboards.c.name != name)
    if (await session.scalar(others) or 0) >= MOST:
        raise Refused(f"There are {MOST} dashboards already, which is all that are kept. Remove one first.")
    row = Dashboard(name=name, url=url, selector=str(selector), note=note, created_by=by, created_at=now)
    insert = batch.insert(session, dashboards).values(row.model_dump())
    changed = {column: insert.excluded[column] for column in ("url", "selector", "note")}
    await session.execute(insert.on_conflict_do_update(index_elements=["name"], set_=changed))


async def remove(session: AsyncSession, name: str) -> None:
    """Raises NotFound naming near ones."""
    gone = await session.scalar(delete(dashboards).where(dashboards.c.name == name).returning(dashboards.c.name))
    if gone is None:
        there = [each.name for each in await every(session)]
        raise not_found("dashboard", name, there, "See what there is with /fleet dashboard list.")
