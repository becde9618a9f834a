"""Many devices decommissioned, each with its checklist: export, alert rules, the move, its certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Unpack

from commands.campaign_draft import Draft, plan
from commands.pace import At, Waves, rollout_of
from commands.spec import Call, command
from fleet.campaign import CampaignKind
from fleet.errors import BadInput, Refused
from fleet.message import Button, File, Message
from fleet.roles import Role
from fleet.selector import Selector
from storage import campaigns, checklist, devices, pages, rules_naming
from storage.db import Database

_LISTED = 20
_PAGE = 1000


@command("bulk decommission", role=Role.OPERATOR, example="bulk decommission site:old-mill --leave-rules")
async def decommission(
    call: Call,
    which: Selector,
    *,
    leave_rules: Annotated[bool, "also devices that alert rules name; the rules stay"] = False,
    remove_rules: Annotated[bool, "also devices that alert rules name; they are taken out of the rules"] = False,
    at: At = None,
    **waves: Unpack[Waves],
) -> Message:
    """Decommission many devices, for good. Only active ones can be; others are left out with the reason.

    Each device: everything that Muster holds about it is exported and read back; then it is decommissioned, and its
    certificate is revoked. A device that an alert rule names by its id is left out, unless --leave-rules keeps those
    rules as they are, or --remove-rules takes it out of them. /fleet bulk checklist shows where each device stands.
    """
    if leave_rules and remove_rules:
        raise BadInput("--leave-rules and --remove-rules say opposite things: choose one of them.")
    rules = "leave" if leave_rules else "remove" if remove_rules else "keep"
    async with call.db.read() as session:
        named = await rules_naming.named(session)
        meant = await devices.meant_among(session, which, list(named), call.now, call.settings.drift.online_within)
    rollout = rollout_of(call, **waves, ack_within=call.settings.campaigns.decommission_within, retries=0)
    params = {"rules": rules, "named": sorted(meant) if rules == "keep" else []}
    title = f"Decommission of {which}"[:200]
    notes = _notes({device_id: named[device_id] for device_id in sorted(meant)}, rules)
    return await plan(call, Draft(CampaignKind.DECOMMISSION, title, which, rollout, params, at, notes=notes))


def _notes(named: dict[str, list[str]], rules: str) -> list[str]:
    notes = [
        ":warning: This cannot be undone: each device's data is exported and verified first, then it is gone.",
        "Revoking its certificate keeps a device from connecting again; a session that is open stays open until it "
        "ends or the broker restarts. docs/certificates.md says how to end it at once.",
    ]
    if named:
        what = {
            "leave": "they stay as they are",
            "remove": "it is taken out of them",
            "keep": "such devices are left out. Plan it with --remove-rules or --leave-rules to take them along",
        }
        some = "; ".join(f"{device_id}: {', '.join(found)}" for device_id, found in list(named.items())[:5])
        notes.append(f"Alert rules name {len(named):,} of the devices ({some}): {what[rules]}.")
    return notes


@command("bulk checklist", role=Role.VIEWER, example="bulk checklist 7QK2ZD")
async def show_checklist(
    call: Call, campaign: str, *, csv: Annotated[bool, "all of them as a file"] = False
) -> Message:
    """Where each device of a decommission stands: exported, rules, moved, certificate revoked. --csv sends them all."""
    async with call.db.read() as session:
        row = await campaigns.get(session, campaign)
        if row.kind is not CampaignKind.DECOMMISSION:
            raise Refused(f"Campaign {row.id[-6:]} decommissions nothing. See it with /fleet bulk show {row.id[-6:]}.")
        rows = await checklist.page(session, row.id, "", _LISTED)
        total, done = await checklist.totals(session, row.id)
        named = await rules_naming.named(session)
    name = f"checklist-{row.id[-6:]}-{call.now:%Y%m%d-%H%M}.csv"
    data = {"campaign_id": row.id, "title": row.title, "total": total, "done": done}
    return Message(
        template="bulk/checklist",
        data={
            **data,
            "rows": [list(checklist.shown(each, named.get(each.device_id, ()))) for each in rows],
            "titles": list(checklist.SHOWN),
        },
        buttons=(Button(text="All as a file", run=f"bulk checklist {row.id} --csv"),) if total > _LISTED else (),
        file=File(name, (*checklist.COLUMNS, "alert_rules"), _every(call.db, row.id, named)) if csv else None,
    )


async def _every(
    db: Database, campaign_id: str, named: Mapping[str, Sequence[str]]
) -> AsyncIterator[Sequence[Sequence[object]]]:
    async for rows in pages.by_device(db, lambda each, after: checklist.page(each, campaign_id, after, _PAGE)):
        yield [
            [*(getattr(row, name) for name in checklist.COLUMNS), " ".join(named.get(row.device_id, ()))]
            for row in rows
        ]
