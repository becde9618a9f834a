"""What Muster held about decommissioned devices, as files: JSON lines for each device, and a manifest.

    archive/manifest.json    [{"device_id", "file", "rows", "sha256", "requested_at", "export_state", "export_ref"}, …]
    archive/dev-1.jsonl      one line a row, with the name of its table (storage/device_export.py)

Each file is read back from the disk and compared with the digest that the registry kept before the manifest names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleet.errors import Unavailable
from storage import decommissions, pages
from storage.columns import iso
from storage.db import AnyRow, Database
from storage.device_export import Export

_PAGE = 200


async def write(db: Database, folder: Path, campaign: str | None, progress: Callable[[int, int], None]) -> int:
    """Write the newest export of each device that is decommissioned, or of those of one campaign, into a folder that is
    there. Returns how many.

    Raises Unavailable when a file does not hold what the registry does.
    """
    manifest: list[dict[str, Any]] = []
    async with db.read() as session:
        total = await decommissions.count_done(session, campaign)
    async for rows in pages.by_device(db, lambda each, after: decommissions.page_done(each, campaign, after, _PAGE)):
        manifest += [_written(folder, row) for row in rows]
        progress(len(manifest), max(total, len(manifest)))
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return len(manifest)


def _written(folder: Path, row: AnyRow) -> dict[str, Any]:
    file = folder / f"{row.device_id}.jsonl"
    with file.open("w", newline="") as opened:
        opened.write(row.export)
        opened.flush()
        os.fsync(opened.fileno())
    if not Export(file.read_text(), row.export_rows, row.export_sha256).sound:
        raise Unavailable(f"{file} does not hold what the registry kept of {row.device_id}. Look at disk and registry.")
    return {
        "device_id": row.device_id,
        "file": file.name,
        "rows": row.export_rows,
        "sha256": row.export_sha256,
        "requested_at": iso(row.requested_at),
        "export_state": row.state.value,
        "export_ref": row.export_ref,
    }
