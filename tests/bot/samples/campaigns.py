"""Things done to many devices, and the artefacts that firmware campaigns bring."""

from __future__ import annotations

from datetime import timedelta

from fleet.campaign import CampaignKind
from fleet.campaign_message import stays
from fleet.message import Button
from tests.bot.samples.diagnostics import STOPPED
from tests.bot.samples.said import AGO, FILE, HOSTILE, said
from tests.conftest import NOW

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
    "firmware/list": said(
        "firmware/list",
        now=NOW,
        rows=[["2.0.1", "gw2", 1048576, AGO[90], "fixes the clock"], ["2.0.1", "every", 900000, AGO[1500], ""]],
    ),
    "firmware/list.none": said("firmware/list", now=NOW, rows=[]),
    "firmware/show": said(
        "firmware/show", version="2.0.1", artefacts=[{**_ARTEFACT, "model": "", "note": HOSTILE}, _ARTEFACT]
    ),
    "firmware/added": said("firmware/added", version="2.0.1", model="", sha256="0f" * 32, size=1048576, new=True),
    "firmware/added.again": said(
        "firmware/added", version="2.0.1", model="gw2", sha256="0f" * 32, size=1048576, new=False
    ),
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
    "bulk/preview": said("bulk/preview", Button(text="Ask for approval", run="bulk ask ca-01"), **_PREVIEW),
    "bulk/preview.later": said(
        "bulk/preview",
        **_PREVIEW | {"starts_at": NOW + timedelta(hours=8), "skipped": [], "measured": False, "window": "22:00-05:00"},
    ),
    "bulk/preview.rotation": said(
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
    "bulk/preview.decommission": said(
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
    "bulk/preview.with-notes": said(
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
    "bulk/checklist": said(
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
    "bulk/campaign": said("bulk/campaign", Button(text="Pause", run="bulk pause ca-01"), **_CAMPAIGN),
    "bulk/campaign.paused": said("bulk/campaign", **_CAMPAIGN | _GATED | _CANARY),
    "bulk/campaign.paused-without-a-reason": said(
        "bulk/campaign", **_CAMPAIGN | _GATED | {"why": "", "changed_by": "U0OLGA"}
    ),
    "bulk/campaign.paused-by-a-stop": said(
        "bulk/campaign", **_CAMPAIGN | _GATED | {"why": "Everything was stopped.", "changed_by": "U0KIM"}
    ),
    "bulk/campaign.soaking": said("bulk/campaign", **_CAMPAIGN | {"status": "soaking", "failures": []}),
    "bulk/campaign.rotation": said("bulk/campaign", **_CAMPAIGN | _ROTATION | {"status": "soaking", "failures": []}),
    "bulk/campaign.rotated": said("bulk/campaign", **_CAMPAIGN | _OVER | _ROTATION | _WATCHED | {"wave": 30}),
    "bulk/campaign.scheduled": said("bulk/campaign", **_CAMPAIGN | {"status": "scheduled", "gate": None, "parked": 0}),
    "bulk/campaign.frozen": said("bulk/campaign", **_CAMPAIGN | _FROZEN | {"status": "scheduled", "gate": None}),
    "bulk/campaign.before-its-window": said("bulk/campaign", **_CAMPAIGN | _OPENS),
    "bulk/frozen": said("bulk/frozen", **_FROZEN),
    "bulk/opening": said("bulk/opening", **_OPENS),
    "bulk/preview.frozen": said("bulk/preview", **_PREVIEW | _FROZEN),
    "bulk/campaign.stopping": said(
        "bulk/campaign", **_CAMPAIGN | {"status": "stopping", "why": "", "left_to_the_sweep": 8}
    ),
    "bulk/campaign.aborted": said("bulk/campaign", **_CAMPAIGN | _ABORTED | {"why": HOSTILE}),
    "bulk/campaign.aborted-without-a-way-back": said(
        "bulk/campaign",
        **_CAMPAIGN | _ABORTED | {"kind": "firmware", "title": "Firmware 2.0.0", "no_way_back": _LEFT_BEHIND},
    ),
    "bulk/campaign.done": said("bulk/campaign", **_CAMPAIGN | _OVER),
    "bulk/campaign.some-skipped": said("bulk/campaign", **_CAMPAIGN | _OVER | _SKIPPING),
    "bulk/campaign.resumed": said("bulk/campaign", **_CAMPAIGN | {"last": _RESUMED}),
    "bulk/last_change": said("bulk/last_change", last=_RESUMED),
    "bulk/by_whom": said("bulk/by_whom", title="Configuration 2026.2.0", last=_RESUMED),
    "bulk/by_whom.paused": said(
        "bulk/by_whom", title="Configuration 2026.2.0", last=_RESUMED | {"what": "paused", "why": HOSTILE}
    ),
    "bulk/by_whom.excluded": said("bulk/by_whom", title="Configuration 2026.2.0", last=_EXCLUDED),
    "bulk/by_whom.nobody-left": said(
        "bulk/by_whom", title="Configuration 2026.2.0", last=_EXCLUDED | {"left": 0, "status": "paused"}
    ),
    "bulk/campaign.rejected": said("bulk/campaign", **_CAMPAIGN | _OVER | {"status": "rejected", "why": HOSTILE}),
    "bulk/rehearsing": said("bulk/rehearsing", title="Configuration 2026.2.0"),
    "bulk/rehearsed": said("bulk/rehearsed", **_CAMPAIGN | _OVER | _PLAYED),
    "bulk/rehearsed.stopped": said("bulk/rehearsed", **_CAMPAIGN | _PLAYED | _GATED | {"every": 5}),
    "bulk/rehearsed.not-over": said("bulk/rehearsed", **_CAMPAIGN | _PLAYED | {"over": False}),
    "bulk/rehearsed.rotation": said(
        "bulk/rehearsed",
        **_CAMPAIGN | _OVER | _PLAYED | {"kind": "rotate-certs", "quota": "40", "days": 30, "late": 17},
    ),
    "bulk/rehearsed.decommission": said("bulk/rehearsed", **_CAMPAIGN | _OVER | _PLAYED | {"kind": "decommission"}),
    "bulk/report": said("bulk/report", **_CAMPAIGN | _OVER),
    "bulk/report.decommission": said("bulk/report", **_CAMPAIGN | _OVER | {"kind": "decommission"}),
    "bulk/report.rotation": said("bulk/report", **_CAMPAIGN | _OVER | _ROTATION | _WATCHED | {"wave": 30}),
    "bulk/old_certificates": said(
        "bulk/old_certificates", old_certificates=_WATCHED["old_certificates"] | {"devices": 1}
    ),
    "bulk/report.some-skipped": said("bulk/report", **_CAMPAIGN | _OVER | _SKIPPING),
    "bulk/report.aborted": said("bulk/report", **_CAMPAIGN | _ABORTED | {"why": HOSTILE, "left_to_the_sweep": 8}),
    "bulk/report.aborted-without-a-way-back": said(
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
    "bulk/ended": said("bulk/ended", **_CAMPAIGN | _OVER, channel="C0FLEETOPS"),
    "bulk/ended.failed": said("bulk/ended", **_CAMPAIGN | _SKIPPING | {"status": "failed"}, channel="C0FLEETOPS"),
    "bulk/ended.without-a-way-back": said(
        "bulk/ended",
        **_CAMPAIGN | _ABORTED | {"title": "Firmware 2.0.0", "no_way_back": _LEFT_BEHIND},
        channel="C0FLEETOPS",
    ),
    "bulk/report_file": said("bulk/report_file", title="Configuration 2026.2.0"),
    "bulk/skipped": said("bulk/skipped", **_CAMPAIGN | _SKIPPING),
    "bulk/progress": said("bulk/progress", **_CAMPAIGN),
    "bulk/failures": said("bulk/failures", **_CAMPAIGN),
    "bulk/show": said("bulk/show", **_CAMPAIGN, by_wave=[["–", "skipped", 12], [1, "succeeded", 5]], rollout=_RULES),
    "bulk/show.as-a-file": said(
        "bulk/show", **_CAMPAIGN | _OVER, by_wave=[[1, "succeeded", 5]], rollout=_RULES, file=FILE
    ),
    "bulk/list": said(
        "bulk/list",
        Button(text="ABCDEF Configuration 2026.2.0", run="bulk show ca-01"),
        rows=[["ABCDEF", "Configuration 2026.2.0", "running", "33%", 3, AGO[90]]],
        now=NOW,
        stopped_by="U0ANN",
        frozen=_FROZEN["frozen"],
    ),
    "bulk/list.none": said("bulk/list", rows=[], now=NOW, stopped_by=None, frozen=None),
    "bulk/changed": said("bulk/changed", **_CHANGED),
    **{
        f"bulk/changed.{what}": said("bulk/changed", **_CHANGED | {"what": what})
        for what in ("resumed", "aborted", "discarded")
    },
    "bulk/changed.held": said("bulk/changed", **_CHANGED | {"what": "held", "why": _GATED["why"]}),
    **{
        f"bulk/changed.aborted-{kind}": said(
            "bulk/changed", **_CHANGED | {"what": "aborted", "stays": stays(kind, False)}
        )
        for kind in CampaignKind
        if kind is not CampaignKind.CONFIG
    },
    "bulk/changed.aborted-and-brought-back": said(
        "bulk/changed", **_CHANGED | {"what": "aborted", "stays": stays(CampaignKind.FIRMWARE, True)}
    ),
    "bulk/changed.aborted-without-a-way-back": said(
        "bulk/changed",
        **_CHANGED | {"what": "aborted", "stays": stays(CampaignKind.FIRMWARE, True), "no_way_back": _LEFT_BEHIND},
    ),
    "bulk/no_way_back": said(
        "bulk/no_way_back", no_way_back={"version": "2.0.0", "devices": 1, "former": [[1, "1.4.0"]]}
    ),
    "bulk/changed.aborted-with-targets-set": said(
        "bulk/changed", **_CHANGED | {"what": "aborted", "left_to_the_sweep": 8}
    ),
    "bulk/left_to_the_sweep": said("bulk/left_to_the_sweep", left_to_the_sweep=1),
    "bulk/changed.retried": said("bulk/changed", **_CHANGED | {"what": "retried", "count": 3, "which": "model:gw9"}),
    "bulk/changed.retried-while-stopped": said(
        "bulk/changed", **_CHANGED | {"what": "retried", "count": 3, "which": "model:gw9", **STOPPED}
    ),
    **{
        f"bulk/changed.excluded{name}": said("bulk/changed", **_CHANGED | _LEFT_OUT | facts)
        for name, facts in {
            "": {},
            "-from-a-plan": {"status": "planned"},
            "-nobody": {"count": 0},
            "-the-last-ones": {"left": 0, "under_way": 0},
            "-the-last-but-some-under-way": {"left": 0},
            "-the-last-while-paused": {"left": 0, "under_way": 0, "status": "paused"},
        }.items()
    },
    "bulk/stopped": said(
        "bulk/stopped", campaign_id="ca-01", title="Configuration 2026.2.0", why=_GATED["why"], by="U0OLGA"
    ),
    "bulk/stop_all": said("bulk/stop_all", Button(text="Let it go on", run="bulk go-on"), **_FENCE),
    "bulk/stop_all.nothing-under-way": said(
        "bulk/stop_all", **_FENCE | {"why": "", "held_back": 0, "retained": 0, "commands": 0, "paused": []}
    ),
    "bulk/stop_all.in-its-moment": said("bulk/stop_all", **_FENCE | {"leaving": 100}),
    "bulk/stop_all_over": said("bulk/stop_all_over", **_FENCE, lifted_by="U0BOB", lifted_at=NOW),
    "bulk/go_on": said("bulk/go_on", **_FENCE, lifted_by="U0BOB"),
}
