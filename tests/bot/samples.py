"""One message or more for every template: `group/name` or `group/name.variant` -> Message.

`tests/bot/test_render.py` renders each and compares it with `tests/bot/rendered/<the same with dots>.txt`. After a
wanted change: `MUSTER_WRITE_RENDERED=1 pytest tests/bot/test_render.py`, and read the difference.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fleet.campaign import CampaignKind
from fleet.campaign_message import stays
from fleet.message import Button, Message, Style
from tests.bot.diagnostic_samples import DIAG, STOPPED
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
    "problem.missing": _said(
        "problem",
        text="Which device?\nFor example: /fleet diag ping dev-1\nUsage: /fleet diag ping <device> [--within 30]",
        reference=None,
    ),
    "problem.fault": _said("problem", text="Something in Muster went wrong.", reference="ref-0a1b2c3d"),
    "problem.hostile": _said("problem", text=f"There is no device called {HOSTILE}.", reference=None),
}

_PING = {
    "usage": "/fleet diag ping <device> [--within 30]",
    "words": "diag ping",
    "verb": "ping",
    "summary": "Ask one to answer.",
}
_STATUS = {"usage": "/fleet status", "words": "status", "verb": "", "summary": "At a glance."}
_WHO = {"root": "/fleet", "role": "viewer", "why": "not named in app.yaml, so roles.everyone holds"}

HELP = {
    "help/index": _said(
        "help/index",
        **_WHO,
        asked="",
        hidden=12,
        groups=[
            {"name": "status", "commands": [_STATUS]},
            {"name": "diag", "commands": [_PING, {**_PING, "words": "diag logs", "verb": "logs"}]},
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
            {"flag": "--within", "switch": False, "hint": "number", "default": "30", "about": "seconds to wait"},
            {"flag": "--level", "switch": False, "hint": "error|warning", "default": "", "about": "from there on"},
            {"flag": "--after", "switch": False, "hint": "", "default": "", "about": "the page behind it"},
            {"flag": "--force", "switch": True, "hint": "", "default": "False", "about": "although it is late"},
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
    "devices": 1,
    "remaining": 1,
    "level": 0,
    "opened_at": AGO[90],
    "snoozed_by": None,
    "snoozed_until": None,
    "acknowledged_by": None,
    "acknowledged_at": None,
    "resolved_by": None,
    "resolved_at": None,
    "resolved_why": "",
}
_SNOOZED = {"state": "snoozed", "snoozed_by": "U0ANN", "snoozed_until": NOW + timedelta(hours=1)}
_SETTLED = {"state": "resolved", "resolved_by": "muster", "resolved_at": AGO[1]}
_LOCATION = _ALERT | {"reported_site": HOSTILE, "statuses": 3}
_CERTIFICATE = _ALERT | {"level": 14, "not_after": NOW + timedelta(days=13), "serial": "4A:0F:11"}
_FLAPPING = _ALERT | {"cases": 3, "within_s": 86400.0, "last": AGO[7]}
_UNKNOWN = _ALERT | {"device_id": None, "site": "", "version": HOSTILE, "devices": 12, "remaining": 7}
_REVOKED = _ALERT | {
    "replica": "muster-1",
    "why": "The file was found empty. It was written anew, and the broker was told.",
    "file": "/etc/mosquitto/ca/crl.pem",
    "number": 12,
    "ends_at": NOW + timedelta(days=12),
}
_RULED = _ALERT | {
    "kind": "offline",
    "rule": "offline",
    "threshold": None,
    "for_s": 1800,
    "severity": "warning",
    "since": AGO[90],
}
_HOT = _RULED | {
    "kind": "cpu",
    "rule": "cold-cpu",
    "threshold": 90.0,
    "for_s": 600,
    "value": 97.4,
    "severity": "critical",
}
_GROUP = _ALERT | {"kind": "drift", "device_id": None, "cause": "unresponsive", "devices": 2000, "remaining": 1200}

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
    "alert/drift.ahead-and-snoozed": _said("alert/drift", **_ALERT | _SNOOZED | {"how": "ahead", "cause": "pushing"}),
    "alert/drift.unknown": _said("alert/drift", **_ALERT | {"how": "unknown", "cause": "unresponsive"}),
    "alert/drift.resolved-by-ack": _said(
        "alert/drift", **_ALERT | _SETTLED | {"present": {"target": "2026.3.0", "reported": "2026.3.0"}}
    ),
    "alert/drift.silent-about-it": _said("alert/drift", **_ALERT | {"reported": ""}),
    "alert/closed": _said(
        "alert/closed",
        **_ALERT | _SETTLED | {"kind": "drift", "about": "dev-1", "resolved_by": "U0BOB", "resolved_why": HOSTILE},
    ),
    "alert/closed.house": _said(
        "alert/closed",
        **_REVOKED
        | _SETTLED
        | {"kind": "revocation_list", "about": "the revocation list of muster-1", "resolved_by": "U0BOB"}
        | {"remaining": 0, "acknowledged_by": "U0ANN"},
    ),
    "alert/location": _said("alert/location", **_LOCATION),
    "alert/location.resolved": _said("alert/location", **_LOCATION | _SETTLED),
    "alert/flapping": _said("alert/flapping", **_FLAPPING),
    "alert/flapping.resolved": _said("alert/flapping", **_FLAPPING | _SETTLED),
    "alert/certificate": _said("alert/certificate", **_CERTIFICATE),
    "alert/certificate.tomorrow": _said("alert/certificate", **_CERTIFICATE | {"level": 1}),
    "alert/certificate.expired": _said("alert/certificate", **_CERTIFICATE | {"level": 0, "serial": ""}),
    "alert/certificate.resolved": _said("alert/certificate", **_CERTIFICATE | _SETTLED),
    "alert/revocation_list": _said("alert/revocation_list", **_REVOKED),
    "alert/revocation_list.none-yet": _said("alert/revocation_list", **_REVOKED | {"number": 0, "ends_at": None}),
    "alert/revocation_list.resolved": _said("alert/revocation_list", **_REVOKED | _SETTLED | {"why": ""}),
    "alert/unknown_version": _said("alert/unknown_version", **_UNKNOWN),
    "alert/unknown_version.one": _said("alert/unknown_version", **_UNKNOWN | {"remaining": 1, "version": "2031.9"}),
    "alert/unknown_version.resolved": _said("alert/unknown_version", **_UNKNOWN | _SETTLED | {"remaining": 0}),
    "alert/rule": _said("alert/rule", Button(text="Its rule", run="rule show offline"), **_RULED),
    "alert/rule.cpu": _said("alert/rule", **_HOT),
    "alert/rule.disk-snoozed": _said(
        "alert/rule", **_HOT | _SNOOZED | {"kind": "disk", "for_s": 0, "severity": "info"}
    ),
    "alert/rule.resolved": _said("alert/rule", **_RULED | _SETTLED),
    "alert/rule.ram-resolved": _said("alert/rule", **_HOT | _SETTLED | {"kind": "ram"}),
    "alert/group.silent": _said("alert/group", **_RULED | {"device_id": None, "devices": 40, "remaining": 12}),
    "alert/group.disk": _said(
        "alert/group", **_HOT | {"kind": "disk", "device_id": None, "devices": 7, "remaining": 7}
    ),
    "alert/suppressed": _said(
        "alert/suppressed",
        devices=32,
        alerts=41,
        lasting=1,
        worst="critical",
        since=AGO[1500],
        rows=[
            {
                "device_id": "dev-1",
                "alerts": 5,
                "lasting": 1,
                "worst": "critical",
                "what": [
                    {"kind": "offline", "line": "last heard 2026-03-18 11:04 UTC", "lasts": True},
                    {"kind": "location", "line": HOSTILE, "lasts": False},
                ],
            },
            {
                "device_id": "dev-2",
                "alerts": 1,
                "lasting": 0,
                "worst": "info",
                "what": [{"kind": "cpu", "line": "at 97 %", "lasts": False}],
            },
        ],
    ),
    "alert/suppressed.one": _said(
        "alert/suppressed",
        devices=1,
        alerts=1,
        lasting=0,
        worst="warning",
        since=AGO[90],
        rows=[
            {
                "device_id": "dev-2",
                "alerts": 1,
                "lasting": 0,
                "worst": "warning",
                "what": [{"kind": "drift", "line": "", "lasts": False}],
            }
        ],
    ),
    "alert/group": _said("alert/group", **_GROUP),
    "alert/group.rejected": _said("alert/group", **_GROUP | {"cause": "rejected", "site": ""}),
    "alert/group.offline": _said("alert/group", **_GROUP | _SNOOZED | {"cause": "waiting"}),
    "alert/group.location": _said("alert/group", **_GROUP | {"kind": "location", "reported_site": HOSTILE}),
    "alert/group.flapping": _said("alert/group", **_GROUP | {"kind": "flapping"}),
    "alert/group.certificate": _said(
        "alert/group", **_GROUP | {"kind": "certificate", "level": 7, "not_after": NOW + timedelta(days=6)}
    ),
    "alert/group.resolved": _said("alert/group", **_GROUP | _SETTLED | {"remaining": 0}),
    "alert/footing": _said("alert/footing", **_ALERT),
    "alert/devices": _said(
        "alert/devices",
        about="the devices at oslo",
        first=1,
        joined=False,
        rows=[["dev-1", "reports 2026.1.0, should run 2026.2.0"], ["dev-2", HOSTILE]],
    ),
    "alert/devices.long": _said(
        "alert/devices",
        about="the devices at oslo",
        first=101,
        joined=True,
        rows=[[f"gateway-{n:04}-of-the-north-hall", "reports 2026.1.0, should run 2026.2.0"] for n in range(100)],
    ),
    "alert/devices.more": _said(
        "alert/devices", about="the devices at oslo", first=2001, joined=True, rows=[], alert_id=_ALERT["alert_id"]
    ),
    "alert/again": _said("alert/again", about="dev-1", why="snoozed", by="U0ANN"),
    "alert/again.louder": _said(
        "alert/again", about="dev-1", why="louder", level=7, ends_at=NOW + timedelta(days=7), remaining=1
    ),
    "alert/again.expired": _said("alert/again", about="dev-1", why="louder", level=0, ends_at=AGO[1], remaining=12),
    "alert/snoozed": _said("alert/snoozed", about="dev-1", until=NOW + timedelta(hours=1)),
    "alert/snoozed.ended": _said("alert/snoozed", about="dev-1", until=None),
    "alert/resolved": _said("alert/resolved", about="dev-1", still=0),
    "alert/resolved.by-force": _said("alert/resolved", about="dev-1", still=1),
    "alert/show": _said(
        "alert/show",
        now=NOW,
        alert_id=_ALERT["alert_id"],
        about="the devices at oslo",
        kind="drift",
        state="acknowledged",
        by="U0ANN",
        taken="the devices at oslo",
        opened_at=AGO[90],
        snoozed_until=None,
        resolved_at=None,
        resolved_why="",
        devices=2000,
        total=1200,
        rows=[["dev-1", "reports 2026.1.0, should run 2026.2.0", AGO[90]], ["dev-2", HOSTILE, AGO[7]]],
    ),
    "alert/show.closed": _said(
        "alert/show",
        now=NOW,
        alert_id=_ALERT["alert_id"],
        about="dev-1",
        kind="drift",
        state="resolved",
        by="U0ANN",
        taken="",
        opened_at=AGO[90],
        snoozed_until=None,
        resolved_at=AGO[7],
        resolved_why="known broken",
        devices=1,
        total=1,
        rows=[["dev-1", "reports 2026.1.0, should run 2026.2.0", AGO[90]]],
    ),
    "alert/show.nobody-left": _said(
        "alert/show",
        now=NOW,
        alert_id=_ALERT["alert_id"],
        about="dev-1",
        kind="unknown version",
        state="snoozed",
        by="U0ANN",
        taken="",
        opened_at=AGO[90],
        snoozed_until=NOW + timedelta(hours=1),
        resolved_at=None,
        resolved_why="",
        devices=1,
        total=0,
        rows=[],
    ),
    "alert/acknowledged": _said("alert/acknowledged", about="dev-1"),
    "alert/call": _said("alert/call", about="dev-1", mention="<!subteam^S0ONCALL>", opened_at=AGO[90]),
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

_DIFF = {
    "now": NOW,
    "device_id": "dev-1",
    "target": "2026.2.0",
    "reported": "2026.1.0",
    "detected_at": AGO[90],
    "target_set_at": AGO[1500],
}

CONFIG = {
    "config/added": _said("config/added", version="2026.2.1", new=True, sha256=_SHA),
    "config/added.again": _said("config/added", version="2026.2.1", new=False, sha256=_SHA),
    "config/assigned": _said("config/assigned", version="2026.2.1", changed=["dev-1", "dev-2"], unchanged=["dev-3"]),
    "config/assigned.nothing": _said("config/assigned", version="2026.2.1", changed=[], unchanged=["dev-3"]),
    "config/assigned.stopped": _said("config/assigned", version="2026.2.1", changed=["dev-1"], unchanged=[], **STOPPED),
    "stopped": _said("stopped", **STOPPED),
    "config/diff": _said(
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
    "config/diff.ahead-and-cut": _said(
        "config/diff", **_DIFF, how="ahead", counts=[["removed", 90]], total=90, rows=[["a", "removed", "1", ""]]
    ),
    "config/diff.same-content": _said("config/diff", **_DIFF, how="other", counts=[], total=0, rows=[]),
    "config/diff.unknown": _said(
        "config/diff", **_DIFF | {"reported": HOSTILE}, how="unknown", counts=[], total=0, rows=[]
    ),
    "config/diff.never": _said(
        "config/diff", **_DIFF | {"reported": "", "detected_at": None}, how="never", counts=[], total=0, rows=[]
    ),
    "config/diff.none": _said(
        "config/diff", **_DIFF | {"target_set_at": None, "detected_at": None}, how="none", counts=[], total=0, rows=[]
    ),
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
    "since": AGO[9000],
    "flagged": False,
    "moved_by": "muster",
    "moved_why": "first telemetry",
    "window": {
        "state": "planned",
        "starts_at": NOW + timedelta(days=1),
        "ends_at": NOW + timedelta(days=1, hours=2),
        "zone": "Europe/Oslo",
        "why": "new pump",
    },
    "leaving": {"since": AGO[90], "by": "U0ANN", "why": "replaced by dev-99"},
    "retain_until": None,
    "online": True,
    "drifted": True,
    "last_seen_at": AGO[3],
    "site": "oslo",
    "reported_site": "bergen",
    "model": "gw2",
    "firmware": "1.4.0",
    "updating": ["2.0.1", "downloading", 41.6],
    "clock_skew_s": -612.4,
    "site_streak": 2,
    "certificate_revoked": False,
    "certificate_serial": "4A:0F:11",
    "certificate_not_after": NOW + timedelta(days=12),
    "certificate_ends_soon": True,
    "reported": "2026.1.0",
    "target": "2026.2.0",
    "taken": "",
    "alerts": [
        ["ABCDEF", "drift", "open", AGO[90], None],
        ["GHIJKL", "offline", "acknowledged", AGO[9000], "U0ANN"],
    ],
    "case": "pushing",
    "tags": [["env", "prod"], ["spare", "true"]],
    "groups": ["canary"],
    "dashboards": [["pumps", "https://grafana.example.com/d/7"]],
    "operations": [["config", "2026.2.0", "sent", 2, AGO[3], None]],
    "telemetry_count": 1234,
    "telemetry_at": AGO[1],
    "telemetry_last": '{"t": 21.5}',
    "registered_at": AGO[9000],
}
_NEVER = {
    "window": None,
    "leaving": None,
    "updating": None,
    "online": False,
    "drifted": False,
    "last_seen_at": None,
    "reported_site": None,
    "clock_skew_s": None,
    "certificate_serial": "",
    "certificate_not_after": None,
    "certificate_ends_soon": False,
    "reported": "",
    "target": None,
    "case": None,
    "tags": [],
    "groups": [],
    "dashboards": [],
    "operations": [],
    "telemetry_count": 0,
    "telemetry_at": None,
    "telemetry_last": None,
}

_CERTIFIED = {
    "now": NOW,
    "device_id": "dev-1",
    "serial": "5f0e8a1c2b3d4e5f60718293a4b5c6d7e8f90a1b",
    "state": "installed",
    "not_after": NOW + timedelta(days=300),
    "rows": [
        ["c6d7e8f90a1b", "installed", AGO[9000], NOW + timedelta(days=300), ""],
        ["0a1b2c3d4e5f", "revoked, not listed yet", AGO[9000], NOW + timedelta(days=10), "superseded"],
    ],
    "refused": False,
    "request": ["request", "issued", AGO[9000], ""],
    "clock_off_s": None,
}
_UNCERTIFIED = {
    "serial": "",
    "state": "",
    "not_after": None,
    "rows": [],
    "request": ["claim", "refused", AGO[3], HOSTILE],
    "clock_off_s": -400.4,
}
_RENEWING = {
    "device_id": "dev-1",
    "not_after": NOW + timedelta(days=20),
    "within_s": 604800.0,
    "revoke_after_s": 86400.0,
    "clock_off_s": 400.0,
}

DEVICE = {
    "device/extended": _said("device/extended", device_id="dev-1", before=NOW, ends_at=NOW + timedelta(hours=1)),
    "device/unplanned": _said("device/unplanned", device_id="dev-1", starts_at=NOW + timedelta(days=1)),
    "device/kept": _said("device/kept", device_id="dev-1"),
    "device/missed": _said(
        "device/missed",
        device_id="dev-1",
        why="A device that is suspended cannot become maintenance. From suspended it can become active.",
        by="U0ANN",
        starts_at=NOW,
        ends_at=NOW + timedelta(hours=2),
    ),
    "device/show": _said("device/show", **_DEVICE),
    "device/registered": _said(
        "device/registered",
        Button(text="Provision", run="device provision dev-1"),
        device_id="dev-1",
        site="oslo",
        model="gw2",
        config="2026.2.0",
    ),
    "device/registered.bare": _said("device/registered", device_id="dev-1", site="", model="", config=None),
    "device/provisioning": _said("device/provisioning", device_id="dev-1", status="manufactured", asked_at=None),
    "device/provisioning.answered": _said(
        "device/provisioning", device_id="dev-1", status="manufactured", asked_at=AGO[3]
    ),
    "device/provisioning.again": _said("device/provisioning", device_id="dev-1", status="active", asked_at=None),
    "device/certificates": _said("device/certificates", **_CERTIFIED),
    "device/certificates.none": _said("device/certificates", **_CERTIFIED | _UNCERTIFIED),
    "device/certificates.revoked": _said(
        "device/certificates",
        Button(text="Provision", run="device provision dev-1"),
        **_CERTIFIED | _UNCERTIFIED | {"refused": True},
    ),
    "device/certificates.imported": _said(
        "device/certificates", **_CERTIFIED | {"state": "", "not_after": None, "rows": [], "request": None}
    ),
    "device/renewing": _said("device/renewing", **_RENEWING),
    "device/renewing.stopped": _said("device/renewing", **_RENEWING | {"clock_off_s": None} | STOPPED),
    "device/renewing.first": _said("device/renewing", **_RENEWING | {"not_after": None, "clock_off_s": None}),
    "device/revoked": _said("device/revoked", device_id="dev-1", serials=["4a0f", "4a10"], reason=HOSTILE, listed=True),
    "device/revoked.elsewhere": _said(
        "device/revoked", device_id="dev-1", serials=["4a0f"], reason="its key was copied", listed=False
    ),
    "device/show.suspended": _said(
        "device/show",
        **_DEVICE
        | {"status": "suspended", "since": AGO[90], "flagged": True, "moved_by": "U0ANN", "moved_why": "unpaid"}
        | {"window": None, "leaving": None},
    ),
    "device/show.decommissioned": _said(
        "device/show",
        **_DEVICE
        | {"status": "decommissioned", "since": AGO[90], "retain_until": NOW + timedelta(days=2557)}
        | {"window": None, "leaving": None, "certificate_not_after": None, "certificate_revoked": True}
        | {"alerts": [], "case": None}
        | {"certificate_ends_soon": False},
    ),
    "device/show.taken": _said("device/show", **_DEVICE | {"taken": "dev-1"}),
    "device/show.never-heard": _said("device/show", **_DEVICE | _NEVER | {"site": "", "model": "", "firmware": ""}),
}

_PUT_ON = {"name": "canary", "how": "put on", "total": 22, "devices": ["dev-1", "dev-2"]}

GROUP = {
    "group/list": _said(
        "group/list",
        total=52,
        rows=[["canary", "static list", 12, ""], ["north", "site:oslo,tromso status:active", None, "above the circle"]],
    ),
    "group/list.none": _said("group/list", total=0, rows=[]),
    "group/show": _said(
        "group/show",
        Button(text="Find them", run="find group:north"),
        name="north",
        selector="site:oslo,tromso",
        note="above the circle",
        by="U0ANN",
        total=1200,
        devices=["dev-1", "dev-2"],
    ),
    "group/show.static": _said("group/show", name="canary", selector=None, note="", by=None, total=0, devices=[]),
    "group/saved": _said("group/saved", name="north", selector="site:oslo", new=True, total=1, unknown=[]),
    "group/saved.of-a-group-to-come": _said(
        "group/saved", name="a", selector="group:b", new=True, total=0, unknown=["b"]
    ),
    "group/changed": _said("group/changed", **_PUT_ON, unknown=[]),
    "group/changed.not-all-known": _said("group/changed", **_PUT_ON, unknown=["dve-3"]),
    "group/deleted": _said("group/deleted", name="canary"),
}

_ARTEFACT = {
    "model": "gw2",
    "url": "https://files.example.com/gw2-2.0.1.bin",
    "sha256": "0f" * 32,
    "size": 1048576,
    "note": "",
    "added_by": "U0ANN",
    "added_at": AGO[90],
}

FIRMWARE = {
    "firmware/list": _said(
        "firmware/list",
        now=NOW,
        rows=[["2.0.1", "gw2", 1048576, AGO[90], "fixes the clock"], ["2.0.1", "every", 900000, AGO[1500], ""]],
    ),
    "firmware/list.none": _said("firmware/list", now=NOW, rows=[]),
    "firmware/show": _said(
        "firmware/show", version="2.0.1", artefacts=[{**_ARTEFACT, "model": "", "note": HOSTILE}, _ARTEFACT]
    ),
    "firmware/added": _said("firmware/added", version="2.0.1", model="", sha256="0f" * 32, size=1048576, new=True),
    "firmware/added.again": _said(
        "firmware/added", version="2.0.1", model="gw2", sha256="0f" * 32, size=1048576, new=False
    ),
}

_CHANGE = {"kind": "dashboard", "name": "pumps", "before": "tag:env=prod", "after": "tag:environment=prod"}
_RENAMED = {"old": "env", "new": "environment", "by": "U0ANN", "alias_until": NOW + timedelta(days=30)}
_RETAG = {
    **_RENAMED,
    "total": 3412,
    "sites": ["bergen", "oslo"],
    "more_sites": 3,
    "sample": ["dev-1", "dev-2"],
    "changes": [_CHANGE, _CHANGE | {"kind": "alert rule", "name": "prod is offline"}],
    "more_changes": 2,
    "patterns": [],
    "already": 0,
}

RETAG = {
    "bulk/retag": _said("bulk/retag", **_RETAG),
    "bulk/retag.with-warnings": _said(
        "bulk/retag",
        **_RETAG
        | {"old": "env=prod", "new": "env=production", "already": 1, "patterns": ["group north"]}
        | {"total": 0, "sites": [], "more_sites": 0, "sample": [], "changes": [], "more_changes": 0},
    ),
    "bulk/retagged": _said(
        "bulk/retagged",
        Button(text="Undo", run="bulk retag-undo rt-01", confirm="Rename environment back?"),
        **_RENAMED,
        devices=3412,
        references=[_CHANGE] * 21,
    ),
    "bulk/retagged.nothing-refers": _said("bulk/retagged", **_RENAMED, devices=1, references=[]),
    "bulk/retag_undone": _said(
        "bulk/retag_undone", **_RENAMED, devices=3411, renamed=3412, references=["dashboard pumps"]
    ),
    "bulk/retag_undone.all": _said("bulk/retag_undone", **_RENAMED, devices=3, renamed=3, references=[]),
    "bulk/retags": _said(
        "bulk/retags",
        now=NOW,
        rows=[
            ["7QK2ZD", "env -> environment", 3412, 2, AGO[90], NOW + timedelta(days=30)],
            ["9PK2ZD", "env=prod -> env=production", 12, 0, AGO[9000], "for good"],
        ],
    ),
    "bulk/retags.none": _said("bulk/retags", now=NOW, rows=[]),
}

DASHBOARD = {
    "dashboard/list": _said(
        "dashboard/list",
        total=2,
        rows=[
            ["pumps", "https://grafana.example.com/d/7", "model:pump", "for the night shift"],
            ["env", "https://grafana.example.com/d/8", "tag:env=prod", ""],
        ],
    ),
    "dashboard/list.none": _said("dashboard/list", total=0, rows=[]),
    "dashboard/added": _said(
        "dashboard/added", name="pumps", url="https://grafana.example.com/d/7", selector="model:pump"
    ),
    "dashboard/removed": _said("dashboard/removed", name="pumps"),
}

_REQUEST = {
    "approval_id": "ap-01KM3Z6T0000000000000ABCDEF",
    "state": "pending",
    "operation": "bulk.decommission",
    "title": "Decommission 1,200 devices at oslo",
    "campaign_id": "ca-01KM3Z6T0000000000000ABCDEF",
    "rules": [["Canary", "5"], ["Waves", "20%"], ["May fail", "5.0%, canaries 0.0%"]],
    "selector": "site:oslo",
    "starts_at": None,
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
    "approve/request": _said(
        "approve/request",
        Button(text="Approve", run="approve yes ap-01", style=Style.PRIMARY),
        Button(text="Reject", run="approve no ap-01", style=Style.DANGER),
        Button(text="Show", run="approve show ap-01"),
        **_REQUEST,
    ),
    "approve/request.one": _said("approve/request", **_ONE | {"may_approve": []}),
    "approve/request.hostile": _said("approve/request", **_ONE | {"title": HOSTILE, "sites": [HOSTILE]}),
    "approve/request.many-sites": _said(
        "approve/request",
        **_REQUEST
        | {"sites": [f"site-{number}" for number in range(12)], "devices": [], "count": 20_000}
        | {"may_approve": [f"U0{number:03}" for number in range(12)], "approved_by": []},
    ),
    "approve/request.rejected": _said("approve/request", **_REQUEST | _REJECTED),
    "approve/request.expired": _said("approve/request", **_REQUEST | {"state": "expired"}),
    "approve/request.cancelled": _said("approve/request", **_REQUEST | {"state": "cancelled", "ended_by": "U0ANN"}),
    "approve/request.approved": _said("approve/request", **_REQUEST | _ALL_SAID | {"state": "approved"}),
    "approve/request.started": _said("approve/request", **_REQUEST | _ALL_SAID | {"state": "started"}),
    "approve/request.glass": _said("approve/request", **_REQUEST | _GLASS | {"state": "started"}),
    "approve/request.failed": _said("approve/request", **_ONE | {"state": "failed", "error": HOSTILE}),
    "approve/schedule": _said("approve/schedule", **_REQUEST | _FROM_FRIDAY),
    "approve/request.later": _said("approve/request", **_REQUEST | _FROM_FRIDAY),
    "approve/request.maintenance": _said("approve/request", **_ONE | _DOWNTIME | {"may_approve": ["U0BOB"]}),
    "approve/request.approved-for-later": _said("approve/request", **_REQUEST | _FROM_FRIDAY | {"state": "started"}),
    "approve/asked.later": _said("approve/asked", **_REQUEST | _FROM_FRIDAY),
    "approve/asked.downtime": _said("approve/asked", **_ONE | _DOWNTIME | {"state": "approved", "needed": 0}),
    "approve/asked.downtime-now": _said(
        "approve/asked", **_ONE | _DOWNTIME | {"state": "approved", "needed": 0, "starts_at": None}
    ),
    "approve/decided.later": _said("approve/decided", **_REQUEST | _ALL_SAID | _FROM_FRIDAY | {"state": "approved"}),
    "approve/outcome.later": _said("approve/outcome", **_REQUEST | _ALL_SAID | _FROM_FRIDAY | {"state": "started"}),
    "approve/asked": _said("approve/asked", Button(text="Show", run="approve show ap-01"), **_REQUEST),
    "approve/asked.some": _said(
        "approve/asked",
        **_ONE | {"state": "approved", "needed": 0, "left_out": {"maintenance": 2, "decommissioned": 1}},
    ),
    "approve/asked.at-once": _said("approve/asked", **_ONE | {"state": "approved", "needed": 0}),
    "approve/decided": _said("approve/decided", Button(text="Show", run="approve show ap-01"), **_REQUEST),
    "approve/decided.approved": _said("approve/decided", **_REQUEST | _ALL_SAID | {"state": "approved"}),
    "approve/held": _said("approve/held", **STOPPED),
    "approve/decided.stopped": _said("approve/decided", **_REQUEST | _ALL_SAID | {"state": "approved"} | STOPPED),
    "approve/decided.stopped-one": _said("approve/decided", **_ONE | {"state": "approved"} | STOPPED),
    "approve/decided.stopped-glass": _said("approve/decided", **_REQUEST | _GLASS | {"state": "approved"} | STOPPED),
    "approve/asked.stopped": _said("approve/asked", **_REQUEST | {"state": "approved", "needed": 0} | STOPPED),
    "approve/outcome.stopped": _said("approve/outcome", **_REQUEST | _ALL_SAID | {"state": "started"} | STOPPED),
    "approve/decided.glass": _said("approve/decided", **_REQUEST | _GLASS | {"state": "approved"}),
    "approve/decided.rejected": _said("approve/decided", **_REQUEST | _REJECTED),
    "approve/decided.cancelled": _said("approve/decided", **_REQUEST | {"state": "cancelled", "ended_by": "U0ANN"}),
    "approve/outcome": _said("approve/outcome", **_REQUEST | _ALL_SAID | {"state": "started"}),
    "approve/outcome.glass": _said("approve/outcome", **_REQUEST | _GLASS | {"state": "started"}),
    "approve/outcome.rejected": _said("approve/outcome", **_REQUEST | _REJECTED),
    "approve/outcome.expired": _said("approve/outcome", **_REQUEST | {"state": "expired"}),
    "approve/outcome.failed": _said("approve/outcome", **_ONE | {"state": "failed", "error": HOSTILE}),
    "approve/form": _said(
        "approve/form",
        Button(text="Approve…", run="approve yes ap-01", form=True),
        **_REQUEST,
        asks="count",
        word="yes",
    ),
    "approve/form.no-site": _said("approve/form", **_ONE, asks="reason", word="no"),
    "approve/reminder": _said("approve/reminder", **_REQUEST),
    "approve/glass": _said(
        "approve/glass", title="Move dev-1", by="U0CAT", reason=HOSTILE, approval_id=_REQUEST["approval_id"]
    ),
    "approve/list": _said(
        "approve/list",
        Button(text="Show: Move dev-1 to bergen", run="approve show ap-01"),
        now=NOW,
        total=12,
        rows=[_REQUEST, _ONE | {"title": HOSTILE}],
    ),
    "approve/list.empty": _said("approve/list", now=NOW, total=0, rows=[]),
    "approve/show": _said(
        "approve/show",
        **_REQUEST | _DETAILS | _REJECTED,
        decisions=[["U0BOB", "approve", AGO[3], ""], ["U0CAT", "reject", AGO[1], HOSTILE]],
    ),
    "approve/show.glass": _said("approve/show", **_ONE | _DETAILS | _GLASS | {"error": HOSTILE}, decisions=[]),
}

HOME = {
    "home/nothing": _said("home/nothing", why="not named in app.yaml, so roles.everyone holds"),
    "home/requests": _said("home/requests", waiting=12, shown=10, total=14),
    "home/requests.none": _said("home/requests", waiting=0, shown=0, total=2),
    "home/request": _said("home/request", Button(text="Approve", run="approve yes ap-01"), **_REQUEST, now=NOW),
    "home/own": _said(
        "home/own",
        Button(text="Take back: Move dev-1 to bergen", run="approve cancel ap-01"),
        rows=[_REQUEST, _ONE | {"title": HOSTILE}],
        count=2,
        now=NOW,
    ),
    "home/alerts": _said(
        "home/alerts",
        Button(text="Acknowledge dev-1", run="alert ack al-01"),
        now=NOW,
        total=12,
        rows=[
            ["ABCDEF", "dev-1", "drift", "open", AGO[90]],
            ["ABCDEF", HOSTILE, "unknown version", "acknowledged", AGO[3]],
        ],
    ),
    "home/campaigns": _said(
        "home/campaigns",
        Button(text="7QK2ZD Restart 200 devices at oslo", run="bulk show cp-01"),
        rows=[["ABCDEF", "Restart 200 devices at oslo", "soaking", 2, 5, 200]],
    ),
    "home/alerts.none": _said("home/alerts", now=NOW, total=0, rows=[]),
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
    "drift/retry.stopped": _said(
        "drift/retry", version="2026.2.0", device_id="dev-1", waiting=False, last_seen_at=AGO[3], **STOPPED
    ),
    "drift/show": _said("drift/show", **_DRIFT),
    "drift/show.ahead-and-snoozed": _said(
        "drift/show",
        **_DRIFT
        | {"how": "ahead", "snoozed": True, "flapping": _ALERT["alert_id"]}
        | {"case": _CASE | {"snoozed_until": AGO[1], "snoozed_by": "U0ANN", "snooze_why": HOSTILE}},
    ),
    "drift/show.unknown": _said("drift/show", **_DRIFT | {"how": "unknown", "reported": "2031.9"}),
    "drift/snoozed": _said(
        "drift/snoozed", device_id="dev-1", until=NOW + timedelta(hours=2), why="site visit", group=None, about=None
    ),
    "drift/snoozed.in-a-group": _said(
        "drift/snoozed",
        device_id="dev-1",
        until=NOW + timedelta(hours=2),
        why="",
        group="ABCDEF",
        about="the devices at oslo",
    ),
    "drift/snoozed.ended": _said("drift/snoozed", device_id="dev-1", until=None, why="", group=None, about=None),
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
    "drift/show.not-watched": _said(
        "drift/show",
        **_DRIFT
        | {"reported": "", "last_seen_at": None, "drifted": False, "case": None, "is_open": False}
        | {"operations": [], "earlier": [], "status": "manufactured", "watched": False},
    ),
    "drift/show.heard-without-a-version": _said(
        "drift/show",
        **_DRIFT | {"reported": "", "case": None, "is_open": False, "operations": [], "earlier": []},
    ),
    "drift/sweep": _said("drift/sweep", drifted=12, cases=1),
    "drift/sweep.stopped": _said("drift/sweep", drifted=12, cases=1, **STOPPED),
}

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
_FILE = {"name": "devices-2026-03-19-1430.csv", "rows": 214, "cut": False, "where": ""}

FLEET = {
    "fleet/status": _said(
        "fleet/status",
        Button(text="Open alerts", run="alert list"),
        Button(text="Drifted devices", run="drift list"),
        **_STATUS,
    ),
    "fleet/status.frozen": _said(
        "fleet/status", **_STATUS | {"frozen": {"until": NOW + timedelta(days=1), "why": "Black Friday"}}
    ),
    "fleet/status.many-sites": _said(
        "fleet/status",
        **_STATUS | {"site_count": 40, "sites": [["oslo", 10, 9, 1, 1, 1], ["39 others", 11990, 10991, 900, 11, 0]]},
    ),
    "fleet/status.empty": _said(
        "fleet/status",
        **_STATUS
        | {"total": 0, "online": 0, "drifted": 0, "alerts": 0, "by_status": [], "cases": [], "sites": []}
        | {"site_count": 0, "dead_letters": [], "flagged": 0, "waits": dict.fromkeys(_WAITS)},
    ),
    "fleet/find": _said(
        "fleet/find",
        Button(text="Previous page", run='find --before dev-1 site:"New York"', replaces=True),
        Button(text="Next page", run='find --after dev-2 site:"New York"', replaces=True),
        Button(text="All as a file", run='find --csv site:"New York"'),
        **_FOUND,
    ),
    "fleet/find.all-of-them": _said("fleet/find", **_FOUND | {"total": 2, "first": 1, "last": 2}),
    "fleet/find.none": _said("fleet/find", **_FOUND | {"total": 0, "first": 1, "last": 0, "rows": []}),
    "fleet/find.after-the-last": _said("fleet/find", **_FOUND | {"total": 3, "first": 4, "last": 3, "rows": []}),
    "fleet/billing": _said(
        "fleet/billing",
        month="2026-03",
        devices=1200,
        hours=531_240.25,
        open=1100,
        so_far=True,
        now=NOW,
        file=_FILE | {"name": "billing-2026-03.csv", "rows": 1210},
    ),
    "fleet/billing.none": _said(
        "fleet/billing", month="2025-01", devices=0, hours=0.0, open=0, so_far=False, now=NOW, file=None
    ),
    "fleet/csv": _said("fleet/csv", now=NOW, selector="site:oslo", total=214, file=_FILE),
    "fleet/csv.here-and-cut": _said(
        "fleet/csv",
        now=NOW,
        selector="site:oslo",
        total=900_000,
        file=_FILE | {"rows": 500_000, "cut": True, "where": "C0FLEETOPS"},
    ),
}

_EVENT = {"who": "muster", "url": "", "times": 1, "until": None}
AUDIT = {
    "audit/head": _said("audit/head", seq=12_345, mac=_SHA, at=NOW),
    "audit/list": _said(
        "audit/list",
        Button(text="Earlier", run="audit --before au-01", replaces=True),
        rows=[
            [AGO[1], "U0ANN", "device suspended", "dev-1", HOSTILE, None],
            [AGO[90], "muster", "config pushed", "500 devices", "", 12_344],
        ],
        kinds=[],
        nobody="",
    ),
    "audit/list.none": _said("audit/list", rows=[], kinds=[], nobody=""),
    "audit/list.mistyped": _said("audit/list", rows=[], kinds=["campaign", "device"], nobody="olga"),
    "audit/why": _said(
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
    "audit/why.nothing": _said("audit/why", device_id="dev-1", status="active", earlier=False, rows=[]),
}

_RULES = [["Canary", "5"], ["Waves", "20%"], ["May fail", "5.0%, canaries 0.0%"]]
_PREVIEW = {
    "notes": [],
    "campaign_id": "ca-01KM3Z6T0000000000000ABCDEF",
    "kind": "config",
    "title": "Configuration 2026.2.0",
    "selector": "site:oslo",
    "targets": 1200,
    "online": 1020,
    "sites": [["oslo", 700], ["bergen", 500]],
    "models": [["gw2", 1100], ["", 70]],
    "firmwares": [["1.4.0", 1200]],
    "statuses": [["active", 1200]],
    "skipped": [[12, "has it already"], [3, "in another campaign (ABCDEX)"]],
    "waves": "6: first 5, then 5 × 239",
    "gate": {"canary": True, "canary_limit": 0.0, "limit": 0.05},
    "sample": ["dev-1", HOSTILE],
    "takes_s": 3600.0,
    "device_takes_s": 4.2,
    "measured": True,
    "window": "",
    "starts_at": None,
    "frozen": None,
    "expires_at": NOW + timedelta(hours=1),
    "rollout": _RULES,
    "now": NOW,
}
_FAILED = {"why": HOSTILE, "model": "gw9", "firmware": "1.4.0", "devices": 3, "example": "dev-7"}
_CAMPAIGN = {
    "campaign_id": "ca-01KM3Z6T0000000000000ABCDEF",
    "kind": "config",
    "title": "Configuration 2026.2.0",
    "selector": "site:oslo",
    "status": "running",
    "why": "",
    "changed_by": "U0ANN",
    "created_by": "U0OLGA",
    "now": NOW,
    "started_at": AGO[90],
    "ended_at": None,
    "due_at": NOW + timedelta(minutes=10),
    "tail_until": NOW + timedelta(days=7),
    "wave": 2,
    "waves": 6,
    "targets": 1200,
    "settled": 400,
    "bar": "██████░░░░░░░░░░░░░░",
    "percent": 33,
    "states": ["397 succeeded", "3 rejected", "600 planned", "200 offline"],
    "skipped": 0,
    "reasons": [],
    "succeeded": 397,
    "failed": 3,
    "parked": 200,
    "left_to_the_sweep": 0,
    "no_way_back": None,
    "old_certificates": None,
    "rate": 132.0,
    "frozen": None,
    "opening": None,
    "eta": NOW + timedelta(minutes=44),
    "last": None,
    "gate": {"failed": 3, "tried": 240, "limit": 0.05, "canary": False, "anew": True},
    "failures": [_FAILED],
}
_FROZEN = {"frozen": {"until": NOW + timedelta(days=1), "why": "Black Friday"}}
_OPENS = {"opening": {"at": NOW + timedelta(hours=2), "sites": 1, "of": 3, "window": "22:00-05:00"}}
_GATED = {"status": "paused", "why": "2 of 2 canaries failed (100.0%); none may.", "changed_by": "muster"}
_CANARY = {
    "wave": 1,
    "gate": {"failed": 2, "tried": 2, "limit": 0.0, "canary": True, "anew": False},
    "eta": None,
    "rate": 0.0,
}
_OVER = {
    "status": "done",
    "percent": 100,
    "settled": 1200,
    "bar": "████████████████████",
    "states": ["1,197 succeeded", "3 rejected"],
    "succeeded": 1197,
    "ended_at": AGO[1],
    "eta": None,
    "rate": 0.0,
    "parked": 0,
    "wave": 6,
}
_ABORTED = _OVER | {
    "status": "aborted",
    "percent": 33,
    "settled": 400,
    "bar": "██████░░░░░░░░░░░░░░",
    "states": ["397 succeeded", "3 rejected", "800 cancelled"],
    "succeeded": 397,
    "wave": 2,
}
_ROTATION = {
    "kind": "rotate-certs",
    "title": "Rotation of certificates over 30 days for site:oslo",
    "wave": 2,
    "waves": 30,
    "eta": NOW + timedelta(days=28),
}
_WATCHED = {"old_certificates": {"devices": 334, "until": NOW + timedelta(days=1)}}
_SKIPPING = {
    "settled": 8,
    "targets": 18,
    "percent": 44,
    "bar": "████████░░░░░░░░░░░░",
    "states": ["8 succeeded", "10 skipped", "33 left out by the plan"],
    "succeeded": 8,
    "failed": 0,
    "gate": None,
    "failures": [],
    "skipped": 10,
    "reasons": [[7, "in another campaign (ABCDEX)"], [1, HOSTILE]],
}
_RESUMED = {
    "what": "resumed",
    "by": "U0ANN",
    "at": AGO[3],
    "entry": "au-01",
    "why": "",
    "devices": 0,
    "which": "",
    "left": None,
    "status": "running",
}
_EXCLUDED = _RESUMED | {"what": "excluded", "devices": 40, "which": "model:gw9", "left": 812}
_PLAYED = {
    "took_s": 5400.0,
    "every": 1,
    "asked_by": "U0ANN",
    "behaviour": {"offline": None, "failing": 0.03, "slowest": "PT5S", "rejecting": ""},
    "slowest_s": 5.0,
    "quota": "20%",
    "days": 1,
    "late": 0,
    "over": True,
}
_CHANGED = {
    "campaign_id": "ca-01KM3Z6T0000000000000ABCDEF",
    "title": "Configuration 2026.2.0",
    "what": "paused",
    "status": "paused",
    "under_way": 12,
    "stays": stays(CampaignKind.CONFIG, False),
    "left_to_the_sweep": 0,
    "no_way_back": None,
    "count": 0,
    "which": "",
    "why": "",
}
_LEFT_BEHIND = {"version": "2.0.0", "devices": 15, "former": [[13, "1.4.0"], [2, ""]]}
_LEFT_OUT = {"what": "excluded", "count": 40, "which": "model:gw9", "status": "running", "left": 812}
_FENCE = {
    "put_by": "U0ANN",
    "put_at": AGO[3],
    "why": HOSTILE,
    "now": NOW,
    "held_back": 214,
    "retained": 38,
    "commands": 2,
    "leaving": 0,
    "paused": [["ABCDEF", "Configuration 2026.2.0"]],
}

BULK = {
    "bulk/preview": _said("bulk/preview", Button(text="Ask for approval", run="bulk ask ca-01"), **_PREVIEW),
    "bulk/preview.later": _said(
        "bulk/preview",
        **_PREVIEW | {"starts_at": NOW + timedelta(hours=8), "skipped": [], "measured": False, "window": "22:00-05:00"},
    ),
    "bulk/preview.rotation": _said(
        "bulk/preview",
        **_PREVIEW
        | {
            "kind": "rotate-certs",
            "title": "Rotation of certificates over 30 days",
            "waves": "30: 30 × 40",
            "gate": {"canary": False, "canary_limit": 0.0, "limit": 0.05},
            "takes_s": 29 * 86400.0,
            "notes": [
                "40 devices a day for 30 days, the earliest end first, at most 60 a minute.",
                "Each old certificate is revoked 1d after its new one was first in use.",
            ],
        },
    ),
    "bulk/preview.decommission": _said(
        "bulk/preview",
        **_PREVIEW
        | {
            "kind": "decommission",
            "title": "Decommission of site:old-mill",
            "gate": {"canary": True, "canary_limit": 0.1, "limit": 0.0},
            "online": 1199,
            "notes": [
                ":warning: This cannot be undone: each device's data is exported and verified first, then it is gone."
            ],
        },
    ),
    "bulk/preview.with-notes": _said(
        "bulk/preview",
        **_PREVIEW
        | {
            "notes": [
                "334 devices a day for 30 days.",
                ":warning: 17 certificates end before.",
                ":warning: Not in the registry: slow-999.",
            ]
        },
    ),
    "bulk/checklist": _said(
        "bulk/checklist",
        Button(text="All as a file", run="bulk checklist ca-01 --csv"),
        campaign_id="ca-01",
        title="Decommission of site:old-mill",
        total=214,
        done=1,
        titles=["Device", "Export", "Lines", "SHA-256", "Rules", "Device is", "Certificates", "Result"],
        rows=[
            ["dev-1", "verified", 41, "0f0f0f0f0f0f", "none", "decommissioned", "1 revoked", "succeeded"],
            ["dev-2", "not begun", None, "", "watch", "active", "1 valid", "planned"],
        ],
    ),
    "bulk/campaign": _said("bulk/campaign", Button(text="Pause", run="bulk pause ca-01"), **_CAMPAIGN),
    "bulk/campaign.paused": _said("bulk/campaign", **_CAMPAIGN | _GATED | _CANARY),
    "bulk/campaign.paused-without-a-reason": _said(
        "bulk/campaign", **_CAMPAIGN | _GATED | {"why": "", "changed_by": "U0OLGA"}
    ),
    "bulk/campaign.paused-by-a-stop": _said(
        "bulk/campaign", **_CAMPAIGN | _GATED | {"why": "Everything was stopped.", "changed_by": "U0KIM"}
    ),
    "bulk/campaign.soaking": _said("bulk/campaign", **_CAMPAIGN | {"status": "soaking", "failures": []}),
    "bulk/campaign.rotation": _said("bulk/campaign", **_CAMPAIGN | _ROTATION | {"status": "soaking", "failures": []}),
    "bulk/campaign.rotated": _said("bulk/campaign", **_CAMPAIGN | _OVER | _ROTATION | _WATCHED | {"wave": 30}),
    "bulk/campaign.scheduled": _said("bulk/campaign", **_CAMPAIGN | {"status": "scheduled", "gate": None, "parked": 0}),
    "bulk/campaign.frozen": _said("bulk/campaign", **_CAMPAIGN | _FROZEN | {"status": "scheduled", "gate": None}),
    "bulk/campaign.before-its-window": _said("bulk/campaign", **_CAMPAIGN | _OPENS),
    "bulk/frozen": _said("bulk/frozen", **_FROZEN),
    "bulk/opening": _said("bulk/opening", **_OPENS),
    "bulk/preview.frozen": _said("bulk/preview", **_PREVIEW | _FROZEN),
    "bulk/campaign.stopping": _said(
        "bulk/campaign", **_CAMPAIGN | {"status": "stopping", "why": "", "left_to_the_sweep": 8}
    ),
    "bulk/campaign.aborted": _said("bulk/campaign", **_CAMPAIGN | _ABORTED | {"why": HOSTILE}),
    "bulk/campaign.aborted-without-a-way-back": _said(
        "bulk/campaign",
        **_CAMPAIGN | _ABORTED | {"kind": "firmware", "title": "Firmware 2.0.0", "no_way_back": _LEFT_BEHIND},
    ),
    "bulk/campaign.done": _said("bulk/campaign", **_CAMPAIGN | _OVER),
    "bulk/campaign.some-skipped": _said("bulk/campaign", **_CAMPAIGN | _OVER | _SKIPPING),
    "bulk/campaign.resumed": _said("bulk/campaign", **_CAMPAIGN | {"last": _RESUMED}),
    "bulk/last_change": _said("bulk/last_change", last=_RESUMED),
    "bulk/by_whom": _said("bulk/by_whom", title="Configuration 2026.2.0", last=_RESUMED),
    "bulk/by_whom.paused": _said(
        "bulk/by_whom", title="Configuration 2026.2.0", last=_RESUMED | {"what": "paused", "why": HOSTILE}
    ),
    "bulk/by_whom.excluded": _said("bulk/by_whom", title="Configuration 2026.2.0", last=_EXCLUDED),
    "bulk/by_whom.nobody-left": _said(
        "bulk/by_whom", title="Configuration 2026.2.0", last=_EXCLUDED | {"left": 0, "status": "paused"}
    ),
    "bulk/campaign.rejected": _said("bulk/campaign", **_CAMPAIGN | _OVER | {"status": "rejected", "why": HOSTILE}),
    "bulk/rehearsing": _said("bulk/rehearsing", title="Configuration 2026.2.0"),
    "bulk/rehearsed": _said("bulk/rehearsed", **_CAMPAIGN | _OVER | _PLAYED),
    "bulk/rehearsed.stopped": _said("bulk/rehearsed", **_CAMPAIGN | _PLAYED | _GATED | {"every": 5}),
    "bulk/rehearsed.not-over": _said("bulk/rehearsed", **_CAMPAIGN | _PLAYED | {"over": False}),
    "bulk/rehearsed.rotation": _said(
        "bulk/rehearsed",
        **_CAMPAIGN | _OVER | _PLAYED | {"kind": "rotate-certs", "quota": "40", "days": 30, "late": 17},
    ),
    "bulk/rehearsed.decommission": _said("bulk/rehearsed", **_CAMPAIGN | _OVER | _PLAYED | {"kind": "decommission"}),
    "bulk/report": _said("bulk/report", **_CAMPAIGN | _OVER),
    "bulk/report.decommission": _said("bulk/report", **_CAMPAIGN | _OVER | {"kind": "decommission"}),
    "bulk/report.rotation": _said("bulk/report", **_CAMPAIGN | _OVER | _ROTATION | _WATCHED | {"wave": 30}),
    "bulk/old_certificates": _said(
        "bulk/old_certificates", old_certificates=_WATCHED["old_certificates"] | {"devices": 1}
    ),
    "bulk/report.some-skipped": _said("bulk/report", **_CAMPAIGN | _OVER | _SKIPPING),
    "bulk/report.aborted": _said("bulk/report", **_CAMPAIGN | _ABORTED | {"why": HOSTILE, "left_to_the_sweep": 8}),
    "bulk/report.aborted-without-a-way-back": _said(
        "bulk/report",
        **_CAMPAIGN
        | _ABORTED
        | {"kind": "firmware", "title": "Firmware 2.0.0", "no_way_back": _LEFT_BEHIND}
        | {
            "states": [
                "15 succeeded",
                "34 cancelled",
                "3 left out by the plan (2 × has it already; 1 × its state is new)",
            ]
        },
    ),
    "bulk/ended": _said("bulk/ended", **_CAMPAIGN | _OVER, channel="C0FLEETOPS"),
    "bulk/ended.failed": _said("bulk/ended", **_CAMPAIGN | _SKIPPING | {"status": "failed"}, channel="C0FLEETOPS"),
    "bulk/report_file": _said("bulk/report_file", title="Configuration 2026.2.0"),
    "bulk/skipped": _said("bulk/skipped", **_CAMPAIGN | _SKIPPING),
    "bulk/progress": _said("bulk/progress", **_CAMPAIGN),
    "bulk/failures": _said("bulk/failures", **_CAMPAIGN),
    "bulk/show": _said("bulk/show", **_CAMPAIGN, by_wave=[["–", "skipped", 12], [1, "succeeded", 5]], rollout=_RULES),
    "bulk/show.as-a-file": _said(
        "bulk/show", **_CAMPAIGN | _OVER, by_wave=[[1, "succeeded", 5]], rollout=_RULES, file=_FILE
    ),
    "bulk/list": _said(
        "bulk/list",
        Button(text="ABCDEF Configuration 2026.2.0", run="bulk show ca-01"),
        rows=[["ABCDEF", "Configuration 2026.2.0", "running", "33%", 3, AGO[90]]],
        now=NOW,
        stopped_by="U0ANN",
        frozen=_FROZEN["frozen"],
    ),
    "bulk/list.none": _said("bulk/list", rows=[], now=NOW, stopped_by=None, frozen=None),
    "bulk/changed": _said("bulk/changed", **_CHANGED),
    **{
        f"bulk/changed.{what}": _said("bulk/changed", **_CHANGED | {"what": what})
        for what in ("resumed", "aborted", "discarded")
    },
    "bulk/changed.held": _said("bulk/changed", **_CHANGED | {"what": "held", "why": _GATED["why"]}),
    **{
        f"bulk/changed.aborted-{kind}": _said(
            "bulk/changed", **_CHANGED | {"what": "aborted", "stays": stays(kind, False)}
        )
        for kind in CampaignKind
        if kind is not CampaignKind.CONFIG
    },
    "bulk/changed.aborted-and-brought-back": _said(
        "bulk/changed", **_CHANGED | {"what": "aborted", "stays": stays(CampaignKind.FIRMWARE, True)}
    ),
    "bulk/changed.aborted-without-a-way-back": _said(
        "bulk/changed",
        **_CHANGED | {"what": "aborted", "stays": stays(CampaignKind.FIRMWARE, True), "no_way_back": _LEFT_BEHIND},
    ),
    "bulk/no_way_back": _said(
        "bulk/no_way_back", no_way_back={"version": "2.0.0", "devices": 1, "former": [[1, "1.4.0"]]}
    ),
    "bulk/changed.aborted-with-targets-set": _said(
        "bulk/changed", **_CHANGED | {"what": "aborted", "left_to_the_sweep": 8}
    ),
    "bulk/left_to_the_sweep": _said("bulk/left_to_the_sweep", left_to_the_sweep=1),
    "bulk/changed.retried": _said("bulk/changed", **_CHANGED | {"what": "retried", "count": 3, "which": "model:gw9"}),
    "bulk/changed.retried-while-stopped": _said(
        "bulk/changed", **_CHANGED | {"what": "retried", "count": 3, "which": "model:gw9", **STOPPED}
    ),
    **{
        f"bulk/changed.excluded{name}": _said("bulk/changed", **_CHANGED | _LEFT_OUT | facts)
        for name, facts in {
            "": {},
            "-from-a-plan": {"status": "planned"},
            "-nobody": {"count": 0},
            "-the-last-ones": {"left": 0, "under_way": 0},
            "-the-last-but-some-under-way": {"left": 0},
            "-the-last-while-paused": {"left": 0, "under_way": 0, "status": "paused"},
        }.items()
    },
    "bulk/stopped": _said(
        "bulk/stopped", campaign_id="ca-01", title="Configuration 2026.2.0", why=_GATED["why"], by="U0OLGA"
    ),
    "bulk/stop_all": _said("bulk/stop_all", Button(text="Let it go on", run="bulk go-on"), **_FENCE),
    "bulk/stop_all.nothing-under-way": _said(
        "bulk/stop_all", **_FENCE | {"why": "", "held_back": 0, "retained": 0, "commands": 0, "paused": []}
    ),
    "bulk/stop_all.in-its-moment": _said("bulk/stop_all", **_FENCE | {"leaving": 100}),
    "bulk/stop_all_over": _said("bulk/stop_all_over", **_FENCE, lifted_by="U0BOB", lifted_at=NOW),
    "bulk/go_on": _said("bulk/go_on", **_FENCE, lifted_by="U0BOB"),
}

_RULE = {
    "name": "cold-cpu",
    "how": "",
    "when": "cpu at 90 % or more for 10m",
    "severity": "critical",
    "selector": "tag:env=prod",
    "enabled": True,
    "default": False,
    "total": 1200,
    "open": 3,
    "by": "U0ANN",
    "at": AGO[9000],
}

RULE = {
    "rule/list": _said(
        "rule/list",
        rows=[
            ["cold-cpu", "cpu at 90 % or more for 10m", "critical", "tag:env=prod", "enabled"],
            ["offline", "not heard for 30m", "warning", "all (default)", "disabled"],
        ],
    ),
    "rule/list.none": _said("rule/list", rows=[]),
    "rule/show": _said("rule/show", Button(text="Disable", run="rule disable cold-cpu"), **_RULE),
    "rule/show.default-and-changed": _said(
        "rule/show",
        **_RULE | {"name": "offline", "how": "changed", "enabled": False, "default": True, "by": "muster", "open": 0},
    ),
    "rule/removed": _said("rule/removed", name="cold-cpu", closed=2),
}

SAMPLES: dict[str, Message] = {
    **RULE,
    **PROBLEM,
    **HELP,
    **ALERT,
    **APPROVE,
    **AUDIT,
    **BULK,
    **CONFIG,
    **DASHBOARD,
    **DEVICE,
    **DIAG,
    **DRIFT,
    **FIRMWARE,
    **FLEET,
    **GROUP,
    **HOME,
    **RETAG,
}
