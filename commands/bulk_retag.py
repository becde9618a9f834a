"""Renaming a tag, or one of its values, wherever it is used: devices, saved groups, dashboards, alert rules."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from commands import approve
from commands.spec import Call, command
from fleet.errors import Refused
from fleet.message import Button, Message, Style, word
from fleet.retag import Rename, rename
from fleet.roles import Role
from storage import approvals, retags
from storage.retags import Look
from storage.tables import Retag

_CHANGES = 20
_SITES = 10
_LISTED = 20
_DIGITS = 12  # of a plan's digest, in the button


@command("bulk retag", role=Role.OPERATOR, aliases=("bulk rehearse retag",), example="bulk retag env environment")
async def retag(
    call: Call,
    tag: str,
    new_name: str,
    *,
    plan: Annotated[str, "what the button of the preview says: ask for that very plan"] = "",
) -> Message:
    """Rename a tag (env environment) or one of its values (env=prod env=production), after a preview of each change.

    Only the registry changes; no device is told. For a while the old name still holds in selectors, and until then it
    can be undone. `--plan` is what the preview's button says: that very plan is asked for.
    """
    how = rename(tag, new_name)
    if not plan:
        async with call.db.read() as session:
            return _preview(call, how, await retags.look(session, how))
    async with call.db.begin() as session:
        made = retags.plan(how, await retags.look(session, how))
        if not made.sha256.startswith(plan):
            raise Refused(f"What {how} would change has changed since the preview. Look at it again and ask then.")
        approval = await approvals.ask(session, made, call.person.id, call.now, call.settings)
    return approve.asked(approval, call.settings)


@command("bulk retag-undo", role=Role.OPERATOR, example="bulk retag-undo 7QK2ZD")
async def undo(call: Call, renaming: str) -> Message:
    """Give a renamed tag its old name back, on the devices and in the references that were renamed."""
    async with call.db.begin() as session:
        made = await retags.plan_undo(session, await retags.undoable(session, renaming, call.now))
        approval = await approvals.ask(session, made, call.person.id, call.now, call.settings)
    return approve.asked(approval, call.settings)


@command("bulk retags", role=Role.VIEWER, example="bulk retags")
async def list_all(call: Call) -> Message:
    """The newest renamings of tags, and until when each can be undone."""
    async with call.db.read() as session:
        rows = await retags.recent(session, _LISTED)
    shown = [
        [each.id[-6:], str(retags.rename_of(each)), each.devices, len(each.changed), each.done_at, _stands(each, call)]
        for each in rows
    ]
    return Message(template="bulk/retags", data={"now": call.now, "rows": shown})


def _stands(row: Retag, call: Call) -> str | datetime:
    """`undone`, `for good`, or the moment until which it can be undone."""
    if row.undone_at:
        return "undone"
    return row.alias_until if row.alias_until > call.now else "for good"


def _preview(call: Call, how: Rename, seen: Look) -> Message:
    made = retags.plan(how, seen)
    data = {
        "old": str(how.old),
        "new": str(how.new),
        "total": made.count,
        "sites": [each or "(no site)" for each in made.sites[:_SITES]],
        "more_sites": max(len(made.sites) - _SITES, 0),
        "sample": seen.device_ids[:5],
        "changes": seen.changes[:_CHANGES],
        "more_changes": max(len(seen.changes) - _CHANGES, 0),
        "patterns": seen.patterns,
        "already": seen.already,
        "alias_until": call.now + call.settings.tags.alias_for,
    }
    old, new = word(str(how.old)), word(str(how.new))
    ask = f"bulk retag {old} {new} --plan {made.sha256[:_DIGITS]}"
    buttons = (Button(text="Ask for it", run=ask, style=Style.PRIMARY),) if old and new else ()
    return Message(template="bulk/retag", data=data, buttons=buttons)
