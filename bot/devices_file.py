"""Devices in a file, as CSV or as JSON lines: read with every fault named, and written so that it reads back.

    device_id,status,site,model,target_config_version,firmware_version,tags,groups
    dev-1,active,oslo,gw2,2026.11.0,1.4.2,env=prod;floor=2,canary;oslo-2

Only `device_id` must be there. In CSV `tags` are `name=value` and `groups` names, divided by `;`; a backslash before
`;`, `=` or itself takes it as it is. In JSON lines `tags` is an object and `groups` a list; the CSV's text will do.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, BinaryIO

from fleet.errors import BadInput
from fleet.lifecycle import DeviceStatus
from link.topics import is_device_id

TEXTS = ("device_id", "status", "site", "model", "target_config_version", "firmware_version", "certificate_serial")
MOMENT = "certificate_not_after"
COLUMNS = (*TEXTS[:-1], "tags", "groups", TEXTS[-1], MOMENT)
SAID = ("reported_config_version", "reported_site", "last_seen_at", "registered_at")
"""What devices said and Muster noted: written when asked for, and passed over when read."""
_PASSED_OVER = frozenset({*SAID, "line", "problem"})
_LONGEST = {"tags": 256, "certificate_serial": 64}
_PARTS = re.compile(r"((?:\\.|[^;\\])*)(?:;|\Z)", re.DOTALL)
_EQUALS = re.compile(r"((?:\\.|[^=\\])*)(=?)(.*)", re.DOTALL)


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


def format_of(file: Path) -> Format:
    return Format.JSONL if file.suffix.lower() in (".jsonl", ".ndjson", ".json") else Format.CSV


@dataclass(frozen=True, slots=True)
class Row:
    """One device as its line has it. `values` holds the columns that the file has, stripped; empty means empty.

    `tags` and `groups` are None where the file has no such column.
    """

    line: int
    device_id: str
    values: Mapping[str, str]
    tags: Mapping[str, str] | None
    groups: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that cannot be taken, and why; `cells` is what could be read of it."""

    line: int
    device_id: str
    problem: str
    cells: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


class Source:
    """A file of devices; `rows` may be read more than once. `position` is how many bytes have been taken so far."""

    def __init__(self, file: Path, kind: Format | None = None) -> None:
        self.file, self.format = file, kind or format_of(file)
        self.position = 0

    def rows(self) -> Iterator[Row | Wrong]:
        """Line by line, never all in memory. Raises BadInput if the file, or its first line, cannot be read."""
        try:
            # Bytes that are no UTF-8 are the fault of one row, not of the file.
            with self.file.open("rb") as raw, _text(raw) as opened:
                for line, cells in self._jsonl(opened) if self.format is Format.JSONL else self._csv(opened):
                    self.position = raw.tell()
                    yield cells if isinstance(cells, Wrong) else _row(line, cells)
        except (OSError, csv.Error) as fault:
            raise BadInput(f"{self.file} cannot be read: {fault}. It must be a CSV or JSONL file in UTF-8.") from None

    def _csv(self, opened: IO[str]) -> Iterator[tuple[int, Mapping[str, Any] | Wrong]]:
        reader = csv.DictReader(opened, restkey="", restval="", strict=True)
        self._check_titles([title.strip() for title in reader.fieldnames or []])
        reader.fieldnames = [title.strip() for title in reader.fieldnames or []]
        for cells in reader:
            line = reader.line_num
            if "" in cells:
                device_id = str(cells.get("device_id"))
                yield line, Wrong(line, device_id, "it has more cells than the first line has titles", cells)
            else:
                yield line, cells

    def _check_titles(self, titles: Sequence[str]) -> None:
        unknown = sorted({*titles} - {*COLUMNS, *_PASSED_OVER})
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if "device_id" in titles and not unknown and not twice:
            return
        raise BadInput(
            f"The first line of {self.file} must name the columns: device_id, and any of {', '.join(COLUMNS[1:])}."
            + (f" It also has {', '.join(unknown)}." if unknown else "")
            + (f" It has {', '.join(twice)} twice." if twice else "")
        )

    def _jsonl(self, opened: IO[str]) -> Iterator[tuple[int, Mapping[str, Any] | Wrong]]:
        for line, text in enumerate(opened, 1):
            if text.strip():
                yield line, _object(line, text)


def _text(raw: BinaryIO) -> TextIOWrapper:
    return TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _object(line: int, text: str) -> Mapping[str, Any] | Wrong:
    try:
        cells = json.loads(text)
    except ValueError as fault:
        return Wrong(line, "", f"it is not JSON ({fault})")
    if not isinstance(cells, dict):
        return Wrong(line, "", "it is not a JSON object")
    if unknown := sorted({*cells} - {*COLUMNS, *_PASSED_OVER}):
        return Wrong(line, str(cells.get("device_id", "")), f"there is no column {', '.join(unknown)}", cells)
    return cells


