"""Rows that people name by their id, or only by its ending, as messages show it."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from fleet.errors import BadInput
from storage.tables import Alert, Approval, Campaign, Retag

SHORTEST = 4  # characters of an ending: fewer would mean another row tomorrow

_Named = TypeVar("_Named", Alert, Approval, Campaign, Retag)


async def find(
    session: AsyncSession, kind: type[_Named], name: str, many: str, listed_by: str, *, lock: bool = False
) -> _Named | None:
    """The row with that id, or the one whose id ends so; None if there is none.

    With `lock` nobody else moves it until the transaction ends. Raises BadInput if several end so: `many` is what they
    are called, `listed_by` the command that shows them.
    """
    if found := await session.get(kind, name, with_for_update=lock, populate_existing=lock):
        return found
    if len(name) < SHORTEST:
        return None
    ends = col(kind.id).endswith(name.upper(), autoescape=True)
    ids = list(await session.scalars(select(col(kind.id)).where(ends).limit(2)))
    if len(ids) > 1:
        raise BadInput(f"Several {many} end in {name}. Write more of the id, from {listed_by}.")
    return await session.get(kind, ids[0], with_for_update=lock, populate_existing=lock) if ids else None
