"""What else people must know of devices: they stand elsewhere, report what nobody knows, or flap.

Each of these looks at what is: who has a cause and is not told, and whose cause ended. So it may run at any time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from fleet.alert import AlertKind
from fleet.grouping import Found, group_key
from fleet.lifecycle import ALERTS_PAUSED
from fleet.roles import MUSTER
from jobs.spec import Run, job
from storage import alert_devices, alert_opening, alert_suppression, audit, causes
from storage.columns import iso
from storage.db import CLOCK, AnyRow

log = structlog.get_logger(__name__)

BATCH = 1000
_ALWAYS_GROUPED = 0

Find = Callable[[AsyncSession], Awaitable[Sequence[AnyRow]]]


@job("locations", every=timedelta(seconds=30), woken_by=("alerts",))
async def locations(run: Run) -> datetime | None:
    """Tell where devices report another site than the registry has for them, several times in a row."""
    find = partial(causes.misplaced, in_a_row=run.settings.drift.location_after, limit=BATCH)
    return again(run, await look(run, AlertKind.LOCATION, causes.placed_again(), find, _misplaced))


def _misplaced(row: AnyRow) -> Found:
    shared = {"site": row.site, "reported_site": row.reported_site}
    return Found(
        device_id=row.device_id,
        key=group_key(f"says {row.reported_site}", row.site),
        data={**device(row), **shared, "statuses": row.site_streak},
        shared=shared,
        line=f"says {row.reported_site}",
        detail=row.reported_site,
    )


@job("unknown versions", every=timedelta(seconds=30), woken_by=("alerts", "new cases"))
async def unknown_versions(run: Run) -> datetime | None:
    """Tell of configuration versions that devices go on reporting and the registry does not hold."""
    find = partial(causes.unknown_versions, since=run.now - run.settings.drift.unknown_after, limit=BATCH)
    kind, over = AlertKind.UNKNOWN_VERSION, causes.version_known()
    return again(run, await look(run, kind, over, find, _unknown, above=_ALWAYS_GROUPED))


def _unknown(row: AnyRow) -> Found:
    version = row.reported_config_version
    return Found(
        device_id=row.device_id,
        key=group_key(f"reports {version}", ""),
        data={},
        shared={"version": version, "site": ""},
        line=f"at {row.site or 'no site'}, should run {row.target_config_version}",
        detail=version,
    )


@job("flapping", every=timedelta(minutes=1), woken_by=("new cases",))
async def flapping(run: Run) -> datetime | None:
    """Tell of devices that drift and mend again and again, once and not for each case."""
    policy = run.settings.drift
    since = run.now - policy.flapping_within
    find = partial(causes.flapping, cases=policy.flapping_cases, since=since, limit=BATCH)
    within_s = policy.flapping_within.total_seconds()
    made = partial(_flapping, within_s=within_s)
    return again(run, await look(run, AlertKind.FLAPPING, causes.calm(since), find, made))


def _flapping(row: AnyRow, within_s: float) -> Found:
    shared = {"site": row.site, "within_s": within_s}
    return Found(
        device_id=row.device_id,
        key=group_key("flapping", row.site),
        data={**device(row), **shared, "cases": row.cases, "last": iso(row.last)},
        shared=shared,
        line=f"{row.cases} cases",
    )


async def look(
    run: Run,
    kind: AlertKind,
    ended: ColumnElement[bool],
    find: Find,
    made: Callable[[AnyRow], Found],
    **grouping: Any,
) -> Sequence[AnyRow]:
    """End what ended and tell what was found, in one transaction; none is begun where there is nothing to do.

    What is found of devices in maintenance or suspended is kept for the end of that, and told to nobody.
    Returns what was found.
    """
    async with run.db.read() as session:
        if not await find(session) and not await alert_devices.any_ended(session, kind, ended):
            return []
    policy = run.settings.alerts
    async with run.db.begin(CLOCK) as session:
        left = await alert_devices.leave(session, kind, ended, MUSTER.id, run.now, policy.edit_every)
        rows = await find(session)
        paused = [made(row) for row in rows if row.status in ALERTS_PAUSED]
        found = [made(row) for row in rows if row.status not in ALERTS_PAUSED]
        await alert_suppression.suppress(session, kind, paused, run.now)
        channel = run.settings.slack.ops_channel
        posted = await alert_opening.tell(session, kind, found, channel, policy, run.now, **grouping)
        told = [each.device_id for each in found]
        done: dict[str, Any] = {"kind": kind.value, "devices": told, "suppressed": len(paused), "ended": left}
        await audit.add(session, run.now, MUSTER.id, "alert.changed", f"{len(rows) + left} devices", done)
    log.warning("alerts changed", kind=kind.value, told=len(found), suppressed=len(paused), ended=left, messages=posted)
    return rows


def again(run: Run, found: Sequence[AnyRow]) -> datetime | None:
    """At once, if there may be more than were found."""
    return run.now if len(found) == BATCH else None


def device(row: AnyRow) -> dict[str, Any]:
    """What every message about one device shows."""
    return {
        "device_id": row.device_id,
        "site": row.site,
        "model": row.model,
        "firmware": row.firmware_version,
        "target": row.target_config_version,
        "reported": row.reported_config_version,
        "last_seen_at": iso(row.last_seen_at) if row.last_seen_at else None,
    }
