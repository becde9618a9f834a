"""What is answered to a line that is no command, and the help."""

from __future__ import annotations

from fleet.message import Button
from tests.bot.samples.said import HOSTILE, said

PROBLEM = {
    "problem": said("problem", text="There is no device called dev-9. Did you mean dev-1?", reference=None),
    "problem.usage": said(
        "problem",
        Button(text="Run: diag ping dev-1 --within 3", run="diag ping dev-1 --within 3"),
        text="There is no flag --witin here. Did you mean --within?\nUsage: /fleet diag ping <device> [--within 30]",
        reference=None,
    ),
    "problem.missing": said(
        "problem",
        text="Which device?\nFor example: /fleet diag ping dev-1\nUsage: /fleet diag ping <device> [--within 30]",
        reference=None,
    ),
    "problem.fault": said("problem", text="Something in Muster went wrong.", reference="ref-0a1b2c3d"),
    "problem.hostile": said("problem", text=f"There is no device called {HOSTILE}.", reference=None),
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
    "help/index": said(
        "help/index",
        **_WHO,
        asked="",
        hidden=12,
        groups=[
            {"name": "status", "commands": [_STATUS]},
            {"name": "diag", "commands": [_PING, {**_PING, "words": "diag logs", "verb": "logs"}]},
        ],
    ),
    "help/index.one-noun": said(
        "help/index", **_WHO, asked="diag", hidden=1, groups=[{"name": "diag", "commands": [_PING]}]
    ),
    "help/index.nothing": said("help/index", root="/fleet", role="none", why="", asked="", hidden=14, groups=[]),
    "help/command": said(
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
    "help/command.out-of-reach": said(
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
