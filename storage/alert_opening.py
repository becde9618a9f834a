"""Alerts open: for single devices, or for a group of one cause at one site, whose devices are listed in its thread."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case as when
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import alert as rule
from fleet.alert import AlertKind, AlertState, Severity
from fleet.event import EventType
from fleet.grouping import Found, plan
from fleet.message import Message
from fleet.quiet_hours import posted_at
from fleet.settings import AlertSettings
from storage import alerts as rows_of
from storage import batch, ids, outbox
from storage.alert_devices import place
from storage.alerts import UNRESOLVED
from storage.db import AnyRow
from storage.tables import alerts

PAGE = 100  # devices in one message of a thread: about 10 sections of the 50 that Slack allows
LISTED = 2000  # devices that a thread lists at most


async def tell(
    session: AsyncSession,
    kind: AlertKind,
    found: Sequence[Found],
    channel: str,
    policy: AlertSettings,
    now: datetime,
    *,
    above: int | None = None,
    within: timedelta | None = None,
) -> int:
    """Open alerts for these devices, singly or grouped; returns how many messages were posted anew.

    A device that has its place in an alert of this kind keeps it: nothing is doubled. `above` and `within` are the
    policy's `group_above` and `group_within`, unless given.
    """
    if not found:
        return 0
    keys = {each.key for each in found}
    since = now - (policy.group_within if within is None else within)
    made = plan(
        found,
        await _standing(session, kind, keys),
        await _recent(session, kind, keys, since),
        policy.group_above if above is None else above,
    )
    posted = await _open_singles(session, kind, made.singles, channel, policy, now)
    for key, members in made.groups.items():
        posted += await _join(session, kind, key, members, channel, policy, now)
    return posted


async def _standing(session: AsyncSession, kind: AlertKind, keys: set[str]) -> set[str]:
    statement = select(alerts.c.key).where(UNRESOLVED, alerts.c.kind == kind, alerts.c.key.in_(keys))
    return set(await session.scalars(statement))


async def _recent(session: AsyncSession, kind: AlertKind, keys: set[str], since: datetime) -> dict[str, int]:
    """How many devices of each key were told singly since then."""
    statement = (
        select(alerts.c.group_key, func.count())
        .where(alerts.c.kind == kind, alerts.c.group_key.in_(keys), alerts.c.opened_at >= since)
        .where(alerts.c.device_id.is_not(None))
        .group_by(alerts.c.group_key)
    )
    return dict((await session.execute(statement)).all())


def new_row(
    kind: AlertKind, policy: AlertSettings, now: datetime, severity: Severity = Severity.CRITICAL
) -> dict[str, Any]:
    """An alert that opens now; its ladder begins when it may be posted. Whom it is about is up to the caller."""
    ladder = [{"after_s": rung.after.total_seconds(), "mention": rung.mention} for rung in policy.ladder]
    said_at = posted_at(severity, now, policy.quiet_hours)
    return {
        "id": ids.new("al", now),
        "kind": kind,
        "state": AlertState.OPEN,
        "opened_at": now,
        "ladder": ladder,
        "ladder_at": said_at,
        "due_at": said_at + policy.ladder[0].after if policy.ladder else None,
        "severity": severity,
    }


def _row(kind: AlertKind, of: Found, policy: AlertSettings, now: datetime) -> dict[str, Any]:
    return {
        **new_row(kind, policy, now, of.severity),
        "key": f"{of.device_id} {of.rule_id}".strip(),
        "group_key": of.key,
        "device_id": of.device_id,
        "devices": 1,
        "remaining": 1,
        "data": dict(of.data),
        "level": of.level,
        "level_at": of.level_at,
        "rule_id": of.rule_id,
    }


async def _open_singles(
    session: AsyncSession, kind: AlertKind, found: Sequence[Found], channel: str, policy: AlertSettings, now: datetime
) -> int:
    if not found:
        return 0
    rows = {each.device_id: _row(kind, each, policy, now) for each in found}
    insert = batch.insert(session, alerts).on_conflict_do_nothing().returning(alerts)
    opened = (await session.execute(insert, list(rows.values()))).all()
    of = {row.device_id: row.id for row in opened}
    placed = await place(session, kind, [(of[each.device_id], each) for each in found if each.device_id in of], now)
    if unplaced := set(of) - placed:  # another replica was faster with them
        await session.execute(delete(alerts).where(alerts.c.id.in_([of[each] for each in unplaced])))
    kept = [row for row in opened if row.device_id in placed]
    said_at = max((row.ladder_at for row in kept), default=now)  # all of one kind and rule are as severe
    await outbox.put(session, rows_of.messages(kept), channel, said_at, outbox.ESCALATION)
    await rows_of.tell_others(session, EventType.ALERT_OPENED, kept, now)
    return len(kept)


async def _join(
    session: AsyncSession,
    kind: AlertKind,
    key: str,
    found: Sequence[Found],
    channel: str,
    policy: AlertSettings,
    now: datetime,
) -> int:
    """Put these into the group of that key, which is opened if there is none. Returns 1 if it was."""
    first = min(found, key=lambda each: (each.ends_at is None, each.ends_at or now))
    empty = {"key": key, "device_id": None, "devices": 0, "remaining": 0, "data": dict(first.shared)}
    insert = batch.insert(session, alerts).on_conflict_do_nothing().returning(alerts.c.id)
    is_new = (await session.execute(insert, [{**_row(kind, first, policy, now), **empty}])).first() is not None
    group = select(alerts.c.id).where(UNRESOLVED, alerts.c.kind == kind, alerts.c.key == key).with_for_update()
    alert_id = (await session.scalars(group)).one()
    joined = await place(session, kind, [(alert_id, each) for each in found], now)
    grown = (
        update(alerts)
        .where(alerts.c.id == alert_id)
        .values(
            devices=alerts.c.devices + len(joined),
            remaining=alerts.c.remaining + len(joined),
            level_at=when((alerts.c.level_at > first.level_at, first.level_at), else_=alerts.c.level_at)
            if first.level_at
            else alerts.c.level_at,
        )
        .returning(alerts)
    )
    rows = (await session.execute(grown)).all()
    if is_new:
        await outbox.put(session, rows_of.messages(rows), channel, rows[0].ladder_at, outbox.ESCALATION)
        await rows_of.tell_others(session, EventType.ALERT_OPENED, rows, now)
    else:
        await rows_of.say(session, rows, now, policy.edit_every)
    await _list(session, rows[0], [each for each in found if each.device_id in joined], channel, now)
    return int(is_new)


async def _list(session: AsyncSession, group: AnyRow, joined: Sequence[Found], channel: str, now: datetime) -> None:
    """The devices that joined, in the thread of the group."""
    before = group.devices - len(joined)
    shown = sorted(joined, key=lambda each: each.device_id)[: max(LISTED - before, 0)]
    about = rule.about(group.kind, group.device_id, group.data)
    thread = rows_of.message_key(group.id)
    pages = {}
    for at in range(0, len(shown), PAGE):
        rows = [[each.device_id, each.line] for each in shown[at : at + PAGE]]
        data = {"about": about, "first": before + at + 1, "rows": rows, "joined": before > 0}
        pages[f"{thread}:devices:{before + at}"] = Message(template="alert/devices", data=data)
    if len(shown) < len(joined):
        data = {"about": about, "first": LISTED + 1, "rows": [], "joined": True, "alert_id": group.id}
        pages[f"{thread}:devices:more"] = Message(template="alert/devices", data=data)
    await outbox.put(session, pages, channel, now, outbox.REPORT, thread_key=thread)
