"""What is billed: the time that devices were in service, by month."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from commands.spec import Call, command
from fleet.billing import month as month_of
from fleet.billing import part_of
from fleet.message import File, Message
from fleet.roles import Role
from storage import billing
from storage.db import Database

PAGE = 500
COLUMNS = ("device_id", "site", "model", "billed_from", "billed_to", "hours", "still_billed")
ENTRY_COLUMNS = ("at", "device_id", "kind", "by", "why")


@command("billing", role=Role.OPERATOR, example="billing 2026-03")
async def month(
    call: Call,
    month: str | None = None,
    *,
    entries: Annotated[bool, "a file of every move of the ledger instead of sums"] = False,
    here: Annotated[bool, "the file comes into this channel, not by direct message"] = False,
) -> Message:
    """The billed time of each device in a month (UTC) as a file; without a month that of the present one, so far.

    `--entries` sends the entries of the ledger instead: each start, stop and resume, who caused it and why.
    The file goes into your direct messages with Muster, with `--here` into this channel.
    """
    name = month or f"{call.now:%Y-%m}"
    begin, end = month_of(name, call.now)
    async with call.db.read() as session:
        totals = await billing.totals(session, begin, end)
    data = {"month": name, "devices": totals.devices, "hours": totals.hours, "so_far": end == call.now}
    data |= {"open": totals.open, "now": call.now}
    if not totals.devices:
        return Message(template="fleet/billing", data=data)
    kind, columns = ("entries", ENTRY_COLUMNS) if entries else ("billing", COLUMNS)
    rows = entry_rows(call.db, begin, end) if entries else period_rows(call.db, begin, end)
    return Message(template="fleet/billing", data=data, file=File(f"{kind}-{name}.csv", columns, rows, here))


async def period_rows(db: Database, begin: datetime, end: datetime) -> AsyncIterator[list[tuple[object, ...]]]:
    """The billed parts of periods between two moments, batch by batch: COLUMNS."""
    after = ("", "")
    while True:
        async with db.read() as session:
            rows = await billing.periods(session, begin, end, after, PAGE)
        parts = [(row, *part_of(row.started_at, row.ended_at, begin, end)) for row in rows]
        if parts:
            yield [
                (row.device_id, row.site, row.model, first, last, _hours(first, last), row.ended_at is None)
                for row, first, last in parts
            ]
        if len(rows) < PAGE:
            return
        after = (rows[-1].device_id, rows[-1].id)


async def entry_rows(db: Database, begin: datetime, end: datetime) -> AsyncIterator[list[tuple[object, ...]]]:
    """The ledger's entries between two moments, batch by batch: ENTRY_COLUMNS."""
    after: tuple[datetime, str] | None = None
    while True:
        async with db.read() as session:
            rows = await billing.entries(session, begin, end, after, PAGE)
        if rows:
            yield [(row.at, row.device_id, row.kind.value, row.by, row.why) for row in rows]
        if len(rows) < PAGE:
            return
        after = (rows[-1].at, rows[-1].id)


def _hours(first: datetime, last: datetime) -> str:
    return f"{(last - first).total_seconds() / 3600:.4f}"
