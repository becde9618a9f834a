"""`muster audit verify|export`: the audit's chain walked from its beginning, and its entries as JSONL."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from fleet.audit import Fault, Seal, Verifier, parse_seal
from fleet.errors import BadInput, Refused
from fleet.settings import AuditSettings
from storage import audit_chain, audit_heads
from storage.columns import iso
from storage.db import AnyRow, Database

PAGE = 2000
_FAULTS_SHOWN = 50
_SEALED_WITHIN = timedelta(minutes=5)

WHOLE, BROKEN, UNSURE = 0, 1, 2
"""Exit codes: all is as it was; something was changed; not checked, or entries wait too long for their seal."""


@dataclass(slots=True)
class Verdict:
    """`faults` are the first of `fault_count`; `published` heads were looked for; `waiting` entries have no seal."""

    head: Seal
    published: int
    faults: list[Fault]
    fault_count: int
    waiting: int
    oldest: datetime | None
    code: int


async def verify(
    db: Database,
    settings: AuditSettings,
    published: Sequence[Seal],
    now: datetime,
    progress: Callable[[int, int], None],
) -> Verdict:
    """Walk the whole chain, a page at a time. Raises Refused without a key."""
    if settings.key is None:
        raise Refused(
            "Without its key the audit cannot be verified: set MUSTER_AUDIT_KEY to the key it was sealed with."
        )
    verifier = Verifier(settings.key.get_secret_value().encode(), published)
    faults: list[Fault] = []
    count, after = 0, 0
    while True:
        async with db.read() as session:
            end, _ = await audit_chain.head(session)  # first: what is sealed meanwhile is then in the page
            rows = await audit_chain.page(session, after, PAGE)
            waiting, oldest = await audit_chain.waiting(session) if not rows else (0, None)
        found = [fault for row in rows for fault in verifier.feed(audit_chain.entry(row), Seal(row.seq, row.mac or ""))]
        if not rows:
            found = list(verifier.ending(end))
        count += len(found)
        faults += found[: _FAULTS_SHOWN - len(faults)]
        if not rows:
            break
        after = rows[-1].seq
        progress(after, max(end.seq, after))
    late = oldest is not None and now - oldest > _SEALED_WITHIN
    code = BROKEN if count else UNSURE if late else WHOLE
    return Verdict(verifier.head, len(published), faults, count, waiting, oldest, code)


def published_heads(file: Path | None, pasted: Sequence[str], must_exist: bool) -> list[Seal]:
    """The heads of a file and those that were pasted. Raises BadInput."""
    heads = []
    for text in pasted:
        try:
            heads.append(parse_seal(text))
        except ValueError:
            raise BadInput(f"{text} is no head. Paste it as Slack shows it: 123:9f86d0… with 64 characters.") from None
    if file is None or (not must_exist and not file.exists()):
        return heads
    try:
        return [*heads, *audit_heads.read(file)]
    except (OSError, ValueError) as fault:
        raise BadInput(f"The heads in {file} cannot be read: {getattr(fault, 'strerror', None) or fault}.") from None


async def export(db: Database, since: datetime | None, until: datetime | None, out: IO[str]) -> int:
    """Write entries as one JSON object a line, the oldest first, with their place in the chain. Returns how many."""
    first, last = since or datetime(1970, 1, 1, tzinfo=UTC), until or datetime(9999, 1, 1, tzinfo=UTC)
    written, after = 0, ""
    while True:
        async with db.read() as session:
            rows = await audit_chain.span(session, first, last, after, PAGE)
        for row in rows:
            out.write(_line(row))
        if len(rows) < PAGE:
            return written + len(rows)
        written, after = written + len(rows), rows[-1].id


def _line(row: AnyRow) -> str:
    said = {"seq": row.seq, "mac": row.mac, "id": row.id, "at": iso(row.at), "actor": row.actor}
    return json.dumps({**said, "action": row.action, "subject": row.subject, "data": row.data}) + "\n"
