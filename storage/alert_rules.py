"""Alert rules as rows: who made which, for what devices, and which devices are past the threshold of one.

Rules are few, so what they name is found by reading them all (storage/references.py does so for tags); what they are
about is asked of the database, by the condition of each (`about`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, false, func, literal, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert_rule import DEFAULTS, MEASURED, RuleKind
from fleet.errors import Refused, not_found
from fleet.lifecycle import UNWATCHED
from fleet.roles import MUSTER
from fleet.selector import Selector, parse
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


async def forget_breaches(session: AsyncSession, rule: AlertRule) -> None:
    """Who was past its threshold does not count any more."""
    await session.execute(delete(rule_breaches).where(rule_breaches.c.rule_id == rule.id))


async def remove(session: AsyncSession, rule: AlertRule) -> None:
    """Forget a rule and who was past its threshold. Its alerts are closed by whoever calls this."""
    await forget_breaches(session, rule)
    await session.execute(delete(alert_rules).where(alert_rules.c.id == rule.id))


async def about(session: AsyncSession, rule: AlertRule, now: datetime, online_within: timedelta) -> ColumnElement[bool]:
    """The condition that a device is one that this rule is about."""
    meant = await condition(session, parse(rule.selector), now, online_within)
    return and_(devices.c.default_rules, meant) if rule.is_default else meant


async def watched(session: AsyncSession, rule: AlertRule, now: datetime, online_within: timedelta) -> int:
    """How many devices it may open an alert for: those that it is about, in the states that are monitored."""
    meant = await about(session, rule, now, online_within)
    statement = select(func.count()).select_from(devices).where(meant, devices.c.status.not_in(UNWATCHED))
    return await session.scalar(statement) or 0


async def about_certificates(session: AsyncSession, now: datetime, online_within: timedelta) -> ColumnElement[bool]:
    """The condition that some rule is about the device's certificate; without any such rule, all are watched."""
    rules = [rule for rule in await all_of(session) if rule.kind is RuleKind.CERTIFICATE]
    if not rules:
        return true()
    return or_(false(), *[await about(session, rule, now, online_within) for rule in rules if rule.enabled])


async def looked(session: AsyncSession, rule_id: str, until: datetime, look_all_at: datetime) -> None:
    """Every device that fell silent until then was looked at; all are looked at again at `look_all_at`."""
    values = {"looked_until": until, "look_all_at": look_all_at}
    await session.execute(update(alert_rules).where(alert_rules.c.id == rule_id).values(values))


async def measured(
    session: AsyncSession,
    readings: Mapping[str, Mapping[RuleKind, float]],
    now: datetime,
    online_within: timedelta,
) -> None:
    """Devices said how they are (percent, by device and kind): note who is past the threshold of which rule, and since
    when, and who is not any more. Costs nothing where no rule looks at it.
    """
    if not readings:
        return
    for rule in await enabled(session, MEASURED):
        of_kind = {device: each[rule.kind] for device, each in readings.items() if rule.kind in each}
        threshold = rule.threshold if rule.threshold is not None else math.inf
        past = {device: value for device, value in of_kind.items() if value >= threshold}
        if back := of_kind.keys() - past.keys():
            await _back(session, rule, back)
        if past:
            await _past(session, rule, past, now, await about(session, rule, now, online_within))


async def _back(session: AsyncSession, rule: AlertRule, device_ids: Collection[str]) -> None:
    of_rule = rule_breaches.c.rule_id == rule.id
    if (await session.execute(select(rule_breaches.c.device_id).where(of_rule).limit(1))).first() is None:
        return
    given = batch.texts(session)
    back = delete(rule_breaches).where(of_rule, rule_breaches.c.device_id.in_(select(given.c.value)))
    await session.execute(back, {"given": batch.dump(sorted(device_ids))})


async def _past(
    session: AsyncSession, rule: AlertRule, past: Mapping[str, float], now: datetime, about_it: ColumnElement[bool]
) -> None:
    given = batch.rows(session, {"device_id": batch.TEXT, "value": batch.FLOAT})
    moment = batch.moment(now)
    picked = (
        select(given.c.device_id, literal(rule.id), moment, given.c.value, moment)
        .join(devices, devices.c.device_id == given.c.device_id)
        .where(about_it)
    )
    statement = batch.insert(session, rule_breaches).from_select(
        ["device_id", "rule_id", "since", "value", "at"], picked
    )
    statement = statement.on_conflict_do_update(
        index_elements=["device_id", "rule_id"],
        set_={"value": statement.excluded.value, "at": statement.excluded.at},
    )
    rows = ({"device_id": device, "value": value} for device, value in sorted(past.items()))
    await session.execute(statement, {"given": batch.dump(rows)})
    if not rule.for_s:
        wake(session, "rules")
