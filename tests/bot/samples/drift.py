"""Configurations, and the drift from them."""

from __future__ import annotations

from datetime import timedelta

from tests.bot.samples.diagnostics import STOPPED
from tests.bot.samples.said import AGO, HOSTILE, SHA256, said
from tests.conftest import NOW

_DIFF = {
    "now": NOW,
    "device_id": "dev-1",
    "target": "2026.2.0",
    "reported": "2026.1.0",
    "detected_at": AGO[90],
    "target_set_at": AGO[1500],
}

CONFIG = {
    "config/added": said("config/added", version="2026.2.1", new=True, sha256=SHA256),
    "config/added.again": said("config/added", version="2026.2.1", new=False, sha256=SHA256),
    "config/assigned": said("config/assigned", version="2026.2.1", changed=["dev-1", "dev-2"], unchanged=["dev-3"]),
    "config/assigned.nothing": said("config/assigned", version="2026.2.1", changed=[], unchanged=["dev-3"]),
    "config/assigned.stopped": said("config/assigned", version="2026.2.1", changed=["dev-1"], unchanged=[], **STOPPED),
    "stopped": said("stopped", **STOPPED),
    "config/diff": said(
        "config/diff",
        **_DIFF,
        how="other",
        counts=[["added", 1], ["changed", 2]],
        total=3,
        rows=[
            ["radio.band", "changed", "868", "915"],
            ["radio.bands[2]", "added", "", '"eu"'],
            ['"a key"', "changed", '"<!channel> `x`"', "x" * 500],
        ],
    ),
    "config/diff.ahead-and-cut": said(
        "config/diff", **_DIFF, how="ahead", counts=[["removed", 90]], total=90, rows=[["a", "removed", "1", ""]]
    ),
    "config/diff.same-content": said("config/diff", **_DIFF, how="other", counts=[], total=0, rows=[]),
    "config/diff.unknown": said(
        "config/diff", **_DIFF | {"reported": HOSTILE}, how="unknown", counts=[], total=0, rows=[]
    ),
    "config/diff.never": said(
        "config/diff", **_DIFF | {"reported": "", "detected_at": None}, how="never", counts=[], total=0, rows=[]
    ),
    "config/diff.none": said(
        "config/diff", **_DIFF | {"target_set_at": None, "detected_at": None}, how="none", counts=[], total=0, rows=[]
    ),
    "config/list": said(
        "config/list",
        now=NOW,
        rows=[["2026.2.0", SHA256[:12], AGO[90], "slower sampling"], ["2026.1.0", SHA256[12:24], AGO[9000], ""]],
    ),
    "config/list.none": said("config/list", now=NOW, rows=[]),
    "config/show": said(
        "config/show",
        version="2026.2.0",
        sha256=SHA256,
        created_at=AGO[90],
        created_by="U0ANN",
        note="",
        devices=1200,
        body='{\n  "sampling_s": 30,\n  "site": "<Oslo> & `co`"\n}',
        cut=True,
    ),
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
    "snoozed_until": None,
    "snoozed_by": None,
    "snooze_why": "",
}

_DRIFT = {
    "now": NOW,
    "device_id": "dev-1",
    "status": "active",
    "watched": True,
    "drifted": True,
    "target": "2026.2.0",
    "reported": "2026.1.0",
    "how": "other",
    "snoozed": False,
    "flapping": None,
    "last_seen_at": AGO[3],
    "case": _CASE,
    "is_open": True,
    "retries": 3,
    "operations": [["2026.2.0", "sent", 2, AGO[3], None, None], ["2026.2.0", "failed", 1, AGO[7], AGO[3], HOSTILE]],
    "earlier": [[AGO[9000], AGO[1500], "acknowledged"]],
}

DRIFT = {
    "drift/list": said(
        "drift/list",
        now=NOW,
        total=1200,
        first=31,
        last=32,
        selector="site:oslo",
        rows=[
            ["dev-1", "oslo", "pushing", "2026.1.0", "2026.2.0", AGO[90], AGO[3]],
            ["dev-22", "New York", "waiting", "never heard", "2026.2.0", AGO[1500], None],
        ],
    ),
    "drift/list.none": said("drift/list", now=NOW, total=0, first=1, last=0, selector="", rows=[]),
    "drift/retry": said("drift/retry", version="2026.2.0", device_id="dev-1", waiting=False, last_seen_at=AGO[3]),
    "drift/retry.offline": said("drift/retry", version="2026.2.0", device_id="dev-1", waiting=True, last_seen_at=None),
    "drift/retry.stopped": said(
        "drift/retry", version="2026.2.0", device_id="dev-1", waiting=False, last_seen_at=AGO[3], **STOPPED
    ),
    "drift/show": said("drift/show", **_DRIFT),
    "drift/show.ahead-and-snoozed": said(
        "drift/show",
        **_DRIFT
        | {"how": "ahead", "snoozed": True, "flapping": "al-01KM3Z6T0000000000000ABCDEF"}
        | {"case": _CASE | {"snoozed_until": AGO[1], "snoozed_by": "U0ANN", "snooze_why": HOSTILE}},
    ),
    "drift/show.unknown": said("drift/show", **_DRIFT | {"how": "unknown", "reported": "2031.9"}),
    "drift/snoozed": said(
        "drift/snoozed", device_id="dev-1", until=NOW + timedelta(hours=2), why="site visit", group=None, about=None
    ),
    "drift/snoozed.in-a-group": said(
        "drift/snoozed",
        device_id="dev-1",
        until=NOW + timedelta(hours=2),
        why="",
        group="ABCDEF",
        about="the devices at oslo",
    ),
    "drift/snoozed.ended": said("drift/snoozed", device_id="dev-1", until=None, why="", group=None, about=None),
    "drift/show.rejected": said(
        "drift/show",
        **_DRIFT | {"case": _CASE | {"state": "rejected", "error": HOSTILE, "escalated_at": AGO[7]}, "earlier": []},
    ),
    "drift/show.resolved": said(
        "drift/show",
        **_DRIFT
        | {"drifted": False, "is_open": False, "operations": [], "earlier": []}
        | {"case": _CASE | {"state": "resolved", "resolved_at": AGO[7], "resolution": "acknowledged"}},
    ),
    "drift/show.never": said(
        "drift/show", **_DRIFT | {"drifted": False, "case": None, "is_open": False, "operations": [], "earlier": []}
    ),
    "drift/show.not-watched": said(
        "drift/show",
        **_DRIFT
        | {"reported": "", "last_seen_at": None, "drifted": False, "case": None, "is_open": False}
        | {"operations": [], "earlier": [], "status": "manufactured", "watched": False},
    ),
    "drift/show.heard-without-a-version": said(
        "drift/show",
        **_DRIFT | {"reported": "", "case": None, "is_open": False, "operations": [], "earlier": []},
    ),
    "drift/sweep": said("drift/sweep", drifted=12, cases=1),
    "drift/sweep.stopped": said("drift/sweep", drifted=12, cases=1, **STOPPED),
}
