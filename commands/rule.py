"""Alert rules: what is brought before people, for which devices, and how bad it is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call, command
from fleet.alert import Severity
from fleet.alert_rule import MEASURED, RuleKind, when
from fleet.errors import BadInput, Refused
from fleet.message import Button, Message
from fleet.roles import Role
from fleet.selector import Selector, parse
from storage import alert_devices, alert_rules, audit
from storage.tables import AlertRule

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST = timedelta(days=90)


@command("rule list", role=Role.VIEWER, example="rule list")
async def list_all(call: Call) -> Message:
    """The alert rules: what is brought before people, and for which devices."""
    async with call.db.read() as session:
        rules = await alert_rules.all_of(session)
    rows = [
        [rule.name, when(rule.kind, rule.threshold, rule.for_s), rule.severity.value, _about(rule), _state(rule)]
        for rule in rules
    ]
    return Message(template="rule/list", data={"rows": rows})


def _about(rule: AlertRule) -> str:
    return f"{rule.selector} (default)" if rule.is_default else rule.selector


def _state(rule: AlertRule) -> str:
    return "enabled" if rule.enabled else "disabled"


@command("rule show", role=Role.VIEWER, example="rule show high-cpu")
async def show(call: Call, name: str) -> Message:
    """One alert rule, and how many devices it is about."""
    async with call.db.read() as session:
        return await _shown(call, session, await alert_rules.get(session, name))


@command("rule add", role=Role.OPERATOR, example="rule add cold-cpu cpu --above 90 --for 10m tag:env=prod")
async def add(
    call: Call,
    name: str,
    kind: RuleKind,
    which: Selector,
    *,
    above: Annotated[float | None, "the percentage from which on it is too much"] = None,
    for_: Annotated[timedelta | None, "how long it must last before it is an alert"] = None,
    severity: Annotated[Severity, "how bad it is"] = Severity.WARNING,
) -> Message:
    """Bring more before people. `--above` is a percentage, for cpu, ram and disk; `--for` how long it must last.

    offline: not heard for so long. certificate: ends soon; how early is the setting certificates.alert_days.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name} cannot be a rule's name. Write up to 64 letters, digits, dots and dashes: cold-cpu.")
    rule = AlertRule(
        id="",
        name=name,
        kind=kind,
        threshold=above,
        for_s=int((for_ or timedelta(0)).total_seconds()),
        selector=str(which),
        severity=severity,
        created_by=call.person.id,
        created_at=call.now,
    )
    _check(rule)
    async with call.db.begin() as session:
        await alert_rules.add(session, rule)
        return await _done(call, session, await alert_rules.get(session, name), "added")


@command(
    "rule change", role=Role.OPERATOR, example='rule change cold-cpu --above 95 --selector "tag:env=prod site:oslo"'
)
async def change(
    call: Call,
    name: str,
    *,
    above: Annotated[float | None, "the percentage from which on it is too much"] = None,
    for_: Annotated[timedelta | None, "how long it must last before it is an alert"] = None,
    severity: Annotated[Severity | None, "how bad it is"] = None,
    selector: Annotated[str | None, "the devices it is about"] = None,
) -> Message:
    """Change what a rule looks for. What is open by it and does not fit any more is closed within a minute."""
    given = {
        "threshold": above,
        "for_s": int(for_.total_seconds()) if for_ is not None else None,
        "severity": severity,
        "selector": str(parse(selector)) if selector else None,
    }
    values = {column: value for column, value in given.items() if value is not None}
    if not values:
        raise BadInput("Nothing to change is named. Write --above, --for, --severity or --selector with its value.")
    async with call.db.begin() as session:
        rule = await alert_rules.get(session, name)
        _check(rule.model_copy(update=values))
        await alert_rules.change(session, rule, values)
        if "threshold" in values:
            await alert_rules.forget_breaches(session, rule)
        return await _done(call, session, rule, "changed")


