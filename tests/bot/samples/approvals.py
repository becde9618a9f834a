"""Requests for approval, and the home of a person who decides about them."""

from __future__ import annotations

from datetime import timedelta

from fleet.message import Button, Style
from tests.bot.samples.diagnostics import STOPPED
from tests.bot.samples.said import AGO, HOSTILE, said
from tests.conftest import NOW

_REQUEST = {
    "approval_id": "ap-01KM3Z6T0000000000000ABCDEF",
    "state": "pending",
    "operation": "bulk.decommission",
    "title": "Decommission 1,200 devices at oslo",
    "campaign_id": "ca-01KM3Z6T0000000000000ABCDEF",
    "rules": [["Canary", "5"], ["Waves", "20%"], ["May fail", "5.0%, canaries 0.0%"]],
    "selector": "site:oslo",
    "starts_at": None,
    "starts_there": "",
    "frozen": None,
    "lasts_s": None,
    "ends_at": None,
    "online": 1020,
    "takes_s": 5400.0,
    "why": "replaced by gw3",
    "count": 1200,
    "sites": ["oslo", "bergen"],
    "devices": [f"dev-{number}" for number in range(1, 11)],
    "needed": 2,
    "role": "approver",
    "type_count": True,
    "requested_by": "U0ANN",
    "requested_at": AGO[90],
    "expires_at": NOW + timedelta(hours=2),
    "approved_by": ["U0BOB"],
    "glass_broken": False,
    "ended_by": "",
    "ended_at": None,
    "reason": "",
    "error": "",
    "may_approve": ["S0APPROVERS", "U0BOB", "U0CAT"],
}

_FROM_FRIDAY = {
    "starts_at": NOW + timedelta(days=2),
    "frozen": {"until": NOW + timedelta(days=2), "why": "Black Friday"},
}

_DOWNTIME = {
    "title": "Maintenance of dev-1",
    "starts_at": NOW + timedelta(days=2),
    "starts_there": "2026-03-21 15:30 Europe/Oslo",
    "lasts_s": 7200.0,
    "ends_at": NOW + timedelta(days=2, hours=2),
}

_ONE = _REQUEST | {
    "operation": "device.move",
    "title": "Move dev-1 to bergen",
    "campaign_id": "",
    "rules": [],
    "selector": "",
    "online": None,
    "takes_s": None,
    "why": "",
    "count": 1,
    "sites": [],
    "devices": ["dev-1"],
    "needed": 1,
    "type_count": False,
    "approved_by": [],
}

_REJECTED = {"state": "rejected", "ended_by": "U0CAT", "ended_at": AGO[1], "reason": HOSTILE}

_GLASS = {"glass_broken": True, "ended_by": "U0CAT", "ended_at": AGO[1], "reason": "The valve leaks."}

_ALL_SAID = {"approved_by": ["U0BOB", "U0CAT"], "ended_by": "U0CAT", "ended_at": AGO[1]}

_DETAILS = {"now": NOW, "params": [["site", HOSTILE]], "plan_sha256": "5f" * 32}

