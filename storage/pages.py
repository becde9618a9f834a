"""Long reads in pages: what people turn over, and files, where each page is a transaction of its own.

A page begins behind a row or ends before one, never at a number: nothing is skipped or doubled when rows come and go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, false, func, not_, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.db import AnyRow, Database

Read = Callable[[AsyncSession, str], Awaitable[Sequence[AnyRow]]]


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed: these columns where `where` holds, in order of `key`, which is a unique one of them."""

    columns: Sequence[ColumnElement[Any]]
    source: FromClause
    where: ColumnElement[bool]
    key: ColumnElement[str]
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page is: right behind the row with that key, or right before one; the first page with neither."""

    after: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows, in order; how many there are in all, and how many before."""

    rows: Sequence[AnyRow]
    total: int
    skipped: int = 0


async def turn(session: AsyncSession, listing: Listing, limit: int, place: Place) -> Page:
    """Up to `limit` rows at that place."""
    key, down = listing.key, listing.newest_first
    statement = select(*listing.columns).select_from(listing.source).where(listing.where).limit(limit)
    forward, backward = (key.desc(), key.asc()) if down else (key.asc(), key.desc())
    if place.before:
        ahead = key > place.before if down else key < place.before
        rows = (await session.execute(statement.where(ahead).order_by(backward))).all()[::-1]
    else:
        behind = key < place.after if down else key > place.after
        statement = statement.where(behind) if place.after else statement
        rows = (await session.execute(statement.order_by(forward))).all()
    counted = select(func.count(), func.count().filter(_before(listing, rows, place)))
    total, skipped = (await session.execute(counted.select_from(listing.source).where(listing.where))).one()
    return Page(rows, total, skipped)


def _before(listing: Listing, rows: Sequence[AnyRow], place: Place) -> ColumnElement[bool]:
    """The condition of the rows that stand before this page."""
    key, down = listing.key, listing.newest_first
    if rows:
        first: str = rows[0]._mapping[key]
        return key > first if down else key < first
    if not place.after:
        return false()
    return not_(key < place.after if down else key > place.after)


async def by_device(db: Database, read: Read) -> AsyncIterator[Sequence[AnyRow]]:
    """What `read(session, after)` gives, until nothing: rows behind the device `after`, in order of device_id."""
    after = ""
    while True:
        async with db.read() as session:
            rows = await read(session, after)
        if not rows:
            return
        yield rows
        after = rows[-1].device_id
