"""Heads of the audit's chain in a file that is only ever appended to, outside the database: one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from fleet.audit import Seal
from storage.columns import iso


def append(path: Path, head: Seal, now: datetime) -> None:
    """Add a head, and see it on the disk before returning. Raises OSError."""
    line = json.dumps({"at": iso(now), "seq": head.seq, "mac": head.mac})
    with path.open("a", encoding="utf-8") as opened:
        opened.write(f"{line}\n")
        opened.flush()
        os.fsync(opened.fileno())


def read(path: Path) -> Iterator[Seal]:
    """Every head in the file, the oldest first. Raises OSError, or ValueError naming a line that is none."""
    with path.open(encoding="utf-8") as opened:
        for number, line in enumerate(opened, 1):
            try:
                said = json.loads(line)
                yield Seal(int(said["seq"]), str(said["mac"]))
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"line {number} is no head") from None
