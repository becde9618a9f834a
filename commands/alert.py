"""Alerts: what stands open, taking one, and silencing or closing it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from commands import device
from commands.paging import meant, shown, turning
from commands.spec import Call, Rest, command
from fleet.alert import AlertKind, AlertState
from fleet.errors import Refused
from fleet.message import Button, Message
from fleet.roles import MUSTER, Role
from fleet.selector import Selector
from fleet.settings import Settings
from storage import alert_devices, alert_snooze, alerts, audit, causes, pages
from storage.tables import Alert

_LISTED = 20
_BUTTONS = 5
_DEVICES = 40


@command("alert list", role=Role.VIEWER, aliases=("alerts",), example="alert list site:oslo")
async def list_open(
    call: Call,
    which: Selector | None = None,
    *,
    after: Annotated[str, "the page behind this alert: what *Next page* says"] = "",
    before: Annotated[str, "the page before this alert: what *Previous page* says"] = "",
) -> Message:
    """Alerts that are not resolved, the newest first; with a selector, those in which such devices stand."""
    async with call.db.read() as session:
        listing = alerts.unresolved(await meant(call, session, which))
        page = await pages.turn(session, listing, _LISTED, pages.Place(after, before))
    unacknowledged = [row for row in page.rows if row.acknowledged_at is None]
    return Message(
        template="alert/list",
        data={
            "now": call.now,
            **shown(page, which),
            "rows": [
                [
                    row.id[-6:],
                    alerts.about(row),
                    row.kind.value.replace("_", " "),
                    row.state.value,
                    row.opened_at,
                    row.acknowledged_by,
                ]
                for row in page.rows
            ],
        },
        buttons=(
            *turning("alert list", which, page, "id"),
            *(
                Button(text=f"Acknowledge {alerts.about(row)}"[:75], run=f"alert ack {row.id}")
                for row in unacknowledged[:_BUTTONS]
            ),
        ),
    )


@command("alert ack", role=Role.OPERATOR, example="alert ack 7QK2ZD")
async def ack(call: Call, alert: str) -> Message:
    """Take an alert: it calls nobody further. The id's last characters are enough."""
    async with call.db.begin() as session:
        taken = await alerts.acknowledge(session, alert, call.person.id, call.now)
        about = {"about": alerts.about(taken)}
        await audit.add(session, call.now, call.person.id, "alert.acknowledged", taken.id, about)
    return Message(
        template="alert/acknowledged",
        data={"alert_id": taken.id, "about": alerts.about(taken)},
        buttons=(_shown(taken),),
    )


def _shown(alert: Alert) -> Button:
    if alert.device_id:
        return Button(text="Show device", run=f"device show {alert.device_id}")
    return Button(text="Show devices", run=f"alert show {alert.id}")


@command("alert show", role=Role.VIEWER, example="alert show 7QK2ZD")
async def show(call: Call, alert: str) -> Message:
    """One alert, with the devices that are still in it."""
    async with call.db.read() as session:
        found = await alerts.get(session, alert)
        rows, total = await alert_devices.of_alert(session, found.id, _DEVICES)
    return Message(
        template="alert/show",
        data={
            "now": call.now,
            "alert_id": found.id,
            "about": alerts.about(found),
            "kind": found.kind.value.replace("_", " "),
            "state": found.state.value,
            "by": _who(found),
            "taken": "",
            "opened_at": found.opened_at,
            "snoozed_until": found.snoozed_until,
            "resolved_at": found.resolved_at,
            "resolved_why": found.resolved_why,
            "devices": found.devices,
            "total": total,
            "rows": [[row.device_id, row.line, row.joined_at] for row in rows],
        },
        buttons=_as_posted(found),
    )


def _who(alert: Alert) -> str | None:
    """Who brought it into its state, if that was a person."""
    by = {
        AlertState.SNOOZED: alert.snoozed_by,
        AlertState.ACKNOWLEDGED: alert.acknowledged_by,
        AlertState.RESOLVED: alert.resolved_by,
    }.get(alert.state)
    return None if by == MUSTER.id else by


def _as_posted(alert: Alert) -> tuple[Button, ...]:
    """The buttons of its message in the channel, but for the one that leads here."""
    posted = alerts.messages([alert])[alerts.message_key(alert.id)]
    return tuple(each for each in posted.buttons if each.run != f"alert show {alert.id}")


