"""Devices from a CSV file: every wrong row is found and named before anything is written."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.errors import BadInput
from fleet.lifecycle import DeviceStatus
from fleet.version import version_key
from link.topics import is_device_id
from storage import devices
from storage.tables import config_versions

COLUMNS = ("device_id", "status", "site", "model", "target_config_version", "firmware_version", "tags", "groups")
_SHOWN = 20


@dataclass
class Found:
    """What a file holds: rows for `devices.add`."""

    devices: list[dict[str, Any]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    groups: list[dict[str, str]] = field(default_factory=list)


async def read_devices(session: AsyncSession, file: Path, now: datetime) -> Found:
    """Read and check the whole file: `tags` are `name=value` and `groups` names, several divided by `;`.

    Raises BadInput that lists the first wrong rows, by line.
    """
    versions = set(await session.scalars(select(config_versions.c.version)))
    found, wrong = Found(), []
    lines: dict[str, int] = {}
    for line, row in _rows(file):
        if fault := _fault(row, versions, lines):
            wrong.append(f"line {line}: {fault}")
            continue
        lines[row["device_id"]] = line
        _keep(found, row, now)
    there = await devices.known(session, set(lines))
    wrong += [f"line {lines[each]}: {each} is registered already" for each in sorted(there)]
    if wrong:
        more = f"\n… and {len(wrong) - _SHOWN:,} more." if len(wrong) > _SHOWN else ""
        listed = "\n".join(wrong[:_SHOWN])
        raise BadInput(f"{len(wrong):,} rows of {file} are wrong; nothing was imported.\n{listed}{more}")
    return found


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            unknown = set(reader.fieldnames or ()) - set(COLUMNS)
            if "device_id" not in (reader.fieldnames or ()) or unknown:
                raise BadInput(
                    f"{file} needs a first line with the column device_id, and may have {', '.join(COLUMNS[1:])}."
                    + (f" It also has {', '.join(sorted(map(str, unknown)))}." if unknown else "")
                )
            for row in reader:
                yield reader.line_num, {key: (value or "").strip() for key, value in row.items() if key}
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise BadInput(f"{file} cannot be read: {fault}. It must be a CSV file in UTF-8.") from None


def _fault(row: dict[str, str], versions: set[str], seen: dict[str, int]) -> str | None:
    device_id, target = row["device_id"], row.get("target_config_version", "")
    if not is_device_id(device_id):
        return f"{device_id!r} cannot be a device id (letters, digits and . _ : - , at most 128)"
    if device_id in seen:
        return f"{device_id} stands on line {seen[device_id]} already"
    if (status := row.get("status")) and status not in set(DeviceStatus):
        return f"the status {status} is unknown; it may be {', '.join(DeviceStatus)}"
    if target and target not in versions:
        return f"there is no configuration {target}; add it first"
    if any(len(value) > 128 or "\x00" in value for key, value in row.items() if key not in ("tags", "groups")):
        return "a value is longer than 128 characters"
    return None


def _keep(found: Found, row: dict[str, str], now: datetime) -> None:
    device_id, firmware = row["device_id"], row.get("firmware_version", "")
    target = row.get("target_config_version") or None
    found.devices.append(
        {
            "device_id": device_id,
            "status": DeviceStatus(row.get("status") or DeviceStatus.ACTIVE),
            "site": row.get("site", ""),
            "model": row.get("model", ""),
            "firmware_version": firmware,
            "firmware_key": version_key(firmware),
            "target_config_version": target,
            "target_set_at": now if target else None,
            "registered_at": now,
        }
    )
    for tag in filter(None, row.get("tags", "").split(";")):
        name, _, value = tag.partition("=")
        found.tags.append({"device_id": device_id, "name": name.strip(), "value": value.strip() or "true"})
    for name in filter(None, row.get("groups", "").split(";")):
        found.groups.append({"device_id": device_id, "name": name.strip()})