APPROVE = {
    "approve/request": said(
        "approve/request",
        Button(text="Approve", run="approve yes ap-01", style=Style.PRIMARY),
        Button(text="Reject", run="approve no ap-01", style=Style.DANGER),
        Button(text="Show", run="approve show ap-01"),
        **_REQUEST,
    ),
    "approve/request.one": said("approve/request", **_ONE | {"may_approve": []}),
    "approve/request.hostile": said("approve/request", **_ONE | {"title": HOSTILE, "sites": [HOSTILE]}),
    "approve/request.many-sites": said(
        "approve/request",
        **_REQUEST
        | {"sites": [f"site-{number}" for number in range(12)], "devices": [], "count": 20_000}
        | {"may_approve": [f"U0{number:03}" for number in range(12)], "approved_by": []},
    ),
    "approve/request.rejected": said("approve/request", **_REQUEST | _REJECTED),
    "approve/request.expired": said("approve/request", **_REQUEST | {"state": "expired"}),
    "approve/request.cancelled": said("approve/request", **_REQUEST | {"state": "cancelled", "ended_by": "U0ANN"}),
    "approve/request.approved": said("approve/request", **_REQUEST | _ALL_SAID | {"state": "approved"}),
    "approve/request.started": said("approve/request", **_REQUEST | _ALL_SAID | {"state": "started"}),
    "approve/request.glass": said("approve/request", **_REQUEST | _GLASS | {"state": "started"}),
    "approve/request.failed": said("approve/request", **_ONE | {"state": "failed", "error": HOSTILE}),
    "approve/schedule": said("approve/schedule", **_REQUEST | _FROM_FRIDAY),
    "approve/request.later": said("approve/request", **_REQUEST | _FROM_FRIDAY),
    "approve/request.maintenance": said("approve/request", **_ONE | _DOWNTIME | {"may_approve": ["U0BOB"]}),
    "approve/request.approved-for-later": said("approve/request", **_REQUEST | _FROM_FRIDAY | {"state": "started"}),
    "approve/asked.later": said("approve/asked", **_REQUEST | _FROM_FRIDAY),
    "approve/asked.downtime": said("approve/asked", **_ONE | _DOWNTIME | {"state": "approved", "needed": 0}),
    "approve/asked.downtime-now": said(
        "approve/asked", **_ONE | _DOWNTIME | {"state": "approved", "needed": 0, "starts_at": None}
    ),
    "approve/decided.later": said("approve/decided", **_REQUEST | _ALL_SAID | _FROM_FRIDAY | {"state": "approved"}),
    "approve/outcome.later": said("approve/outcome", **_REQUEST | _ALL_SAID | _FROM_FRIDAY | {"state": "started"}),
    "approve/asked": said("approve/asked", Button(text="Show", run="approve show ap-01"), **_REQUEST),
    "approve/asked.some": said(
        "approve/asked",
        **_ONE | {"state": "approved", "needed": 0, "left_out": {"maintenance": 2, "decommissioned": 1}},
    ),
    "approve/asked.new-site": said(
        "approve/asked",
        **_ONE | {"state": "approved", "needed": 0, "new_site": "bergn", "near": ["bergen", "bern"]},
    ),
    "approve/asked.at-once": said("approve/asked", **_ONE | {"state": "approved", "needed": 0}),
    "approve/decided": said("approve/decided", Button(text="Show", run="approve show ap-01"), **_REQUEST),
    "approve/decided.approved": said("approve/decided", **_REQUEST | _ALL_SAID | {"state": "approved"}),
    "approve/held": said("approve/held", **STOPPED),
    "approve/decided.stopped": said("approve/decided", **_REQUEST | _ALL_SAID | {"state": "approved"} | STOPPED),
    "approve/decided.stopped-one": said("approve/decided", **_ONE | {"state": "approved"} | STOPPED),
    "approve/decided.stopped-glass": said("approve/decided", **_REQUEST | _GLASS | {"state": "approved"} | STOPPED),
    "approve/asked.stopped": said("approve/asked", **_REQUEST | {"state": "approved", "needed": 0} | STOPPED),
    "approve/outcome.stopped": said("approve/outcome", **_REQUEST | _ALL_SAID | {"state": "started"} | STOPPED),
    "approve/decided.glass": said("approve/decided", **_REQUEST | _GLASS | {"state": "approved"}),
    "approve/decided.rejected": said("approve/decided", **_REQUEST | _REJECTED),
    "approve/decided.cancelled": said("approve/decided", **_REQUEST | {"state": "cancelled", "ended_by": "U0ANN"}),
    "approve/outcome": said("approve/outcome", **_REQUEST | _ALL_SAID | {"state": "started"}),
    "approve/outcome.glass": said("approve/outcome", **_REQUEST | _GLASS | {"state": "started"}),
    "approve/outcome.rejected": said("approve/outcome", **_REQUEST | _REJECTED),
    "approve/outcome.expired": said("approve/outcome", **_REQUEST | {"state": "expired"}),
    "approve/outcome.failed": said("approve/outcome", **_ONE | {"state": "failed", "error": HOSTILE}),
    "approve/form": said(
        "approve/form",
        Button(text="Approve…", run="approve yes ap-01", form=True),
        **_REQUEST,
        asks="count",
        word="yes",
    ),
    "approve/form.no-site": said("approve/form", **_ONE, asks="reason", word="no"),
    "approve/reminder": said("approve/reminder", **_REQUEST),
    "approve/glass": said(
        "approve/glass", title="Move dev-1", by="U0CAT", reason=HOSTILE, approval_id=_REQUEST["approval_id"]
    ),
    "approve/list": said(
        "approve/list",
        Button(text="Show: Move dev-1 to bergen", run="approve show ap-01"),
        now=NOW,
        total=12,
        rows=[_REQUEST, _ONE | {"title": HOSTILE}],
    ),
    "approve/list.empty": said("approve/list", now=NOW, total=0, rows=[]),
    "approve/show": said(
        "approve/show",
        **_REQUEST | _DETAILS | _REJECTED,
        decisions=[["U0BOB", "approve", AGO[3], ""], ["U0CAT", "reject", AGO[1], HOSTILE]],
    ),
    "approve/show.glass": said("approve/show", **_ONE | _DETAILS | _GLASS | {"error": HOSTILE}, decisions=[]),
}

HOME = {
    "home/nothing": said("home/nothing", why="not named in app.yaml, so roles.everyone holds"),
    "home/requests": said("home/requests", waiting=12, shown=10, total=14),
    "home/requests.none": said("home/requests", waiting=0, shown=0, total=2),
    "home/request": said("home/request", Button(text="Approve", run="approve yes ap-01"), **_REQUEST, now=NOW),
    "home/own": said(
        "home/own",
        Button(text="Take back: Move dev-1 to bergen", run="approve cancel ap-01"),
        rows=[_REQUEST, _ONE | {"title": HOSTILE}],
        count=2,
        now=NOW,
    ),
    "home/alerts": said(
        "home/alerts",
        Button(text="Acknowledge dev-1", run="alert ack al-01"),
        now=NOW,
        total=12,
        rows=[
            ["ABCDEF", "dev-1", "drift", "open", AGO[90]],
            ["ABCDEF", HOSTILE, "unknown version", "acknowledged", AGO[3]],
        ],
    ),
    "home/campaigns": said(
        "home/campaigns",
        Button(text="7QK2ZD Restart 200 devices at oslo", run="bulk show cp-01"),
        rows=[["ABCDEF", "Restart 200 devices at oslo", "soaking", 2, 5, 200]],
    ),
    "home/alerts.none": said("home/alerts", now=NOW, total=0, rows=[]),
}
