"""Who did what: a device's story, and the newest entries of the audit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from commands.spec import Call, command
from fleet.message import Button, Message
from fleet.roles import MUSTER, Role
from fleet.story import detail, words
from storage import audit, devices, story

_PAGE = 12
_ENTRIES = 20
_KINDS = 12
_ID = re.compile(r"[UW][A-Z0-9]+")
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>|@?(\S+)")


@command("why", role=Role.VIEWER, example="why dev-1")
async def why(
    call: Call,
    device: str,
    *,
    before: Annotated[datetime | None, "only what is older"] = None,
) -> Message:
    """A device's story in order: who did what, when it drifted and mended, its alerts, and what was asked of it."""
    async with call.db.read() as session:
        found = await devices.get(session, device)
        told = await story.of_device(session, device, before or call.now + timedelta(seconds=1), _PAGE)
    rows = [
        {name: getattr(event, name) for name in ("at", "who", "what", "detail", "url", "times", "until")}
        for event in told.events
    ]
    buttons = [Button(text="Show device", run=f"device show {device}")]
    if told.earlier:
        run = f"why {device} --before {told.earlier.isoformat()}"
        buttons.insert(0, Button(text="Earlier", run=run, replaces=True))
    if before:
        buttons.insert(0, Button(text="Newest", run=f"why {device}", replaces=True))
    data = {"device_id": device, "status": found.status.value, "rows": rows, "earlier": bool(told.earlier)}
    return Message(template="audit/why", data=data, buttons=tuple(buttons))


@command("audit", role=Role.APPROVER, example="audit --what device --since 2026-03-19")
async def entries(
    call: Call,
    *,
    who: Annotated[str, "only what this person did"] = "",
    what: Annotated[str, "only kinds of entries that begin so, such as device"] = "",
    since: Annotated[datetime | None, "only what is newer"] = None,
    before: Annotated[str, "the entries before this one: what *Earlier* says"] = "",
) -> Message:
    """The newest entries of the audit: by whom (`--who`), beginning with what (`--what device.suspended`), since when.

    All of it is written by `muster audit export` on the bot's machine, and verified by `muster audit verify`.
    """
    person, kind = _person(who), what.strip().replace(" ", ".")
    async with call.db.read() as session:
        found = await audit.recent(session, _ENTRIES + 1, person, kind, since, before)
        kinds = [] if found or not what else await audit.kinds(session)
    rows = [[row.at, row.actor, words(row.action), row.subject, detail(row.data), row.seq] for row in found[:_ENTRIES]]
    buttons: tuple[Button, ...] = ()
    if len(found) > _ENTRIES:
        run = f"audit --before {found[_ENTRIES - 1].id}" + _flags(person, kind, since)
        buttons = (Button(text="Earlier", run=run, replaces=True),)
    data = {"rows": rows, "kinds": _near(what, kinds), "nobody": who if person and not _known(person) else ""}
    return Message(template="audit/list", data=data, buttons=buttons)


def _near(what: str, kinds: Sequence[str]) -> list[str]:
    """What could have been typed instead: the kinds that have the word in them, else the first of all."""
    having = [each for each in kinds if what.lower() in each]
    return (having or list(dict.fromkeys(each.partition(".")[0] for each in kinds)))[:_KINDS]


def _known(person: str) -> bool:
    """Whether that is how the audit calls somebody: by their id in Slack, or Muster itself."""
    return person == MUSTER.id or _ID.fullmatch(person) is not None


def _person(text: str) -> str:
    """`<@U123>` or `U123` or `muster`."""
    found = _MENTION.fullmatch(text.strip())
    return (found[1] or found[2]) if found else ""


def _flags(who: str, what: str, since: datetime | None) -> str:
    given = {"who": who, "what": what, "since": since.isoformat() if since else ""}
    return "".join(f" --{name} {value}" for name, value in given.items() if value)
