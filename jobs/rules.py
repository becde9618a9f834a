"""Alert rules: who is silent, or past a threshold, for longer than a rule allows."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement

from fleet.alert import AlertKind
from fleet.alert_rule import MEASURED, RuleKind
from fleet.grouping import Found, group_key
from jobs.spec import Run, job
from jobs.watch import BATCH, again, device, look
from storage import alert_devices, alert_rules, causes, silence
from storage.columns import iso
from storage.db import CLOCK, AnyRow, wake
from storage.tables import AlertRule

_LOOKED_AT = 2000
_LOOK_AT_ALL = timedelta(minutes=15)
_DEAF_AFTER = timedelta(minutes=3)


@job("silence", every=timedelta(minutes=1))
async def notice_silence(run: Run) -> datetime | None:
    """Notice which devices are not heard any more, and which are heard again."""
    async with run.db.read() as session:
        rules = await alert_rules.enabled(session, [RuleKind.OFFLINE])
        anything = await silence.anything(session, run.now)
    if not rules or not run.publish.connected:
        return None
    after = timedelta(seconds=min(rule.for_s for rule in rules))
    async with run.db.begin(CLOCK) as session:
        listening = await silence.listening_since(session, run.now, _DEAF_AFTER)
        if not anything:
            return None
        if await silence.heard_again(session, after):
            wake(session, "rules")
        if run.now - listening < after:
            return None  # nobody knows whether they were silent
        looked = await silence.look(session, run.now, after, _LOOKED_AT)
    return run.now if looked == _LOOKED_AT else None


@job("alert rules", every=timedelta(minutes=1), woken_by=("rules", "alerts"))
async def apply(run: Run) -> datetime | None:
    """Tell of devices that are silent, or past a threshold, for longer than a rule allows."""
    async with run.db.read() as session:
        rules = await alert_rules.enabled(session, [RuleKind.OFFLINE, *MEASURED])
        within = run.settings.drift.online_within
        about = {rule.id: await alert_rules.about(session, rule, run.now, within) for rule in rules}
    more = [await (_silent if rule.kind is RuleKind.OFFLINE else _past)(run, rule, about[rule.id]) for rule in rules]
    return run.now if any(more) else None


async def _silent(run: Run, rule: AlertRule, about: ColumnElement[bool]) -> bool:
    before = run.now - timedelta(seconds=rule.for_s)
    since, all_at = rule.looked_until, rule.look_all_at
    if all_at is None or all_at <= run.now:
        since, all_at = None, run.now + _LOOK_AT_ALL
    find = partial(causes.silent, rule_id=rule.id, about=about, before=before, since=since, limit=BATCH)
    over = alert_devices.of_rule(rule.id) & causes.heard_again(about)
    found = await look(run, AlertKind.OFFLINE, over, find, partial(_offline, rule=rule))
    if found or since is None:
        until = found[-1].silent_since if found else before
        async with run.db.begin(CLOCK) as session:
            await alert_rules.looked(session, rule.id, until, all_at)
    return again(run, found) is not None


async def _past(run: Run, rule: AlertRule, about: ColumnElement[bool]) -> bool:
    kind, before = rule.kind.alerts, run.now - timedelta(seconds=rule.for_s)
    find = partial(causes.past_threshold, rule_id=rule.id, kind=kind, about=about, before=before, limit=BATCH)
    over = alert_devices.of_rule(rule.id) & causes.back_in_bounds(about)
    found = await look(run, kind, over, find, partial(_measured, rule=rule))
    return again(run, found) is not None


def _offline(row: AnyRow, rule: AlertRule) -> Found:
    return _found(row, rule, {"since": iso(row.silent_since)}, f"last heard {row.silent_since:%Y-%m-%d %H:%M} UTC")


def _measured(row: AnyRow, rule: AlertRule) -> Found:
    data = {"since": iso(row.since), "value": row.value}
    return _found(row, rule, data, f"at {row.value:.0f} %")


def _found(row: AnyRow, rule: AlertRule, data: dict[str, object], line: str) -> Found:
    shared = {
        "site": row.site,
        "rule": rule.name,
        "threshold": rule.threshold,
        "for_s": rule.for_s,
        "severity": rule.severity.value,
    }
    return Found(
        device_id=row.device_id,
        key=group_key(f"rule {rule.id}", row.site),
        data={**device(row), **shared, **data},
        shared=shared,
        line=line,
        rule_id=rule.id,
        severity=rule.severity,
    )
