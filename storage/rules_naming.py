"""Alert rules that name devices by their ids: found before those devices go, and freed from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from fleet import naming
from fleet.selector import parse
from storage import alert_rules, audit, references
from storage.references import Reference


async def named(session: AsyncSession) -> dict[str, list[str]]:
    """The ids that alert rules name, each with the names of those rules."""
    found: dict[str, list[str]] = {}
    for rule in await alert_rules.all_of(session):
        for device_id in naming.named(parse(rule.selector)):
            found.setdefault(device_id, []).append(rule.name)
    return found


async def remove(session: AsyncSession, device_ids: Sequence[str], by: str, now: datetime) -> None:
    """Let no rule name these devices. A rule that was about none but them is switched off, and kept as it was."""
    gone = set(device_ids)
    for rule in await alert_rules.all_of(session):
        before = parse(rule.selector)
        if gone.isdisjoint(naming.named(before)):
            continue
        after = naming.without(before, gone)
        if after is None:
            await alert_rules.change(session, rule, {"enabled": False})
        else:
            await references.rewrite(session, Reference("alert rule", rule.name, after))
        told = {"before": str(before), "after": str(after) if after else "switched off", "devices": sorted(gone)}
        await audit.add(session, now, by, "rule.freed", rule.name, told)
