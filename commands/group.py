"""Groups of devices: selectors kept under a name, and static lists. `group:name` in a selector means either."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from commands.spec import Call, command
from fleet.errors import Refused
from fleet.group import checked_name
from fleet.message import Button, Message
from fleet.roles import Role
from fleet.selector import Field, Match, Selector, Value
from storage import audit, devices, groups
from storage.selection import condition

_LISTED = 40
_SAMPLE = 20


@command("group list", role=Role.VIEWER, example="group list")
async def list_all(call: Call) -> Message:
    """The groups: selectors that are kept under a name, and static lists."""
    async with call.db.read() as session:
        rows = await groups.every(session)
    shown = [[row.name, row.selector or "static list", row.devices, row.note] for row in rows[:_LISTED]]
    return Message(template="group/list", data={"total": len(rows), "rows": shown})


@command("group show", role=Role.VIEWER, example="group show canary")
async def show(call: Call, name: str) -> Message:
    """One group: what it is, and whom it means now."""
    which = _group(name)
    async with call.db.read() as session:
        saved = await groups.get(session, name)
        chosen, total = await devices.ids(session, which, call.now, call.settings.drift.online_within, _SAMPLE)
    data = {
        "name": name,
        "selector": saved.selector if saved else None,
        "note": saved.note if saved else "",
        "by": saved.created_by if saved else None,
        "total": total,
        "devices": chosen,
    }
    return Message(template="group/show", data=data, buttons=(Button(text="Find them", run=f"find {which}"),))


@command("group save", role=Role.OPERATOR, example="group save north site:oslo,tromso status:active")
async def save(
    call: Call, name: str, which: Selector, *, note: Annotated[str, "what people should know of it"] = ""
) -> Message:
    """Keep a selector under a name. Whoever matches it belongs to the group, from moment to moment."""
    async with call.db.begin() as session:
        new = await groups.save(session, checked_name(name), which, note, call.person.id, call.now)
        await audit.add(session, call.now, call.person.id, "group.saved", name, {"selector": str(which), "note": note})
        total = await devices.count(session, which, call.now, call.settings.drift.online_within)
        unknown = await groups.unknown_in(session, which)
    data = {"name": name, "selector": str(which), "new": new, "total": total, "unknown": unknown}
    return Message(template="group/saved", data=data, buttons=(Button(text="Show it", run=f"group show {name}"),))


@command("group add", role=Role.OPERATOR, example="group add canary dev-1 dev-2")
async def add(call: Call, name: str, which: Selector) -> Message:
    """Put devices on a static list. The list begins with its first device."""
    async with call.db.begin() as session:
        await groups.refuse_unknown(session, which)
        where = await condition(session, which, call.now, call.settings.drift.online_within)
        added = await groups.add(session, checked_name(name), where)
        if not added:
            there = await devices.count(session, which, call.now, call.settings.drift.online_within)
            nobody = f"{which} means no device that is not on {name} already" if there else f"No device matches {which}"
            raise Refused(f"{nobody}. Nothing was changed.")
        await audit.add(session, call.now, call.person.id, "group.added", name, {"devices": added})
        unknown = await devices.unknown_among(session, which.exact_ids)
    return _changed(name, added, "put on", unknown)


@command("group remove", role=Role.OPERATOR, example="group remove canary dev-2")
async def remove(call: Call, name: str, which: Selector) -> Message:
    """Take devices off a static list."""
    async with call.db.begin() as session:
        if await groups.get(session, name):
            raise Refused(f"{name} is kept as a selector. Change it with /fleet group save {name} <selector>.")
        where = await condition(session, which, call.now, call.settings.drift.online_within)
        removed = await groups.remove(session, name, where)
        if not removed:
            raise Refused(f"{which} means no device of {name}. Nothing was changed; see /fleet group show {name}.")
        await audit.add(session, call.now, call.person.id, "group.removed", name, {"devices": removed})
    return _changed(name, removed, "taken off")


@command("group delete", role=Role.OPERATOR, example="group delete canary")
async def delete(call: Call, name: str) -> Message:
    """Forget a group of either kind. Its devices stay as they are."""
    async with call.db.begin() as session:
        await groups.drop(session, name)
        await audit.add(session, call.now, call.person.id, "group.deleted", name)
    return Message(template="group/deleted", data={"name": name})


def _group(name: str) -> Selector:
    return Selector((Match(Field.GROUP, (Value(name),)),))


def _changed(name: str, changed: list[str], how: str, unknown: Sequence[str] = ()) -> Message:
    """`unknown`: what was named and is not in the registry."""
    data = {"name": name, "how": how, "total": len(changed), "devices": changed[:_SAMPLE], "unknown": unknown[:_SAMPLE]}
    return Message(
        template="group/changed", data=data, buttons=(Button(text="Show the list", run=f"group show {name}"),)
    )
