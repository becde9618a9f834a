"""Whatever keeps a selector as text: saved groups, dashboards and alert rules. Those who rename or delete look here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Table, literal, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.selector import Selector, parse
from storage.db import wake
from storage.tables import alert_rules, dashboards, saved_groups

TABLES: Mapping[str, Table] = MappingProxyType(
    {"group": saved_groups, "dashboard": dashboards, "alert rule": alert_rules}
)
"""Tables with the columns `name` and `selector`, by what a row of each is called."""


@dataclass(frozen=True, slots=True)
class Reference:
    kind: str
    name: str
    selector: Selector

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


async def every(session: AsyncSession) -> Iterator[Reference]:
    """All of them, in order of kind and name."""
    kept = [select(literal(kind).label("kind"), each.c.name, each.c.selector) for kind, each in TABLES.items()]
    rows = await session.execute(union_all(*kept).order_by("kind", "name"))
    return (Reference(row.kind, row.name, parse(row.selector)) for row in rows)


async def rewrite(session: AsyncSession, reference: Reference) -> None:
    """Keep another selector under that name. An alert rule then looks at every device again."""
    kept = TABLES[reference.kind]
    again = {"looked_until": None, "look_all_at": None} if kept is alert_rules else {}
    values = {"selector": str(reference.selector), **again}
    await session.execute(update(kept).where(kept.c.name == reference.name).values(values))
    wake(session, "rules")
