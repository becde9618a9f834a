"""All that the registry holds about devices, before they go: JSON lines, one for each row, with the name of its table.

Whatever table has a `device_id` belongs to it, so a table that is added later is not forgotten; and so do the entries
of the audit about the device. Each device's lines are kept with their number and SHA-256, and read back.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage import batch
from storage.columns import iso
from storage.tables import audit, audit_subjects, decommissions, metadata

_ELSEWHERE = (decommissions, audit_subjects)  # the first holds the exports themselves, the second is an index


@dataclass(frozen=True, slots=True)
class Export:
    """`text` has `rows` lines, each a JSON object in ASCII; `sha256` is of its bytes, in hex."""

    text: str
    rows: int
    sha256: str

    @property
    def sound(self) -> bool:
        """True if it is what was written: the same bytes, so many lines, each of them JSON."""
        try:
            read = [json.loads(line) for line in self.text.splitlines()]
        except ValueError:
            return False
        digest = hashlib.sha256(self.text.encode()).hexdigest()
        return len(read) == self.rows and digest == self.sha256 and all("table" in row for row in read)


async def of_devices(session: AsyncSession, device_ids: Sequence[str]) -> dict[str, Export]:
    """The export of each device: one statement for each table, whatever the number of devices."""
    lines: dict[str, list[str]] = {each: [] for each in device_ids}
    given = batch.texts(session)
    bound = {"given": batch.dump(device_ids)}
    for table in tables():
        mine = select(table).join(given, given.c.value == table.c.device_id).order_by(*table.primary_key.columns)
        for row in (await session.execute(mine, bound)).mappings():
            lines[row["device_id"]].append(_line(table.name, dict(row)))
    about = select(audit_subjects.c.device_id, audit_subjects.c.entry_id).join(
        given, given.c.value == audit_subjects.c.device_id
    )
    subjects = (await session.execute(about.order_by(audit_subjects.c.entry_id), bound)).all()
    entries = await _entries(session, {row.entry_id for row in subjects})
    for subject in subjects:
        lines[subject.device_id].append(entries[subject.entry_id])
    return {device_id: _export(of_it) for device_id, of_it in lines.items()}


async def _entries(session: AsyncSession, entry_ids: Iterable[str]) -> dict[str, str]:
    """The lines of these entries of the audit. Each is read once: one about thousands of devices is long."""
    given = batch.texts(session)
    found = select(audit).join(given, given.c.value == audit.c.id)
    rows = (await session.execute(found, {"given": batch.dump(entry_ids)})).mappings()
    return {row["id"]: _line(audit.name, {**row, "data": _without_others(row["data"])}) for row in rows}


def tables() -> list[Table]:
    """Every table that holds something of a single device, in the order of their foreign keys."""
    return [each for each in metadata.sorted_tables if "device_id" in each.c and each not in _ELSEWHERE]


def _without_others(data: Mapping[str, Any]) -> dict[str, Any]:
    """An entry about many devices names them all, which is their business: their number is enough."""
    return {
        name: len(value) if name == "devices" and isinstance(value, list) else value for name, value in data.items()
    }


def _line(table: str, row: Mapping[str, Any]) -> str:
    return json.dumps({"table": table, **row}, default=_plain, separators=(",", ":"))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _export(lines: Sequence[str]) -> Export:
    text = "".join(f"{line}\n" for line in lines)
    return Export(text, len(lines), hashlib.sha256(text.encode()).hexdigest())
