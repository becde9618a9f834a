"""One message or more for every template: `group/name` or `group/name.variant` -> Message.

`tests/bot/test_render.py` renders each and compares it with `tests/bot/rendered/<the same with dots>.txt`. After a
wanted change: `MUSTER_WRITE_RENDERED=1 pytest tests/bot/test_render.py`, and read the difference.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fleet.message import Button, Message, Style
from tests.conftest import NOW

AGO = {minutes: NOW - timedelta(minutes=minutes) for minutes in (1, 3, 7, 90, 1500, 9000)}
HOSTILE = "boom `rm` ```\n# no\n---\n| x: y\n<!channel> <@U1> & *b* \x1b[31mred\x07 \u202e@here"


def _said(template: str, *buttons: Button, **data: Any) -> Message:
    return Message(template=template, data=data, buttons=buttons)


PROBLEM = {
    "problem": _said("problem", text="There is no device called dev-9. Did you mean dev-1?", reference=None),
    "problem.usage": _said(
        "problem",
        Button(text="Run: diag ping dev-1 --within 3", run="diag ping dev-1 --within 3"),
        text="There is no flag --witin here. Did you mean --within?\nUsage: /fleet diag ping <device> [--within 30]",
        reference=None,
    ),
    "problem.fault": _said("problem", text="Something in Muster went wrong.", reference="ref-0a1b2c3d"),
    "problem.hostile": _said("problem", text=f"There is no device called {HOSTILE}.", reference=None),
}

_PING = {"usage": "/fleet diag ping <device> [--within 30]", "words": "diag ping", "summary": "Ask one to answer."}
_WHO = {"root": "/fleet", "role": "viewer", "why": "not named in app.yaml, so roles.everyone holds"}

HELP = {
    "help/index": _said(
        "help/index",
        **_WHO,
        asked="",
        hidden=12,
        groups=[
            {"name": "diag", "commands": [_PING, {**_PING, "usage": "/fleet diag logs <selector>"}]},
            {"name": "status", "commands": [{"usage": "/fleet status", "words": "status", "summary": "At a glance."}]},
        ],
    ),
    "help/index.one-noun": _said(
        "help/index", **_WHO, asked="diag", hidden=1, groups=[{"name": "diag", "commands": [_PING]}]
    ),
    "help/index.nothing": _said("help/index", root="/fleet", role="none", why="", asked="", hidden=14, groups=[]),
    "help/command": _said(
        "help/command",
        **_PING,
        root="/fleet",
        doc="The device has to be online.\nIts clock is compared with ours.",
        flags=[
            {"flag": "--within", "hint": "number", "default": "30"},
            {"flag": "--level", "hint": "error|warning", "default": ""},
            {"flag": "--force", "hint": "", "default": "False"},
        ],
        aliases=["/fleet ping", "/fleet diag p"],
        example="diag ping dev-1 --within 10",
        needs="viewer",
        role="viewer",
        allowed=True,
    ),
    "help/command.out-of-reach": _said(
        "help/command",
        root="/fleet",
        usage="/fleet drift sweep",
        words="drift sweep",
        summary="Look for drifted devices now.",
        doc="",
        flags=[],
        aliases=[],
        example="",
        needs="operator",
        role="viewer",
        allowed=False,
    ),
}

_ALERT = {
    "state": "open",
    "device_id": "dev-1",
    "site": "oslo",
    "cause": "rejected",
    "error": HOSTILE,
    "attempt": 4,
    "rounds": 1,
    "model": "gw2",
    "firmware": "1.4.0",
    "target": "2026.2.0",
    "reported": "2026.1.0",
    "detected_at": AGO[1500],
    "last_seen_at": AGO[3],
    "alert_id": "al-01KM3Z6T0000000000000ABCDEF",
    "acknowledged_by": None,
    "acknowledged_at": None,
    "resolved_at": None,
}

ALERT = {
    "alert/drift": _said(
        "alert/drift",
        Button(text="Acknowledge", run="alert ack al-01", style=Style.PRIMARY),
        Button(text="Retry push", run="drift retry dev-1", confirm="Push to dev-1 again?"),
        Button(text="Show device", run="device show dev-1"),
        **_ALERT,
    ),
    "alert/drift.acknowledged": _said(
        "alert/drift",
        **_ALERT
        | {"state": "acknowledged", "cause": "unresponsive", "rounds": 2, "site": None, "reported": ""}
        | {"acknowledged_by": "U0ANN", "acknowledged_at": AGO[1]},
    ),
    "alert/drift.resolved": _said(
        "alert/drift", **_ALERT | {"state": "resolved", "cause": "waiting", "resolved_at": AGO[1], "last_seen_at": None}
    ),
    "alert/acknowledged": _said("alert/acknowledged", device_id="dev-1"),
    "alert/call": _said("alert/call", device_id="dev-1", mention="<!subteam^S0ONCALL>", opened_at=AGO[90]),
    "alert/list": _said(
        "alert/list",
        now=NOW,
        total=3,
        rows=[
            ["al-01", "dev-1", "drift", "open", AGO[90], None],
            ["al-02", "dev-2", "drift", "acknowledged", AGO[9000], "U0ANN"],
        ],
    ),
    "alert/list.none": _said("alert/list", now=NOW, total=0, rows=[]),
}

_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

CONFIG = {
    "config/added": _said("config/added", version="2026.2.1", new=True, sha256=_SHA),
    "config/added.again": _said("config/added", version="2026.2.1", new=False, sha256=_SHA),
    "config/assigned": _said("config/assigned", version="2026.2.1", changed=["dev-1", "dev-2"], unchanged=["dev-3"]),
    "config/assigned.nothing": _said("config/assigned", version="2026.2.1", changed=[], unchanged=["dev-3"]),
    "config/list": _said(
        "config/list",
        now=NOW,
        rows=[["2026.2.0", _SHA[:12], AGO[90], "slower sampling"], ["2026.1.0", _SHA[12:24], AGO[9000], ""]],
    ),
    "config/list.none": _said("config/list", now=NOW, rows=[]),
    "config/show": _said(
        "config/show",
        version="2026.2.0",
        sha256=_SHA,
        created_at=AGO[90],
        created_by="U0ANN",
        note="",
        devices=1200,
        body='{\n  "sampling_s": 30,\n  "site": "<Oslo> & `co`"\n}',
        cut=True,
    ),
}

_DEVICE = {
    "now": NOW,
    "device_id": "dev-1",
    "status": "active",
    "online": True,
    "drifted": True,
    "last_seen_at": AGO[3],
    "site": "oslo",
    "reported_site": "bergen",
    "model": "gw2",
    "firmware": "1.4.0",
    "clock_skew_s": -612.4,
    "reported": "2026.1.0",
    "target": "2026.2.0",
    "case": "pushing",
    "tags": [["env", "prod"], ["spare", "true"]],
    "groups": ["canary"],
    "operations": [["config", "2026.2.0", "sent", 2, AGO[3], None]],
    "telemetry_count": 1234,
    "telemetry_at": AGO[1],
    "telemetry_last": '{"t": 21.5}',
    "registered_at": AGO[9000],
}
_NEVER = {
    "online": False,
    "drifted": False,
    "last_seen_at": None,
    "reported_site": None,
    "clock_skew_s": None,
    "reported": "",
    "target": None,
    "case": None,
    "tags": [],
    "groups": [],
    "operations": [],
    "telemetry_count": 0,
    "telemetry_at": None,
    "telemetry_last": None,
}

DEVICE = {
    "device/show": _said("device/show", **_DEVICE),
    "device/show.never-heard": _said("device/show", **_DEVICE | _NEVER | {"site": "", "model": "", "firmware": ""}),
}

_CASE = {
    "state": "pushing",
    "detected_at": AGO[90],
    "rounds": 1,
    "attempt": 2,
    "due_at": NOW + timedelta(minutes=4),
    "fresh_at": None,
    "error": None,
    "escalated_at": None,
    "escalate_at": NOW + timedelta(hours=22),
    "resolved_at": None,
    "resolution": None,
}
_DRIFT = {
    "now": NOW,
    "device_id": "dev-1",
    "drifted": True,
    "target": "2026.2.0",
    "reported": "2026.1.0",
    "last_seen_at": AGO[3],
    "case": _CASE,
    "is_open": True,
    "retries": 3,
    "operations": [["2026.2.0", "sent", 2, AGO[3], None, None], ["2026.2.0", "failed", 1, AGO[7], AGO[3], HOSTILE]],
    "earlier": [[AGO[9000], AGO[1500], "acknowledged"]],
}

DRIFT = {
    "drift/list": _said(
        "drift/list",
        now=NOW,
        total=1200,
        rows=[
            ["dev-1", "oslo", "pushing", "2026.1.0", "2026.2.0", AGO[90], AGO[3]],
            ["dev-22", "New York", "waiting", "never heard", "2026.2.0", AGO[1500], None],
        ],
    ),
    "drift/list.none": _said("drift/list", now=NOW, total=0, rows=[]),
    "drift/retry": _said("drift/retry", version="2026.2.0", device_id="dev-1", waiting=False, last_seen_at=AGO[3]),
    "drift/retry.offline": _said("drift/retry", version="2026.2.0", device_id="dev-1", waiting=True, last_seen_at=None),
    "drift/show": _said("drift/show", **_DRIFT),
    "drift/show.rejected": _said(
        "drift/show",
        **_DRIFT | {"case": _CASE | {"state": "rejected", "error": HOSTILE, "escalated_at": AGO[7]}, "earlier": []},
    ),
    "drift/show.resolved": _said(
        "drift/show",
        **_DRIFT
        | {"drifted": False, "is_open": False, "operations": [], "earlier": []}
        | {"case": _CASE | {"state": "resolved", "resolved_at": AGO[7], "resolution": "acknowledged"}},
    ),
    "drift/show.never": _said(
        "drift/show", **_DRIFT | {"drifted": False, "case": None, "is_open": False, "operations": [], "earlier": []}
    ),
    "drift/sweep": _said("drift/sweep", drifted=12, cases=1),
}

_STATUS = {
    "now": NOW,
    "total": 12000,
    "online": 11000,
    "online_within": 5.0,
    "drifted": 12,
    "alerts": 1,
    "by_status": [["active", 11900], ["maintenance", 100]],
    "cases": [["pushing", 7], ["waiting", 5]],
    "waiting": 2,
    "waiting_since": AGO[7],
    "dead_letters": [["not JSON", 4]],
}

FLEET = {
    "fleet/status": _said("fleet/status", **_STATUS),
    "fleet/status.empty": _said(
        "fleet/status",
        **_STATUS
        | {"total": 0, "online": 0, "drifted": 0, "alerts": 0, "by_status": [], "cases": []}
        | {"waiting": 0, "waiting_since": None, "dead_letters": []},
    ),
    "fleet/find": _said(
        "fleet/find",
        Button(text="Next 20", run='find site:"New York" --after dev-2'),
        now=NOW,
        selector='site:"New York" firmware:<1.4',
        total=3,
        after=None,
        rows=[
            ["dev-1", "active", "New York", "gw2", "1.3", "2026.1.0", "2026.2.0", AGO[3]],
            ["dev-2", "active", "New York", "gw2", "1.2", "2026.2.0", "2026.2.0", None],
        ],
    ),
    "fleet/find.none": _said("fleet/find", now=NOW, selector="site:x", total=0, after=None, rows=[]),
    "fleet/find.after-the-last": _said("fleet/find", now=NOW, selector="site:x", total=3, after="dev-3", rows=[]),
}

SAMPLES: dict[str, Message] = {**PROBLEM, **HELP, **ALERT, **CONFIG, **DEVICE, **DRIFT, **FLEET}
