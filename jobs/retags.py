"""Tags are renamed, and renamed back, once that is approved."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from fleet.errors import Refused
from fleet.message import Button, Message
from fleet.retag import rename
from jobs.spec import Run
from storage import audit, outbox, retags
from storage.tables import Approval


async def start(run: Run, session: AsyncSession, approval: Approval) -> None:
    """Rename the tag of the plan, if that still changes exactly what was approved."""
    how = rename(approval.params["old"], approval.params["new"])
    seen = await retags.look(session, how)
    if retags.plan(how, seen).sha256 != approval.plan_sha256:
        raise Refused(
            f"What the renaming of {how.old} would change has changed since it was asked for, so nothing was done. "
            f"Look at it again: /fleet bulk retag {how.old} {how.new}"
        )
    by = approval.requested_by
    row = await retags.rename(session, how, seen, by, run.now, run.settings.tags.alias_for)
    told = {"old": str(how.old), "new": str(how.new), "devices": row.devices, "references": row.changed}
    await audit.add(session, run.now, by, "tag.renamed", row.id, {**told, "approval": approval.id})
    message = Message(
        template="bulk/retagged",
        data={**told, "by": by, "alias_until": row.alias_until},
        buttons=(Button(text="Undo", run=f"bulk retag-undo {row.id}", confirm=f"Rename {how.new} back?"),),
    )
    await outbox.put(session, {f"retag:{row.id}": message}, run.settings.slack.ops_channel, run.now)


async def undo(run: Run, session: AsyncSession, approval: Approval) -> None:
    """Undo the renaming of the plan, if that is still possible."""
    row = await retags.undoable(session, approval.params["retag"], run.now)
    how, by = retags.rename_of(row), approval.requested_by
    devices, back = await retags.undo(session, row, by, run.now)
    told = {"old": str(how.old), "new": str(how.new), "devices": devices, "references": back}
    await audit.add(session, run.now, by, "tag.renaming_undone", row.id, {**told, "approval": approval.id})
    message = Message(template="bulk/retag_undone", data={**told, "by": by, "renamed": row.devices})
    key = f"retag:{row.id}"
    await outbox.put(session, {f"{key}:undone": message}, run.settings.slack.ops_channel, run.now, thread_key=key)