def _row(line: int, cells: Mapping[str, Any]) -> Row | Wrong:
    device_id = str(cells.get("device_id") or "").strip()
    values: dict[str, str] = {}
    for name in (*TEXTS, MOMENT):
        value = cells.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            return Wrong(line, device_id, f"{name} must be text", cells)
        values[name] = value.strip()
    try:
        tags, groups = _tags(cells.get("tags")), _groups(cells.get("groups"))
        problem = _fault(device_id, values) or _label_fault(tags or {}, groups or [])
    except ValueError as fault:
        problem = str(fault)
        tags = groups = None
    return Wrong(line, device_id, problem, cells) if problem else Row(line, device_id, values, tags, groups)


def _fault(device_id: str, values: Mapping[str, str]) -> str:
    if not is_device_id(device_id):
        shown = device_id.encode("utf-8", "replace").decode()[:140]
        return f"{shown!r} cannot be a device id (letters, digits and . _ : - , at most 128)"
    if (status := values.get("status")) and status not in set(DeviceStatus):
        return f"the status {status!r} is unknown; it may be {', '.join(DeviceStatus)}"
    for name, value in values.items():
        if fault := _text_fault(value, _LONGEST.get(name, 128)):
            return f"{name} {fault}"
    if values.get(MOMENT):
        try:
            if datetime.fromisoformat(values[MOMENT]).tzinfo is None:
                return f"{MOMENT} has no time zone"
        except ValueError:
            return f"{MOMENT} is no moment such as 2027-03-01T00:00:00+00:00"
    return ""


def _label_fault(tags: Mapping[str, str], groups: Sequence[str]) -> str:
    for name, value in tags.items():
        if not name or (fault := _text_fault(name, 128) or _text_fault(value, _LONGEST["tags"])):
            return f"the tag {name[:40]!r} {fault if name else 'has no name'}"
    for name in groups:
        if fault := _text_fault(name, 128):
            return f"the group {name[:40]!r} {fault}"
    return ""


def _text_fault(value: str, longest: int) -> str:
    if value.isascii():
        return (
            f"is longer than {longest} characters" if len(value) > longest else "has a NUL" if "\x00" in value else ""
        )
    if any("\ud800" <= c <= "\udfff" for c in value):
        return "is not UTF-8"
    return _text_fault("." * len(value), longest) or ("has a NUL" if "\x00" in value else "")


def _tags(cell: object) -> dict[str, str] | None:
    """Raises ValueError, with a sentence's rest as its text, like `_groups`."""
    if cell is None:
        return None
    if isinstance(cell, dict):
        if not all(isinstance(value, str) for value in cell.values()):
            raise ValueError("the values of tags must be text")
        return {str(name).strip(): value.strip() for name, value in cell.items()}
    tags = {}
    for part in _split(cell, "tags"):
        found = _EQUALS.fullmatch(part)
        assert found is not None  # the pattern takes any text
        tags[_plain(found[1]).strip()] = _plain(found[3]).strip() if found[2] else "true"
    return tags


def _groups(cell: object) -> list[str] | None:
    if cell is None:
        return None
    names = cell if isinstance(cell, list) else [_plain(part) for part in _split(cell, "groups")]
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError("groups must be names")
    return list(dict.fromkeys(name.strip() for name in names))


def _split(cell: object, name: str) -> list[str]:
    if not isinstance(cell, str):
        raise ValueError(f"{name} cannot be read: {json.dumps(cell)[:80]}")
    if cell and "\\" not in cell:
        return [part for part in cell.split(";") if part.strip()]
    return [found[1] for found in _PARTS.finditer(cell) if found[1].strip()]


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if "\\" in text else text


def _escaped(text: str, also: str = "") -> str:
    return re.sub(f"([\\\\;{also}])", r"\\\1", text)


class Writer:
    """Writes devices as `Source` reads them. Rows have COLUMNS as keys, tags as a dict and groups as a list."""

    def __init__(self, opened: IO[str], kind: Format, columns: Sequence[str]) -> None:
        self._opened, self._kind, self._columns = opened, kind, columns
        self._csv = csv.writer(opened)
        if kind is Format.CSV:
            self._csv.writerow(columns)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if self._kind is Format.JSONL:
            for row in rows:
                said = {name: _shown(row[name]) for name in self._columns if row[name] not in (None, "", {}, [])}
                self._opened.write(json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n")
        else:
            self._csv.writerows([cell(row[name]) for name in self._columns] for row in rows)


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def cell(value: Any) -> Any:
    """As it stands in a CSV."""
    if isinstance(value, dict):
        return ";".join(f"{_escaped(name, '=')}={_escaped(text)}" for name, text in value.items())
    if isinstance(value, list):
        return ";".join(map(_escaped, value))
    return "" if value is None else _shown(value)
