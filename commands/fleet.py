"""The whole fleet: its numbers, and who is who in it."""

from __future__ import annotations

from datetime import timedelta

from commands.spec import Call, command
from fleet.message import Button, Message
from fleet.roles import Role
from fleet.selector import Selector
from storage import alerts, dead_letters, devices, outbox

PAGE = 20


@command("status", role=Role.VIEWER, example="status")
async def status(call: Call) -> Message:
    """The fleet at a glance: states, online, drift, alerts, and what waits for Slack."""
    async with call.db.read() as session:
        glance = await devices.glance(session, call.now, call.settings.drift.online_within)
        newest, open_alerts = await alerts.unresolved(session, 1)
        waiting, oldest = await outbox.waiting(session)
        unread = await dead_letters.counts(session, call.now - timedelta(hours=24))
    return Message(
        template="fleet/status",
        data={
            "now": call.now,
            "total": glance.total,
            "by_status": [(each.value, count) for each, count in sorted(glance.by_status.items())],
            "online": glance.online,
            "online_within": call.settings.drift.online_within.total_seconds() / 60,
            "drifted": glance.drifted,
            "cases": sorted(glance.cases.items()),
            "alerts": open_alerts,
            "newest_alert": newest[0].device_id if newest else None,
            "waiting": waiting,
            "waiting_since": oldest,
            "dead_letters": sorted(unread.items()),
        },
        buttons=(
            Button(text="Open alerts", run="alert list"),
            Button(text="Drifted devices", run="drift list"),
        ),
    )


@command("find", role=Role.VIEWER, example="find site:oslo model:gw2 is:drifted")
async def find(call: Call, which: Selector, *, after: str = "") -> Message:
    """Devices that a selector means, a page at a time.

    `--after dev-20` begins behind that id; the *Next page* button does it for you.
    """
    async with call.db.read() as session:
        page = await devices.find(session, which, call.now, call.settings.drift.online_within, PAGE, after)
    last = page.rows[-1].device_id if page.rows else ""
    more = Button(text="Next page", run=f"find --after {last} {which}"[:2000])
    return Message(
        template="fleet/find",
        data={
            "now": call.now,
            "selector": str(which),
            "total": page.total,
            "after": after,
            "rows": [
                [
                    row.device_id,
                    row.status.value,
                    row.site,
                    row.model,
                    row.firmware_version,
                    row.reported_config_version or "never heard",
                    row.target_config_version or "none",
                    row.last_seen_at,
                ]
                for row in page.rows
            ],
        },
        buttons=(more,) if len(page.rows) == PAGE else (),
    )