@command("alert investigate", role=Role.OPERATOR, example="alert investigate 7QK2ZD")
async def investigate(call: Call, alert: str) -> Message:
    """Take an alert, if nobody has, and see all about its device."""
    taken = ""
    async with call.db.begin() as session:
        found = await alerts.get(session, alert)
        if found.state in (AlertState.OPEN, AlertState.SNOOZED):
            taken = alerts.about(found)
            found = await alerts.acknowledge(session, found.id, call.person.id, call.now)
            about = {"about": alerts.about(found)}
            await audit.add(session, call.now, call.person.id, "alert.acknowledged", found.id, about)
    seen = await (device.show(call, found.device_id) if found.device_id else show(call, found.id))
    return seen.model_copy(update={"data": {**seen.data, "taken": taken}})


@command("alert snooze", role=Role.OPERATOR, example="alert snooze 7QK2ZD 2h")
async def snooze(call: Call, alert: str, how_long: timedelta) -> Message:
    """Silence an alert for a while. It comes back when the time is over, unless its cause has ended; 0 ends it now."""
    until = until_when(how_long, call.now, call.settings)
    async with call.db.begin() as session:
        if until is None:
            found = await alert_snooze.end(session, alert, call.now)
        else:
            found = await alert_snooze.snooze(session, alert, until, call.person.id, call.now)
        told = {"until": until.isoformat() if until else None}
        await audit.add(session, call.now, call.person.id, "alert.snoozed", found.id, told)
    again = Button(text="End snooze", run=f"alert snooze {found.id} 0")
    return Message(
        template="alert/snoozed",
        data={"about": alerts.about(found), "until": until},
        buttons=(again, _shown(found)) if until else (_shown(found),),
    )


def until_when(how_long: timedelta, now: datetime, settings: Settings) -> datetime | None:
    """The end of a snooze that begins now; None for 0. Raises Refused if it is too long."""
    if how_long > settings.alerts.longest_snooze:
        longest = settings.alerts.longest_snooze.total_seconds() / 3600
        raise Refused(f"A snooze may last {longest:g} h at most (alerts.longest_snooze). Choose a shorter time.")
    return now + how_long if how_long else None


@command("alert resolve", role=Role.OPERATOR, example="alert resolve 7QK2ZD --force replaced by hand")
async def resolve(
    call: Call,
    alert: str,
    reason: Rest | None = None,
    *,
    force: Annotated[bool, "close it although its cause is not over"] = False,
) -> Message:
    """Close an alert by hand. While its cause lasts it is refused, as it closes by itself; `--force` closes it anyway.

    A cause that lasts is not told again after `--force`, until it ends and comes back; a certificate's is, at its
    next threshold.
    """
    calm_since = call.now - call.settings.drift.flapping_within
    async with call.db.begin() as session:
        found = await alerts.get(session, alert)
        about = alerts.about(found)
        if found.state is AlertState.RESOLVED:
            raise Refused(f"The alert for {about} is resolved already.")
        over = causes.over(found.kind, call.now, calm_since)
        still = await alert_devices.end_in(session, found.id, over, call.person.id, call.now)
        if still and not force:
            raise Refused(
                f"The cause of this alert still stands: {_STANDS[found.kind].format(about=about)} It closes by itself "
                f"when that ends. To close it all the same: /fleet alert resolve {found.id[-6:]} --force <reason>"
            )
        await alerts.resolve(session, found, reason or "", call.person.id, call.now)
        told = {"reason": reason or "", "forced": bool(still)}
        await audit.add(session, call.now, call.person.id, "alert.resolved", found.id, told)
    return Message(template="alert/resolved", data={"about": about, "still": still}, buttons=(_shown(found),))


_STANDS = {
    AlertKind.DRIFT: "{about} does not run the target yet.",
    AlertKind.UNKNOWN_VERSION: "{about} is still reported, and nobody knows it.",
    AlertKind.FLAPPING: "{about} drifted again not long ago.",
    AlertKind.LOCATION: "{about} still reports another site than the registry has.",
    AlertKind.CERTIFICATE: "{about} has no newer certificate yet.",
    AlertKind.OFFLINE: "{about} is still silent.",
    AlertKind.CPU: "{about} is still past the threshold of its rule.",
    AlertKind.RAM: "{about} is still past the threshold of its rule.",
    AlertKind.DISK: "{about} is still past the threshold of its rule.",
    AlertKind.REVOCATION_LIST: "{about} is still in danger.",
}
