"""A message in few words, and what occurs in many of them: moments, digests, and what devices say at worst."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fleet.message import Button, Message
from tests.conftest import NOW

AGO = {minutes: NOW - timedelta(minutes=minutes) for minutes in (1, 3, 7, 90, 1500, 9000)}
HOSTILE = "boom `rm` ```\n# no\n---\n| x: y\n<!channel> <@U1> & *b* \x1b[31mred\x07 \u202e@here"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
FILE = {"name": "devices-2026-03-19-1430.csv", "rows": 214, "cut": False, "where": ""}


def said(template: str, *buttons: Button, **data: Any) -> Message:
    return Message(template=template, data=data, buttons=buttons)
