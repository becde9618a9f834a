"""Alert rules as rows: who made which, for what devices, and which tags and devices they name.

Rules are few, so what they name is found by reading them all; what they are about is asked of the database, by the
condition of each (`about`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import retag
from fleet.alert_rule import DEFAULTS, RuleKind
from fleet.errors import Refused, not_found
from fleet.roles import MUSTER
from fleet.selector import Field, Match, Not, Selector, parse
from storage import batch, ids
from storage.db import wake
from storage.selection import condition
from storage.tables import AlertRule, alert_rules, devices, rule_breaches

MOST = 100
"""Each enabled rule is a look or two at the database every minute."""


async def ensure_defaults(session: AsyncSession, now: datetime) -> None:
    """Let the default rules exist, as the code has them; one that is there already is left as people made it."""
    rows = [
        {
            "id": ids.new("ar", now),
            "name": each.name,
            "kind": each.kind,
            "threshold": each.threshold,
            "for_s": int(each.lasting.total_seconds()),
            "selector": str(Selector()),
            "severity": each.severity,
            "is_default": True,
            "created_by": MUSTER.id,
            "created_at": now,
        }
        for each in DEFAULTS
    ]
    await session.execute(batch.insert(session, alert_rules).on_conflict_do_nothing(index_elements=["name"]), rows)


async def enable_defaults(session: AsyncSession, device_ids: Sequence[str], now: datetime) -> None:
    """The default rules hold for these devices from now on: they went to work."""
    await ensure_defaults(session, now)
    given = batch.texts(session)
    statement = update(devices).where(devices.c.device_id == given.c.value).values(default_rules=True)
    await session.execute(statement, {"given": batch.dump(device_ids)})
    wake(session, "rules")


async def disable_defaults(session: AsyncSession, device_ids: Sequence[str]) -> None:
    """The default rules hold for these devices no more: they left the monitoring."""
    given = batch.texts(session)
    statement = update(devices).where(devices.c.device_id == given.c.value).values(default_rules=False)
    await session.execute(statement, {"given": batch.dump(device_ids)})


async def get(session: AsyncSession, name: str) -> AlertRule:
    """One rule by its name. Raises NotFound naming near ones."""
    statement = select(AlertRule).where(func.lower(alert_rules.c.name) == name.lower())
    if found := (await session.scalars(statement)).first():
        return found
    names = await session.scalars(select(alert_rules.c.name))
    raise not_found("alert rule", name, names, "All of them are in /fleet rule list.")


async def all_of(session: AsyncSession) -> Sequence[AlertRule]:
    """Every rule, in order of name."""
    return (await session.scalars(select(AlertRule).order_by(alert_rules.c.name))).all()


async def enabled(session: AsyncSession, kinds: Sequence[RuleKind]) -> Sequence[AlertRule]:
    """The enabled rules of these kinds, the oldest first."""
    statement = select(AlertRule).where(alert_rules.c.enabled, alert_rules.c.kind.in_(kinds))
    return (await session.scalars(statement.order_by(alert_rules.c.id))).all()


async def add(session: AsyncSession, rule: AlertRule) -> None:
    """Keep a new rule. Raises Refused if its name is taken, or if there are too many."""
    if (await session.scalar(select(func.count()).select_from(alert_rules)) or 0) >= MOST:
        raise Refused(f"There are {MOST} alert rules already, and more are not looked at. Remove one first.")
    values = {**rule.model_dump(), "id": ids.new("ar", rule.created_at)}
    statement = batch.insert(session, alert_rules).values(**values).on_conflict_do_nothing(index_elements=["name"])
    if not (await session.execute(statement.returning(alert_rules.c.id))).first():
        raise Refused(f"There is an alert rule called {rule.name} already. See it with /fleet rule show {rule.name}.")
    wake(session, "rules")


async def change(session: AsyncSession, rule: AlertRule, values: dict[str, Any]) -> None:
    """Change these columns of a rule; every device is looked at again."""
    again = {"looked_until": None, "look_all_at": None}
    await session.execute(update(alert_rules).where(alert_rules.c.id == rule.id).values(**values, **again))
    await session.refresh(rule)
    wake(session, "rules")


async def remove(session: AsyncSession, rule: AlertRule) -> None:
    """Forget a rule and who was past its threshold. Its alerts are closed by whoever calls this."""
    await session.execute(delete(rule_breaches).where(rule_breaches.c.rule_id == rule.id))
    await session.execute(delete(alert_rules).where(alert_rules.c.id == rule.id))


async def about(session: AsyncSession, rule: AlertRule, now: datetime, online_within: timedelta) -> ColumnElement[bool]:
    """The condition that a device is one that this rule is about."""
    meant = await condition(session, parse(rule.selector), now, online_within)
    return and_(devices.c.default_rules, meant) if rule.is_default else meant


async def referencing(session: AsyncSession, tag_name: str) -> list[AlertRule]:
    """The rules whose selector names this tag, with whatever value."""
    rules = await all_of(session)
    return [rule for rule in rules if any(tag.name == tag_name for tag in retag.tags(parse(rule.selector)))]


async def referencing_device(session: AsyncSession, device_id: str) -> list[AlertRule]:
    """The rules whose selector names this very device, be it to leave it out."""
    return [rule for rule in await all_of(session) if device_id in _devices(parse(rule.selector))]


async def rename_tag(session: AsyncSession, old: str, new: str) -> list[str]:
    """Let every rule that names the tag `old` name `new` instead. Returns the names of those rules."""
    rules = await referencing(session, old)
    for rule in rules:
        renamed = retag.renamed(parse(rule.selector), retag.rename(old, new))
        await change(session, rule, {"selector": str(renamed)})
    return [rule.name for rule in rules]


def _devices(selector: Selector) -> set[str]:
    tests = (term.term if isinstance(term, Not) else term for term in selector.terms)
    named = [test for test in tests if isinstance(test, Match) and test.field is Field.ID]
    return {value.text for test in named for value in test.values if not value.glob}
