"""Tags renamed in the registry: devices and whatever refers to them by selector, in the transaction of the caller.

    look ──> Look (what would change) ──> rename ──> a row of `retags` ──> undo, until `alias_until`

Set-based: a tag on 100,000 devices is two statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from fleet import retag
from fleet.errors import Refused, not_found
from fleet.plan import Plan, plan_for
from fleet.retag import Rename, TagName
from fleet.selector import parse
from storage import ids, named, references
from storage.references import Reference
from storage.tables import Retag, device_tags, devices, retag_devices, retags


@dataclass(frozen=True, slots=True)
class Look:
    """What a renaming would change: device ids in order, their sites, and references as {kind, name, before, after}.

    `patterns` refer to values by `*` and stay as they are. `already` devices have the new name, so that the two become
    one; `both` have old and new name (the first few): they stand in the way.
    """

    device_ids: list[str]
    sites: list[str]
    changes: list[dict[str, str]]
    patterns: list[str]
    already: int
    both: list[str]


async def look(session: AsyncSession, how: Rename) -> Look:
    """See what a renaming would change; nothing is written."""
    bears = select(device_tags.c.device_id, devices.c.site).join(
        devices, devices.c.device_id == device_tags.c.device_id
    )
    rows = (await session.execute(bears.where(_is(how.old)).order_by(device_tags.c.device_id))).all()
    new = set(await session.scalars(select(device_tags.c.device_id).where(_is(how.new))))
    kept = list(await references.every(session))
    return Look(
        device_ids=[row.device_id for row in rows],
        sites=sorted({row.site for row in rows}),
        changes=[_change(each, how) for each in kept if retag.renamed(each.selector, how) != each.selector],
        patterns=[str(each) for each in kept if retag.by_pattern(each.selector, how)],
        already=len(new),
        both=[row.device_id for row in rows if row.device_id in new],
    )


def plan(how: Rename, seen: Look) -> Plan:
    """What is approved: exactly these devices and references. Raises Refused if it cannot be done."""
    if seen.both:
        raise Refused(
            f"{len(seen.both):,} devices have {how.old.name} and {how.new.name} ({', '.join(seen.both[:5])}), and one "
            "of the two values would be lost. Take one of the tags off them first."
        )
    if not seen.device_ids and not seen.changes:
        raise Refused(f"No device has the tag {how.old}, and nothing refers to it. There is nothing to rename.")
    title = f"Rename the tag {how.old} to {how.new}"
    params = {"old": str(how.old), "new": str(how.new), "references": seen.changes}
    return plan_for("bulk.retag", title, params, seen.device_ids, seen.sites)


async def plan_undo(session: AsyncSession, row: Retag) -> Plan:
    """What is approved: the devices that this renaming has renamed, and its references."""
    renamed = select(devices.c.device_id, devices.c.site).where(devices.c.device_id.in_(_renamed(row)))
    rows = (await session.execute(renamed)).all()
    how = rename_of(row)
    title = f"Undo the renaming of {how.old} to {how.new}"
    params = {"retag": row.id, "references": row.changed}
    return plan_for("bulk.retag-undo", title, params, [each.device_id for each in rows], [each.site for each in rows])


async def rename(session: AsyncSession, how: Rename, seen: Look, by: str, now: datetime, alias_for: timedelta) -> Retag:
    """Do what `look` has seen in this transaction."""
    row = Retag(
        id=ids.new("rt", now),
        old_name=how.old.name,
        old_value=how.old.value,
        new_name=how.new.name,
        new_value=how.new.value,
        devices=len(seen.device_ids),
        changed=seen.changes,
        done_by=by,
        done_at=now,
        alias_until=now + alias_for,
    )
    session.add(row)
    await session.flush()
    bearing = select(literal(row.id), device_tags.c.device_id).where(_is(how.old))
    await session.execute(insert(retag_devices).from_select(["retag_id", "device_id"], bearing))
    renamed = and_(_is(how.old), device_tags.c.device_id.in_(_renamed(row)))
    await session.execute(update(device_tags).where(renamed).values(_values(how.new)))
    for change in seen.changes:
        await references.rewrite(session, Reference(change["kind"], change["name"], parse(change["after"])))
    return row


async def undo(session: AsyncSession, row: Retag, by: str, now: datetime) -> tuple[int, list[str]]:
    """Give the old name back to those that were renamed. Returns how many devices, and which references, have it again.

    A device that lost the tag since, or was given the old name anew, stays as it is. A reference that was edited since
    keeps its edit, under the old name.
    """
    how = rename_of(row)
    mine = and_(_is(how.new), device_tags.c.device_id.in_(_renamed(row)))
    if how.old.value is None:
        anew = device_tags.alias("anew")
        has_old = select(anew.c.device_id).where(anew.c.name == how.old.name)
        mine = and_(mine, device_tags.c.device_id.not_in(has_old))
    restored = await session.execute(update(device_tags).where(mine).values(_values(how.old)))
    now_kept = {(each.kind, each.name): each for each in await references.every(session)}
    back = []
    for change in row.changed:
        if (each := now_kept.get((change["kind"], change["name"]))) is None:
            continue
        same = str(each.selector) == change["after"]
        before = parse(change["before"]) if same else retag.renamed(each.selector, how.back)
        await references.rewrite(session, replace(each, selector=before))
        back.append(str(each))
    row.undone_by, row.undone_at = by, now
    return restored.rowcount, back  # type: ignore[attr-defined]


async def get(session: AsyncSession, name: str) -> Retag:
    """One renaming by its id or its ending. Raises NotFound, or BadInput if several end so."""
    if found := await named.find(session, Retag, name, "renamings", "/fleet bulk retags"):
        return found
    raise not_found("renaming", name, (), "See them with /fleet bulk retags.")


async def undoable(session: AsyncSession, name: str, now: datetime) -> Retag:
    """One renaming that can still be undone. Raises NotFound, or Refused with the reason."""
    row = await get(session, name)
    if row.undone_at is not None:
        raise Refused(f"{rename_of(row)} was undone already, by <@{row.undone_by}>.")
    if row.alias_until <= now:
        raise Refused(
            f"{rename_of(row)} can be undone only while the old name still holds, which ended. "
            f"Rename it back: /fleet bulk retag {row.new_name} {row.old_name}."
        )
    built_on = and_(retags.c.old_name == row.new_name, retags.c.id > row.id, retags.c.undone_at.is_(None))
    if row.new_value is not None:
        built_on = and_(built_on, or_(retags.c.old_value.is_(None), retags.c.old_value == row.new_value))
    if later := (await session.scalars(select(Retag).where(built_on).order_by(retags.c.id.desc()).limit(1))).first():
        raise Refused(f"{rename_of(later)} came after it. Undo that first: /fleet bulk retag-undo {later.id[-6:]}")
    return row


async def recent(session: AsyncSession, limit: int) -> Sequence[Retag]:
    """The newest renamings first."""
    return (await session.scalars(select(Retag).order_by(retags.c.id.desc()).limit(limit))).all()


def rename_of(row: Retag) -> Rename:
    """What was renamed to what."""
    return Rename(TagName(row.old_name, row.old_value), TagName(row.new_name, row.new_value))


def _renamed(row: Retag) -> Select[tuple[str]]:
    return select(retag_devices.c.device_id).where(retag_devices.c.retag_id == row.id)


def _change(reference: Reference, how: Rename) -> dict[str, str]:
    after = str(retag.renamed(reference.selector, how))
    return {"kind": reference.kind, "name": reference.name, "before": str(reference.selector), "after": after}


def _is(tag: TagName) -> ColumnElement[bool]:
    named = device_tags.c.name == tag.name
    return named if tag.value is None else and_(named, device_tags.c.value == tag.value)


def _values(tag: TagName) -> dict[str, Any]:
    return {"name": tag.name} if tag.value is None else {"value": tag.value}
