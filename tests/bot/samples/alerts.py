"""Alerts, and the rules that open them."""

from __future__ import annotations

from datetime import timedelta

from fleet.message import Button, Style
from tests.bot.samples.said import AGO, HOSTILE, said
from tests.conftest import NOW

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
    "alert/drift": said(
        "alert/drift",
        Button(text="Acknowledge", run="alert ack al-01", style=Style.PRIMARY),
        Button(text="Retry push", run="drift retry dev-1", confirm="Push to dev-1 again?"),
        Button(text="Show device", run="device show dev-1"),
        **_ALERT,
    ),
    "alert/drift.acknowledged": said(
        "alert/drift",
        **_ALERT
        | {"state": "acknowledged", "cause": "unresponsive", "rounds": 2, "site": None, "reported": ""}
        | {"acknowledged_by": "U0ANN", "acknowledged_at": AGO[1]},
    ),
    "alert/drift.resolved": said(
        "alert/drift", **_ALERT | {"state": "resolved", "cause": "waiting", "resolved_at": AGO[1], "last_seen_at": None}
    ),
    "alert/drift.ahead-and-snoozed": said("alert/drift", **_ALERT | _SNOOZED | {"how": "ahead", "cause": "pushing"}),
    "alert/drift.unknown": said("alert/drift", **_ALERT | {"how": "unknown", "cause": "unresponsive"}),
    "alert/drift.resolved-by-ack": said(
        "alert/drift", **_ALERT | _SETTLED | {"present": {"target": "2026.3.0", "reported": "2026.3.0"}}
    ),
    "alert/drift.silent-about-it": said("alert/drift", **_ALERT | {"reported": ""}),
    "alert/closed": said(
        "alert/closed",
        **_ALERT | _SETTLED | {"kind": "drift", "about": "dev-1", "resolved_by": "U0BOB", "resolved_why": HOSTILE},
    ),
    "alert/closed.house": said(
        "alert/closed",
        **_REVOKED
        | _SETTLED
        | {"kind": "revocation_list", "about": "the revocation list of muster-1", "resolved_by": "U0BOB"}
        | {"remaining": 0, "acknowledged_by": "U0ANN"},
    ),
    "alert/location": said("alert/location", **_LOCATION),
    "alert/location.resolved": said("alert/location", **_LOCATION | _SETTLED),
    "alert/flapping": said("alert/flapping", **_FLAPPING),
    "alert/flapping.resolved": said("alert/flapping", **_FLAPPING | _SETTLED),
    "alert/certificate": said("alert/certificate", **_CERTIFICATE),
    "alert/certificate.tomorrow": said("alert/certificate", **_CERTIFICATE | {"level": 1}),
    "alert/certificate.expired": said("alert/certificate", **_CERTIFICATE | {"level": 0, "serial": ""}),
    "alert/certificate.resolved": said("alert/certificate", **_CERTIFICATE | _SETTLED),
    "alert/revocation_list": said("alert/revocation_list", **_REVOKED),
    "alert/revocation_list.none-yet": said("alert/revocation_list", **_REVOKED | {"number": 0, "ends_at": None}),
    "alert/revocation_list.resolved": said("alert/revocation_list", **_REVOKED | _SETTLED | {"why": ""}),
    "alert/unknown_version": said("alert/unknown_version", **_UNKNOWN),
    "alert/unknown_version.one": said("alert/unknown_version", **_UNKNOWN | {"remaining": 1, "version": "2031.9"}),
    "alert/unknown_version.resolved": said("alert/unknown_version", **_UNKNOWN | _SETTLED | {"remaining": 0}),
    "alert/rule": said("alert/rule", Button(text="Its rule", run="rule show offline"), **_RULED),
    "alert/rule.cpu": said("alert/rule", **_HOT),
    "alert/rule.disk-snoozed": said("alert/rule", **_HOT | _SNOOZED | {"kind": "disk", "for_s": 0, "severity": "info"}),
    "alert/rule.resolved": said("alert/rule", **_RULED | _SETTLED),
    "alert/rule.ram-resolved": said("alert/rule", **_HOT | _SETTLED | {"kind": "ram"}),
    "alert/group.silent": said("alert/group", **_RULED | {"device_id": None, "devices": 40, "remaining": 12}),
    "alert/group.disk": said("alert/group", **_HOT | {"kind": "disk", "device_id": None, "devices": 7, "remaining": 7}),
    "alert/suppressed": said(
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
    "alert/suppressed.one": said(
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
    "alert/group": said("alert/group", **_GROUP),
    "alert/group.rejected": said("alert/group", **_GROUP | {"cause": "rejected", "site": ""}),
    "alert/group.offline": said("alert/group", **_GROUP | _SNOOZED | {"cause": "waiting"}),
    "alert/group.location": said("alert/group", **_GROUP | {"kind": "location", "reported_site": HOSTILE}),
    "alert/group.flapping": said("alert/group", **_GROUP | {"kind": "flapping"}),
    "alert/group.certificate": said(
        "alert/group", **_GROUP | {"kind": "certificate", "level": 7, "not_after": NOW + timedelta(days=6)}
    ),
    "alert/group.resolved": said("alert/group", **_GROUP | _SETTLED | {"remaining": 0}),
    "alert/footing": said("alert/footing", **_ALERT),
    "alert/devices": said(
        "alert/devices",
        about="the devices at oslo",
        first=1,
        joined=False,
        rows=[["dev-1", "reports 2026.1.0, should run 2026.2.0"], ["dev-2", HOSTILE]],
    ),
    "alert/devices.long": said(
        "alert/devices",
        about="the devices at oslo",
        first=101,
        joined=True,
        rows=[[f"gateway-{n:04}-of-the-north-hall", "reports 2026.1.0, should run 2026.2.0"] for n in range(100)],
    ),
    "alert/devices.more": said(
        "alert/devices", about="the devices at oslo", first=2001, joined=True, rows=[], alert_id=_ALERT["alert_id"]
    ),
    "alert/again": said("alert/again", about="dev-1", why="snoozed", by="U0ANN"),
    "alert/again.louder": said(
        "alert/again", about="dev-1", why="louder", level=7, ends_at=NOW + timedelta(days=7), remaining=1
    ),
    "alert/again.expired": said("alert/again", about="dev-1", why="louder", level=0, ends_at=AGO[1], remaining=12),
    "alert/snoozed": said("alert/snoozed", about="dev-1", until=NOW + timedelta(hours=1)),
    "alert/snoozed.ended": said("alert/snoozed", about="dev-1", until=None),
    "alert/resolved": said("alert/resolved", about="dev-1", still=0),
    "alert/resolved.by-force": said("alert/resolved", about="dev-1", still=1),
    "alert/show": said(
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
    "alert/show.closed": said(
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
    "alert/show.nobody-left": said(
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
    "alert/acknowledged": said("alert/acknowledged", about="dev-1"),
    "alert/call": said("alert/call", about="dev-1", mention="<!subteam^S0ONCALL>", opened_at=AGO[90]),
    "alert/list": said(
        "alert/list",
        now=NOW,
        total=3,
        first=1,
        last=2,
        selector="",
        rows=[
            ["al-01", "dev-1", "drift", "open", AGO[90], None],
            ["al-02", "dev-2", "drift", "acknowledged", AGO[9000], "U0ANN"],
        ],
    ),
    "alert/list.none": said("alert/list", now=NOW, total=0, first=1, last=0, selector="site:oslo", rows=[]),
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
    "rule/list": said(
        "rule/list",
        rows=[
            ["cold-cpu", "cpu at 90 % or more for 10m", "critical", "tag:env=prod", "enabled"],
            ["offline", "not heard for 30m", "warning", "all (default)", "disabled"],
        ],
    ),
    "rule/list.none": said("rule/list", rows=[]),
    "rule/show": said("rule/show", Button(text="Disable", run="rule disable cold-cpu"), **_RULE),
    "rule/show.default-and-changed": said(
        "rule/show",
        **_RULE | {"name": "offline", "how": "changed", "enabled": False, "default": True, "by": "muster", "open": 0},
    ),
    "rule/removed": said("rule/removed", name="cold-cpu", closed=2),
}
