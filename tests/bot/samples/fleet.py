"""The whole fleet, and what happened in it."""

from __future__ import annotations

from datetime import timedelta

from fleet.message import Button
from tests.bot.samples.said import AGO, FILE, HOSTILE, SHA256, said
from tests.conftest import NOW

_WAITS = {
    "messages": 2,
    "messages_since": AGO[7],
    "events": 3,
    "events_since": AGO[90],
    "dead_events": 1,
    "approvals": 1,
    "campaigns": 2,
    "stopped_since": AGO[3],
    "leaving": 1,
    "certificates": 12,
}

_STATUS = {
    "now": NOW,
    "frozen": None,
    "total": 12000,
    "online": 11000,
    "online_within": 300.0,
    "drifted": 12,
    "alerts": 1,
    "by_status": [["active", 11900], ["maintenance", 100]],
    "sites": [["New York", 1200, 1100, 90, 7, 1], ["oslo", 10800, 9900, 810, 5, 0]],
    "site_count": 2,
    "cases": [["pushing", 7], ["waiting", 5]],
    "waits": _WAITS,
    "ending_days": 30,
    "flagged": 40,
    "dead_letters": [["not JSON", 4]],
}

_FOUND = {
    "now": NOW,
    "selector": 'site:"New York" firmware:<1.4',
    "total": 214,
    "first": 21,
    "last": 22,
    "rows": [
        ["dev-1", "active", "New York", "gw2", "1.3", "2026.1.0 -> 2026.2.0", AGO[3]],
        ["dev-2", "active", "New York", "gw2", HOSTILE[:30], "2026.2.0", None],
    ],
}

FLEET = {
    "fleet/status": said(
        "fleet/status",
        Button(text="Open alerts", run="alert list"),
        Button(text="Drifted devices", run="drift list"),
        **_STATUS,
    ),
    "fleet/status.frozen": said(
        "fleet/status", **_STATUS | {"frozen": {"until": NOW + timedelta(days=1), "why": "Black Friday"}}
    ),
    "fleet/status.many-sites": said(
        "fleet/status",
        **_STATUS | {"site_count": 40, "sites": [["oslo", 10, 9, 1, 1, 1], ["39 others", 11990, 10991, 900, 11, 0]]},
    ),
    "fleet/status.empty": said(
        "fleet/status",
        **_STATUS
        | {"total": 0, "online": 0, "drifted": 0, "alerts": 0, "by_status": [], "cases": [], "sites": []}
        | {"site_count": 0, "dead_letters": [], "flagged": 0, "waits": dict.fromkeys(_WAITS)},
    ),
    "fleet/find": said(
        "fleet/find",
        Button(text="Previous page", run='find --before dev-1 site:"New York"', replaces=True),
        Button(text="Next page", run='find --after dev-2 site:"New York"', replaces=True),
        Button(text="All as a file", run='find --csv site:"New York"'),
        **_FOUND,
    ),
    "fleet/find.all-of-them": said("fleet/find", **_FOUND | {"total": 2, "first": 1, "last": 2}),
    "fleet/find.none": said("fleet/find", **_FOUND | {"total": 0, "first": 1, "last": 0, "rows": []}),
    "fleet/find.after-the-last": said("fleet/find", **_FOUND | {"total": 3, "first": 4, "last": 3, "rows": []}),
    "fleet/billing": said(
        "fleet/billing",
        month="2026-03",
        devices=1200,
        hours=531_240.25,
        open=1100,
        so_far=True,
        now=NOW,
        file=FILE | {"name": "billing-2026-03.csv", "rows": 1210},
    ),
    "fleet/billing.none": said(
        "fleet/billing", month="2025-01", devices=0, hours=0.0, open=0, so_far=False, now=NOW, file=None
    ),
    "fleet/csv": said("fleet/csv", now=NOW, selector="site:oslo", total=214, file=FILE),
    "fleet/csv.here-and-cut": said(
        "fleet/csv",
        now=NOW,
        selector="site:oslo",
        total=900_000,
        file=FILE | {"rows": 500_000, "cut": True, "where": "C0FLEETOPS"},
    ),
}

_EVENT = {"who": "muster", "url": "", "times": 1, "until": None}

AUDIT = {
    "audit/head": said("audit/head", seq=12_345, mac=SHA256, at=NOW),
    "audit/list": said(
        "audit/list",
        Button(text="Earlier", run="audit --before au-01", replaces=True),
        rows=[
            [AGO[1], "U0ANN", "device suspended", "dev-1", HOSTILE, None],
            [AGO[90], "muster", "config pushed", "500 devices", "", 12_344],
        ],
        kinds=[],
        nobody="",
    ),
    "audit/list.none": said("audit/list", rows=[], kinds=[], nobody=""),
    "audit/list.mistyped": said("audit/list", rows=[], kinds=["campaign", "device"], nobody="olga"),
    "audit/why": said(
        "audit/why",
        Button(text="Earlier", run="why dev-1 --before 2026-03-19T14:00:00+00:00", replaces=True),
        device_id="dev-1",
        status="suspended",
        earlier=True,
        rows=[
            _EVENT | {"at": AGO[9000], "what": "device registered", "detail": ""},
            _EVENT | {"at": AGO[1500], "what": "drift found", "detail": "should run 2026.2.0"},
            _EVENT
            | {"at": AGO[1500], "what": "asked: config", "detail": "2026.2.0, no answer, attempt 4"}
            | {"times": 12, "until": AGO[90]},
            _EVENT
            | {
                "at": AGO[7],
                "what": "alert opened: drift",
                "detail": HOSTILE,
                "url": "https://slack.com/archives/C0FLEETOPS/p1700000000000001",
            },
            _EVENT | {"at": AGO[1], "who": "U0ANN", "what": "device suspended", "detail": "why: unpaid"},
        ],
    ),
    "audit/why.nothing": said("audit/why", device_id="dev-1", status="active", earlier=False, rows=[]),
}
