"""Which devices stand in which alert: told singly or in a group, and leaving when their cause ends.

A group is one row and one message however many devices it has; the devices are listed in its thread, a page at a
time. Whoever joins or leaves changes two numbers, and edits of them pile up (`alerts.edit_every`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy import case as when
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import alert as rule
from fleet.alert import AlertKind, AlertState, Severity
from fleet.event import EventType
from fleet.grouping import Found, plan
from fleet.lifecycle import ALERTS_PAUSED
from fleet.message import Message
from fleet.quiet_hours import posted_at
from fleet.settings import AlertSettings
from storage import alerts as rows_of
from storage import batch, ids, outbox
from storage.db import AnyRow
from storage.tables import SUPPRESSED, Alert, alert_devices, alerts, devices

PAGE = 100  # devices in one message of a thread: about 10 sections of the 50 that Slack allows
LISTED = 2000  # devices that a thread lists at most
_STANDING = text("alert_devices.left_at IS NULL")  # as the partial index has it
_UNRESOLVED = text("alerts.state != 'resolved'")


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
    statement = select(alerts.c.key).where(_UNRESOLVED, alerts.c.kind == kind, alerts.c.key.in_(keys))
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
    placed = await _place(session, kind, [(of[each.device_id], each) for each in found if each.device_id in of], now)
    if unplaced := set(of) - placed:  # another replica was faster with them
        await session.execute(delete(alerts).where(alerts.c.id.in_([of[each] for each in unplaced])))
    kept = [row for row in opened if row.device_id in placed]
    said_at = max((row.ladder_at for row in kept), default=now)  # all of one kind and rule are as severe
    await outbox.put(session, rows_of.messages(kept), channel, said_at, outbox.ESCALATION)
    await rows_of.tell_others(session, EventType.ALERT_OPENED, kept, now)
    return len(kept)


async def _place(
    session: AsyncSession, kind: AlertKind, places: Sequence[tuple[str | None, Found]], now: datetime
) -> set[str]:
    """Give devices their places in alerts. Returns those that had none of this kind and rule yet."""
    if not places:
        return set()
    new = [
        {
            "id": ids.new("am", now),
            "alert_id": alert_id,
            "device_id": each.device_id,
            "kind": kind,
            "detail": each.detail,
            "ends_at": each.ends_at,
            "rule_id": each.rule_id,
            "severity": each.severity,
            "line": each.line,
            "joined_at": now,
        }
        for alert_id, each in places
    ]
    insert = batch.insert(session, alert_devices).on_conflict_do_nothing().returning(alert_devices.c.device_id)
    return set(await session.scalars(insert, new))


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
    group = select(alerts.c.id).where(_UNRESOLVED, alerts.c.kind == kind, alerts.c.key == key).with_for_update()
    alert_id = (await session.scalars(group)).one()
    joined = await _place(session, kind, [(alert_id, each) for each in found], now)
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


async def resolve_for(
    session: AsyncSession, kind: AlertKind | None, device_ids: Sequence[str], by: str, now: datetime, after: timedelta
) -> int:
    """The cause ended for these devices; of every kind, if it is None. Returns how many places in alerts they had."""
    given = batch.rows(session, {"device_id": batch.TEXT})
    of_kind = (alert_devices.c.kind == kind,) if kind else ()
    statement = _left(now).where(
        alert_devices.c.device_id == given.c.device_id,
        batch.and_not_guessed(*of_kind, _STANDING),
    )
    left = await session.execute(statement, {"given": batch.dump({"device_id": each} for each in device_ids)})
    return await _decrease(session, left.all(), by, now, after)


async def leave(
    session: AsyncSession, kind: AlertKind, ended: ColumnElement[bool], by: str, now: datetime, after: timedelta
) -> int:
    """The cause ended for the devices in alerts of this kind that meet `ended`, a condition on `alert_devices`."""
    left = await session.execute(_left(now).where(_STANDING, alert_devices.c.kind == kind, ended))
    return await _decrease(session, left.all(), by, now, after)


async def any_ended(session: AsyncSession, kind: AlertKind, ended: ColumnElement[bool]) -> bool:
    """True if `leave` would find something: a look that takes no lock."""
    statement = select(alert_devices.c.id).where(_STANDING, alert_devices.c.kind == kind, ended).limit(1)
    return (await session.execute(statement)).first() is not None


async def suppress(session: AsyncSession, kind: AlertKind, found: Sequence[Found], now: datetime) -> None:
    """These devices are in maintenance or suspended: keep what would have been told of them, for when that ends."""
    await _place(session, kind, [(None, each) for each in found], now)


async def suppressed(session: AsyncSession, limit: int) -> Sequence[AnyRow]:
    """What was suppressed of devices that are not in maintenance or suspended any more, the earliest of each first.

    Columns: id, device_id, kind, severity, line, joined_at, left_at (None: the cause lasts).
    """
    place = alert_devices.c
    statement = (
        select(place.id, place.device_id, place.kind, place.severity, place.line, place.joined_at, place.left_at)
        .join(devices, devices.c.device_id == place.device_id)
        .where(text(SUPPRESSED), devices.c.status.not_in(ALERTS_PAUSED))
        .order_by(place.device_id, place.joined_at)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


async def end_suppression(session: AsyncSession, places: Sequence[str], now: datetime) -> set[str]:
    """People are told of these: a cause that lasts is found anew. Returns those that nobody else has told."""
    given = batch.texts(session)
    left_at = func.coalesce(alert_devices.c.left_at, batch.moment(now))
    statement = (
        update(alert_devices)
        .where(alert_devices.c.id == given.c.value, batch.and_not_guessed(text(SUPPRESSED)))
        .values(summarised_at=now, left_at=left_at)
        .returning(alert_devices.c.id)
    )
    return set(await session.scalars(statement, {"given": batch.dump(places)}))


def _left(now: datetime) -> Any:
    return update(alert_devices).values(left_at=now).returning(alert_devices.c.alert_id)


async def _decrease(session: AsyncSession, left: Sequence[AnyRow], by: str, now: datetime, after: timedelta) -> int:
    """Fewer devices are left in these alerts; the ones that have none left are resolved, and all messages edited."""
    if not left:
        return 0
    fewer = Counter(row.alert_id for row in left if row.alert_id)  # suppressed ones are in no alert
    given = batch.rows(session, {"id": batch.TEXT, "gone": batch.INTEGER})
    remaining = alerts.c.remaining - given.c.gone
    ends = (alerts.c.state != AlertState.RESOLVED) & (remaining <= 0)
    statement = (
        update(alerts)
        .where(alerts.c.id == given.c.id)
        .values(
            remaining=remaining,
            state=when((ends, AlertState.RESOLVED.value), else_=alerts.c.state),
            resolved_by=when((ends, by), else_=alerts.c.resolved_by),
            resolved_at=when((ends, batch.moment(now)), else_=alerts.c.resolved_at),
            due_at=when((ends, None), else_=alerts.c.due_at),
            level_at=when((ends, None), else_=alerts.c.level_at),
        )
        .returning(alerts)
    )
    rows = ({"id": alert_id, "gone": gone} for alert_id, gone in sorted(fewer.items()))
    moved = (await session.execute(statement, {"given": batch.dump(rows)})).all()
    ended = [row for row in moved if row.state is AlertState.RESOLVED and row.resolved_at == now]
    await rows_of.say(session, ended, now)
    await rows_of.tell_others(session, EventType.ALERT_RESOLVED, ended, now)
    await rows_of.say(session, [row for row in moved if row.state is not AlertState.RESOLVED], now, after)
    return len(left)


async def end_in(session: AsyncSession, alert_id: str, ended: ColumnElement[bool], by: str, now: datetime) -> int:
    """Let the devices leave one alert that meet `ended`. Returns how many are left."""
    here = alert_devices.c.alert_id == alert_id
    left = await session.execute(_left(now).where(_STANDING, here, ended))
    await _decrease(session, left.all(), by, now, timedelta(0))
    return await session.scalar(select(func.count()).select_from(alert_devices).where(_STANDING, here)) or 0


def of_rule(rule_id: str) -> ColumnElement[bool]:
    """The condition that a place is in an alert of this rule."""
    return alert_devices.c.rule_id == rule_id


async def count_of_rule(session: AsyncSession, rule_id: str) -> int:
    """How many devices stand in alerts of this rule."""
    standing = select(func.count()).select_from(alert_devices).where(_STANDING, of_rule(rule_id))
    return await session.scalar(standing.where(alert_devices.c.alert_id.is_not(None))) or 0


async def alert_of(session: AsyncSession, kind: AlertKind, device_id: str) -> Alert | None:
    """The unresolved alert of this kind in which the device stands."""
    statement = (
        select(Alert)
        .join(alert_devices, alert_devices.c.alert_id == alerts.c.id)
        .where(_STANDING, alert_devices.c.kind == kind, alert_devices.c.device_id == device_id, _UNRESOLVED)
    )
    return (await session.scalars(statement)).first()


async def of_alert(session: AsyncSession, alert_id: str, limit: int) -> tuple[Sequence[AnyRow], int]:
    """The devices that still stand in an alert (device_id, detail, joined_at), and how many there are."""
    condition = (alert_devices.c.alert_id == alert_id, _STANDING)
    statement = (
        select(alert_devices.c.device_id, alert_devices.c.detail, alert_devices.c.joined_at)
        .where(*condition)
        .order_by(alert_devices.c.device_id)
        .limit(limit)
    )
    count = select(func.count()).select_from(alert_devices).where(*condition)
    return (await session.execute(statement)).all(), await session.scalar(count) or 0