@command("rule enable", role=Role.OPERATOR, example="rule enable high-cpu")
async def enable(call: Call, name: str) -> Message:
    """Let a rule hold again."""
    async with call.db.begin() as session:
        rule = await alert_rules.get(session, name)
        await alert_rules.change(session, rule, {"enabled": True})
        return await _done(call, session, rule, "enabled")


@command("rule disable", role=Role.OPERATOR, example="rule disable high-cpu")
async def disable(call: Call, name: str) -> Message:
    """Let a rule rest. Its alerts are closed."""
    async with call.db.begin() as session:
        rule = await alert_rules.get(session, name)
        await alert_rules.change(session, rule, {"enabled": False})
        await alert_rules.forget_breaches(session, rule)
        await _close(call, session, rule)
        return await _done(call, session, rule, "disabled")


@command("rule remove", role=Role.OPERATOR, example="rule remove cold-cpu")
async def remove(call: Call, name: str) -> Message:
    """Forget a rule, and close its alerts. A default rule cannot be removed, only disabled."""
    async with call.db.begin() as session:
        rule = await alert_rules.get(session, name)
        if rule.is_default:
            raise Refused(f"{rule.name} is a default rule, which would come back. Use /fleet rule disable {rule.name}.")
        closed = await _close(call, session, rule)
        await alert_rules.remove(session, rule)
        await audit.add(session, call.now, call.person.id, "rule.removed", rule.name, _told(rule))
    return Message(template="rule/removed", data={"name": rule.name, "closed": closed})


def _check(rule: AlertRule) -> None:
    """Raises BadInput where the numbers do not go with the kind."""
    lasting = timedelta(seconds=rule.for_s)
    if rule.kind in MEASURED:
        if rule.threshold is None or not 0 < rule.threshold <= 100:
            raise BadInput(f"A rule of the kind {rule.kind} needs --above with a percentage, such as --above 90.")
    elif rule.threshold is not None:
        raise BadInput(f"A rule of the kind {rule.kind} has no threshold: leave out --above.")
    if rule.kind is RuleKind.OFFLINE and lasting < timedelta(minutes=1):
        raise BadInput("An offline rule needs --for with at least a minute, such as --for 15m.")
    if rule.kind is RuleKind.CERTIFICATE and lasting:
        raise BadInput("How early a certificate is told is the setting certificates.alert_days: leave out --for.")
    if lasting > _LONGEST:
        raise BadInput(f"A rule looks back {_LONGEST.days} days at most. Choose a shorter --for.")


async def _close(call: Call, session: AsyncSession, rule: AlertRule) -> int:
    ended = alert_devices.of_rule(rule.id)
    return await alert_devices.leave(session, rule.kind.alerts, ended, call.person.id, call.now, timedelta(0))


def _told(rule: AlertRule) -> dict[str, Any]:
    shown = {"kind": rule.kind.value, "threshold": rule.threshold, "for_s": rule.for_s, "selector": rule.selector}
    return {**shown, "severity": rule.severity.value, "enabled": rule.enabled}


async def _done(call: Call, session: AsyncSession, rule: AlertRule, how: str) -> Message:
    await audit.add(session, call.now, call.person.id, f"rule.{how}", rule.name, _told(rule))
    return await _shown(call, session, rule, how)


async def _shown(call: Call, session: AsyncSession, rule: AlertRule, how: str = "") -> Message:
    within = call.settings.drift.online_within
    total = await alert_rules.watched(session, rule, call.now, within)
    toggle = Button(text="Disable", run=f"rule disable {rule.name}") if rule.enabled else _enable(rule)
    data = {
        "name": rule.name,
        "how": how,
        "when": when(rule.kind, rule.threshold, rule.for_s),
        "severity": rule.severity.value,
        "selector": rule.selector,
        "enabled": rule.enabled,
        "default": rule.is_default,
        "total": total,
        "open": await alert_devices.count_of_rule(session, rule.id),
        "by": rule.created_by,
        "at": rule.created_at,
    }
    return Message(template="rule/show", data=data, buttons=(toggle,))


def _enable(rule: AlertRule) -> Button:
    return Button(text="Enable", run=f"rule enable {rule.name}")
