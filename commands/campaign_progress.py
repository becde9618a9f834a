"""How campaigns stand: all of them, or one with its waves and its devices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from commands.spec import Call, command
from fleet.campaign import CampaignKind, CampaignStatus
from fleet.message import Button, File, Message, Style
from fleet.roles import Role
from fleet.rollout import frozen, rules
from storage import campaign_devices, campaign_news, campaigns, fences, pages
from storage.db import Database

_LISTED = 15
_PAGE = 2000
_COLUMNS = ("device_id", "state", "wave", "site", "model", "firmware", "tries", "dispatched_at", "settled_at", "why")


@command("bulk list", role=Role.VIEWER, aliases=("campaigns",), example="bulk list")
async def list_all(call: Call) -> Message:
    """Campaigns: those under way, then the plans, then the newest of the others."""
    async with call.db.read() as session:
        found = await campaigns.recent(session, _LISTED)
        so_far = [await campaign_news.progress(session, each.id) for each in found]
        fence = await fences.standing(session)
    rows = [
        [each.id[-6:], each.title, each.status.value, f"{progress['percent']}%", progress["failed"], each.created_at]
        for each, progress in zip(found, so_far, strict=True)
    ]
    shows = [Button(text=f"{each.id[-6:]} {each.title}"[:75], run=f"bulk show {each.id}") for each in found[:5]]
    return Message(
        template="bulk/list",
        data={
            "rows": rows,
            "now": call.now,
            "stopped_by": fence.put_by if fence else None,
            "frozen": frozen(call.settings.campaigns.freezes, call.now),
        },
        buttons=tuple(shows),
    )


@command("bulk show", role=Role.VIEWER, example="bulk show 7QK2ZD")
async def show(
    call: Call, campaign: str, *, csv: Annotated[bool, "every device with what came of it as a file"] = False
) -> Message:
    """One campaign: its waves, its rules, what failed. --csv sends every device with what came of it as a file."""
    async with call.db.read() as session:
        row = await campaigns.get(session, campaign)
        said = await campaign_news.message(session, row, call.now, call.settings)
        waves = await campaigns.waves_of(session, row.id)
    by_wave = [[each.wave or "–", each.state.value.replace("_", " "), each.devices] for each in waves]
    data = {**said.data, "by_wave": by_wave, "rollout": rules(campaigns.rollout_of(row)), "status": row.status.value}
    name = f"campaign-{row.id[-6:]}-{call.now:%Y%m%d-%H%M}.csv"
    file = File(name, _COLUMNS, _devices(call.db, row.id)) if csv else None
    draft = (Button(text="Ask for approval", run=f"bulk ask {row.id}", style=Style.PRIMARY),)
    below = draft if row.status is CampaignStatus.PLANNED else said.buttons[:-1]
    if row.kind is CampaignKind.DECOMMISSION:
        below = (*below, Button(text="Checklist", run=f"bulk checklist {row.id}"))
    return Message(template="bulk/show", data=data, buttons=below, file=file)


async def _devices(db: Database, campaign_id: str) -> AsyncIterator[Sequence[Sequence[object]]]:
    found = pages.by_device(db, lambda each, after: campaign_devices.page(each, campaign_id, after, _PAGE))
    async for rows in found:
        yield [[getattr(row, name) for name in _COLUMNS] for row in rows]
