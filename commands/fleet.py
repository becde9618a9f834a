"""The whole fleet: its numbers, and who is who in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

from commands.paging import turning
from commands.spec import Call, command
from fleet.errors import BadInput
from fleet.glance import Ranked, by_trouble
from fleet.lifecycle import FLAGGED
from fleet.message import Button, File, Message
from fleet.roles import Role
from fleet.rollout import frozen
from fleet.selector import Selector
from storage import backlog, dead_letters, devices, glance, groups, pages
from storage.db import AnyRow

PAGE = 20
SITES = 10
FILE_PAGE = 500
COLUMNS = (
    "device_id",
    "status",
    "site",
    "reported_site",
    "model",
    "firmware_version",
    "reported_config_version",
    "target_config_version",
    "last_seen_at",
    "clock_skew_s",
    "registered_at",
)


@command("status", role=Role.VIEWER, example="status")
async def status(call: Call) -> Message:
    """The fleet at a glance: states, online, drift, alerts, campaigns, certificates, and what waits for whom."""
    ending_within = timedelta(days=max(call.settings.certificates.alert_days, default=0))
    async with call.db.read() as session:
        seen = await glance.glance(session, call.now, call.settings.drift.online_within)
        waits = await backlog.count(session, call.now, call.now + ending_within)
        unread = await dead_letters.counts(session, call.now - timedelta(hours=24))
    return Message(
        template="fleet/status",
        data={
            "now": call.now,
            "total": seen.total,
            "by_status": [[each.value, count] for each, count in sorted(seen.by_status.items())],
            "online": seen.online,
            "online_within": call.settings.drift.online_within.total_seconds(),
            "drifted": seen.drifted,
            "cases": [[state, count] for state, count in sorted(seen.cases.items())],
            "alerts": seen.alerts,
            "sites": _site_rows(by_trouble(seen.sites, SITES)),
            "site_count": len(seen.sites),
            "waits": asdict(waits),
            "frozen": frozen(call.settings.campaigns.freezes, call.now),
            "ending_days": ending_within.days,
            "flagged": sum(count for each, count in seen.by_status.items() if each in FLAGGED),
            "dead_letters": [[reason, count] for reason, count in sorted(unread.items())],
        },
        buttons=(
            Button(text="Open alerts", run="alert list"),
            Button(text="Drifted devices", run="drift list"),
            *((Button(text="Campaigns", run="bulk list"),) if waits.campaigns else ()),
            *((Button(text="Approvals", run="approve list"),) if waits.approvals else ()),
        ),
    )


def _site_rows(ranked: Ranked) -> list[list[str | int]]:
    lines = [(site.name or "(no site)", site) for site in ranked.named]
    if ranked.others:
        lines.append((f"{ranked.others:,} others", ranked.rest))
    return [[name, site.devices, site.online, site.offline, site.drifted, site.alerts] for name, site in lines]


@command("find", role=Role.VIEWER, aliases=("devices",), example="find site:oslo model:gw2 is:drifted")
async def find(
    call: Call,
    which: Selector,
    *,
    after: Annotated[str, "the page behind this device: what *Next* says"] = "",
    before: Annotated[str, "the page before this device: what *Back* says"] = "",
    csv: Annotated[bool, "all of them as a file"] = False,
    here: Annotated[bool, "the file comes into this channel, not by direct message"] = False,
) -> Message:
    """Devices that a selector means, a page at a time, or all of them as a file.

    The buttons turn the pages; `--after dev-20` and `--before dev-20` begin behind or before that id.
    `--csv` sends all of them as a file into your direct messages with Muster, `--csv --here` into this channel.
    """
    if here and not csv:
        raise BadInput("--here says where the file of --csv goes.", f"find --csv --here {which}")
    if csv:
        return await _as_file(call, which, here)
    within = call.settings.drift.online_within
    async with call.db.read() as session:
        await groups.refuse_unknown(session, which)
        page = await devices.find(session, which, call.now, within, PAGE, after, before)
    return Message(
        template="fleet/find",
        data={
            "now": call.now,
            "selector": str(which),
            "total": page.total,
            "first": page.skipped + 1,
            "last": page.skipped + len(page.rows),
            "rows": [_shown(row) for row in page.rows],
        },
        buttons=_pages(which, page),
    )


def _pages(which: Selector, page: pages.Page) -> tuple[Button, ...]:
    made = list(turning("find", which, page, "device_id"))
    if page.total > PAGE and len(run := f"find --csv {which}") <= 2000:
        made.append(Button(text="All as a file", run=run))
    return tuple(made)


def _shown(row: AnyRow) -> list[str | datetime | None]:
    return [
        row.device_id,
        row.status.value,
        row.site,
        row.model,
        row.firmware_version,
        _runs(row.reported_config_version, row.target_config_version),
        row.last_seen_at,
    ]


def _runs(reported: str, target: str | None) -> str:
    """`2026.1.0`, or `2026.1.0 -> 2026.2.0` where another one is wanted."""
    runs = reported or "never heard"
    return runs if target in (None, reported) else f"{runs} -> {target}"


async def _as_file(call: Call, which: Selector, here: bool) -> Message:
    async with call.db.read() as session:
        await groups.refuse_unknown(session, which)
        total = await devices.count(session, which, call.now, call.settings.drift.online_within)
    data = {"now": call.now, "selector": str(which), "total": total}
    if not total:
        return Message(template="fleet/find", data={**data, "first": 1, "last": 0, "rows": []})
    name = f"devices-{call.now:%Y-%m-%d-%H%M}.csv"
    return Message(template="fleet/csv", data=data, file=File(name, COLUMNS, _every_row(call, which), here))


async def _every_row(call: Call, which: Selector) -> AsyncIterator[list[tuple[object, ...]]]:
    within = call.settings.drift.online_within
    found = pages.by_device(call.db, lambda each, after: devices.page(each, which, call.now, within, FILE_PAGE, after))
    async for rows in found:
        yield [tuple(getattr(row, column) for column in COLUMNS) for row in rows]
