"""Groups: selectors under a name (`saved_groups`) and static lists of devices (`device_groups`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import group
from fleet.errors import Refused, not_found
from fleet.selector import Selector, parse
from storage import batch, references
from storage.db import AnyRow
from storage.selection import Condition
from storage.tables import SavedGroup, device_groups, devices, saved_groups


async def every(session: AsyncSession) -> Sequence[AnyRow]:
    """All groups in order of name: name, selector (None: a static list), devices (None: not counted), note."""
    saved = await session.execute(
        select(saved_groups.c.name, saved_groups.c.selector, literal(None).label("devices"), saved_groups.c.note)
    )
    static = await session.execute(
        select(
            device_groups.c.name,
            literal(None).label("selector"),
            func.count().label("devices"),
            literal("").label("note"),
        ).group_by(device_groups.c.name)
    )
    return sorted([*saved, *static], key=lambda row: str(row.name))


async def get(session: AsyncSession, name: str) -> SavedGroup | None:
    """The saved group, or None for a static list. Raises NotFound naming near ones if it is neither."""
    if saved := await session.get(SavedGroup, name):
        return saved
    if await session.scalar(select(device_groups.c.name).where(device_groups.c.name == name).limit(1)):
        return None
    there = [row.name for row in await every(session)]
    raise not_found("group", name, there, "See what there is with /fleet group list.")


async def refuse_unknown(session: AsyncSession, selector: Selector) -> None:
    """Raises NotFound if it names a group that is none: it would mean nobody, or leave nobody out."""
    for value in group.named_in(selector):
        if not value.glob:
            await get(session, value.text)


async def unknown_in(session: AsyncSession, selector: Selector) -> list[str]:
    """The groups that it names and that are none yet, in the order given."""
    asked = list(dict.fromkeys(value.text for value in group.named_in(selector) if not value.glob))
    there: set[str] = set()
    for kept in (saved_groups, device_groups) if asked else ():
        there.update(await session.scalars(select(kept.c.name).where(kept.c.name.in_(asked)).distinct()))
    return [each for each in asked if each not in there]


async def save(session: AsyncSession, name: str, selector: Selector, note: str, by: str, now: datetime) -> bool:
    """Keep a selector under that name; True if it is new. Raises Refused for a static list's name, and for loops."""
    if await session.scalar(select(device_groups.c.name).where(device_groups.c.name == name).limit(1)):
        raise Refused(f"{name} is a static list. Delete that first (/fleet group delete {name}), or use another name.")
    before = await session.execute(select(saved_groups.c.name, saved_groups.c.selector))
    saved = {row.name: parse(row.selector) for row in before}
    new = name not in saved
    saved[name] = selector
    for each in saved:  # whoever contains it gets deeper with it
        group.refuse_loops(each, saved)
    row = SavedGroup(name=name, selector=str(selector), note=note, created_by=by, created_at=now)
    insert = batch.insert(session, saved_groups).values(row.model_dump())
    changed = {"selector": insert.excluded.selector, "note": insert.excluded.note}
    await session.execute(insert.on_conflict_do_update(index_elements=["name"], set_=changed))
    return new


async def add(session: AsyncSession, name: str, where: Condition) -> list[str]:
    """Put devices on a static list, which begins with its first. Returns the new ones. Raises Refused."""
    if await session.get(SavedGroup, name):
        raise Refused(f"{name} is kept as a selector. Change it with /fleet group save {name} <selector>.")
    picked = select(literal(name), devices.c.device_id).where(where)
    insert = batch.insert(session, device_groups).from_select(["name", "device_id"], picked)
    added = insert.on_conflict_do_nothing().returning(device_groups.c.device_id)
    return sorted(await session.scalars(added))


async def remove(session: AsyncSession, name: str, where: Condition) -> list[str]:
    """Take devices off a static list, which ends with its last. Returns those that were on it."""
    chosen = select(devices.c.device_id).where(where)
    statement = delete(device_groups).where(device_groups.c.name == name, device_groups.c.device_id.in_(chosen))
    return sorted(await session.scalars(statement.returning(device_groups.c.device_id)))


async def drop(session: AsyncSession, name: str) -> None:
    """Forget a group of either kind. Raises NotFound, and Refused while something else names it."""
    await get(session, name)
    users = [
        each
        for each in await references.every(session)
        if any(value.text == name for value in group.named_in(each.selector))
    ]
    if users:
        raise Refused(f"{name} is used by {', '.join(map(str, users[:5]))}. Change those first; nothing was deleted.")
    for kept in (saved_groups, device_groups):
        await session.execute(delete(kept).where(kept.c.name == name))
