"""Devices, and what names many of them: groups, dashboards, tags."""

from __future__ import annotations

from datetime import timedelta

from fleet.message import Button
from tests.bot.samples.diagnostics import STOPPED
from tests.bot.samples.said import AGO, HOSTILE, said
from tests.conftest import NOW

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
    "device/extended": said("device/extended", device_id="dev-1", before=NOW, ends_at=NOW + timedelta(hours=1)),
    "device/unplanned": said("device/unplanned", device_id="dev-1", starts_at=NOW + timedelta(days=1)),
    "device/kept": said("device/kept", device_id="dev-1"),
    "device/missed": said(
        "device/missed",
        device_id="dev-1",
        why="A device that is suspended cannot become maintenance. From suspended it can become active.",
        by="U0ANN",
        starts_at=NOW,
        ends_at=NOW + timedelta(hours=2),
    ),
    "device/show": said("device/show", **_DEVICE),
    "device/registered": said(
        "device/registered",
        Button(text="Provision", run="device provision dev-1"),
        device_id="dev-1",
        site="oslo",
        model="gw2",
        config="2026.2.0",
    ),
    "device/registered.bare": said("device/registered", device_id="dev-1", site="", model="", config=None),
    "device/provisioning": said("device/provisioning", device_id="dev-1", status="manufactured", asked_at=None),
    "device/provisioning.answered": said(
        "device/provisioning", device_id="dev-1", status="manufactured", asked_at=AGO[3]
    ),
    "device/provisioning.again": said("device/provisioning", device_id="dev-1", status="active", asked_at=None),
    "device/certificates": said("device/certificates", **_CERTIFIED),
    "device/certificates.none": said("device/certificates", **_CERTIFIED | _UNCERTIFIED),
    "device/certificates.revoked": said(
        "device/certificates",
        Button(text="Provision", run="device provision dev-1"),
        **_CERTIFIED | _UNCERTIFIED | {"refused": True},
    ),
    "device/certificates.imported": said(
        "device/certificates", **_CERTIFIED | {"state": "", "not_after": None, "rows": [], "request": None}
    ),
    "device/renewing": said("device/renewing", **_RENEWING),
    "device/renewing.stopped": said("device/renewing", **_RENEWING | {"clock_off_s": None} | STOPPED),
    "device/renewing.first": said("device/renewing", **_RENEWING | {"not_after": None, "clock_off_s": None}),
    "device/revoked": said("device/revoked", device_id="dev-1", serials=["4a0f", "4a10"], reason=HOSTILE, listed=True),
    "device/revoked.elsewhere": said(
        "device/revoked", device_id="dev-1", serials=["4a0f"], reason="its key was copied", listed=False
    ),
    "device/show.suspended": said(
        "device/show",
        **_DEVICE
        | {"status": "suspended", "since": AGO[90], "flagged": True, "moved_by": "U0ANN", "moved_why": "unpaid"}
        | {"window": None, "leaving": None},
    ),
    "device/show.decommissioned": said(
        "device/show",
        **_DEVICE
        | {"online": False, "drifted": False, "moved_by": "U0ANN", "moved_why": "replaced by dev-99"}
        | {"status": "decommissioned", "since": AGO[90], "retain_until": NOW + timedelta(days=2557)}
        | {"window": None, "leaving": None, "certificate_not_after": None, "certificate_revoked": True}
        | {"alerts": [], "case": None}
        | {"certificate_ends_soon": False},
    ),
    "device/show.taken": said("device/show", **_DEVICE | {"taken": "dev-1"}),
    "device/show.never-heard": said("device/show", **_DEVICE | _NEVER | {"site": "", "model": "", "firmware": ""}),
}

_PUT_ON = {"name": "canary", "how": "put on", "total": 22, "devices": ["dev-1", "dev-2"]}

GROUP = {
    "group/list": said(
        "group/list",
        total=52,
        rows=[["canary", "static list", 12, ""], ["north", "site:oslo,tromso status:active", None, "above the circle"]],
    ),
    "group/list.none": said("group/list", total=0, rows=[]),
    "group/show": said(
        "group/show",
        Button(text="Find them", run="find group:north"),
        name="north",
        selector="site:oslo,tromso",
        note="above the circle",
        by="U0ANN",
        total=1200,
        devices=["dev-1", "dev-2"],
    ),
    "group/show.static": said("group/show", name="canary", selector=None, note="", by=None, total=0, devices=[]),
    "group/saved": said("group/saved", name="north", selector="site:oslo", new=True, total=1, unknown=[]),
    "group/saved.of-a-group-to-come": said(
        "group/saved", name="a", selector="group:b", new=True, total=0, unknown=["b"]
    ),
    "group/changed": said("group/changed", **_PUT_ON, unknown=[]),
    "group/changed.not-all-known": said("group/changed", **_PUT_ON, unknown=["dve-3"]),
    "group/deleted": said("group/deleted", name="canary"),
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
    "bulk/retag": said("bulk/retag", **_RETAG),
    "bulk/retag.with-warnings": said(
        "bulk/retag",
        **_RETAG
        | {"old": "env=prod", "new": "env=production", "already": 1, "patterns": ["group north"]}
        | {"total": 0, "sites": [], "more_sites": 0, "sample": [], "changes": [], "more_changes": 0},
    ),
    "bulk/retagged": said(
        "bulk/retagged",
        Button(text="Undo", run="bulk retag-undo rt-01", confirm="Rename environment back?"),
        **_RENAMED,
        devices=3412,
        references=[_CHANGE] * 21,
    ),
    "bulk/retagged.nothing-refers": said("bulk/retagged", **_RENAMED, devices=1, references=[]),
    "bulk/retag_undone": said(
        "bulk/retag_undone", **_RENAMED, devices=3411, renamed=3412, references=["dashboard pumps"]
    ),
    "bulk/retag_undone.all": said("bulk/retag_undone", **_RENAMED, devices=3, renamed=3, references=[]),
    "bulk/retags": said(
        "bulk/retags",
        now=NOW,
        rows=[
            ["7QK2ZD", "env -> environment", 3412, 2, AGO[90], NOW + timedelta(days=30)],
            ["9PK2ZD", "env=prod -> env=production", 12, 0, AGO[9000], "for good"],
        ],
    ),
    "bulk/retags.none": said("bulk/retags", now=NOW, rows=[]),
}

DASHBOARD = {
    "dashboard/list": said(
        "dashboard/list",
        total=2,
        rows=[
            ["pumps", "https://grafana.example.com/d/7", "model:pump", "for the night shift"],
            ["env", "https://grafana.example.com/d/8", "tag:env=prod", ""],
        ],
    ),
    "dashboard/list.none": said("dashboard/list", total=0, rows=[]),
    "dashboard/added": said(
        "dashboard/added", name="pumps", url="https://grafana.example.com/d/7", selector="model:pump"
    ),
    "dashboard/removed": said("dashboard/removed", name="pumps"),
}
