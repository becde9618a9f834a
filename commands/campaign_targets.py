"""Which devices of a campaign have another turn, and which have none."""

from __future__ import annotations

from typing import Annotated, Any

from commands.campaign import changed, refuse_unless, resume_unless_held
from commands.spec import Call, command
from fleet.campaign import RETRIABLE, CampaignStatus, TargetState
from fleet.errors import Refused
from fleet.message import Message, quoted
from fleet.roles import Role
from fleet.selector import Selector, parse
from storage import campaign_devices, campaign_failures, campaign_plan, campaigns, fences, groups, selection
from storage.db import wake

_ALL = parse("all")


@command("bulk retry", role=Role.OPERATOR, example='bulk retry 7QK2ZD --cause "not enough room" --model gw2')
async def retry(
    call: Call,
    campaign: str,
    which: Selector = _ALL,
    *,
    cause: Annotated[str | None, "only what failed so: the text in the table, or its beginning"] = None,
    model: Annotated[str | None, "only this model, as it was planned"] = None,
    firmware: Annotated[str | None, "only this firmware, as it was planned"] = None,
) -> Message:
    """Try the devices again that failed, or those of them that are meant. Nothing else is done again.

    --cause is what is shown of a failure, or its beginning; --model and --firmware are those at the time of the plan,
    as in the table of what failed (--firmware "" where none was known). A selector asks for what devices are now.
    """
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        refuse_unless(row, *RETRIABLE, what="retried")
        await groups.refuse_unknown(session, which)
        condition = await selection.condition(session, which, call.now, call.settings.drift.online_within)
        why = None if cause is None else await campaign_failures.cause(session, row.id, cause)
        of_group = campaign_failures.of_group(why, model, firmware)
        again, of_wave = await campaign_devices.retry(session, row, condition & of_group)
        told = _told(which, cause=why, model=model, firmware=firmware)
        if not again:
            raise Refused(
                f"No device of campaign {row.id[-6:]} ({told}) has failed; perhaps somebody has just tried them again. "
                f"Nothing was changed. See it with /fleet bulk show {row.id[-6:]}."
            )
        fewer = {"forgiven": max(row.forgiven - of_wave, 0), "forgiven_failed": max(row.forgiven_failed - of_wave, 0)}
        if row.ended_at is None:
            await campaigns.change(session, row, **fewer)
            wake(session, "campaigns")
        else:
            tail = call.now + campaigns.rollout_of(row).tail
            anew = {"ended_at": None, "reported_at": None, "tail_until": tail, "wave_at": call.now, "why": ""}
            await campaigns.move(session, row, CampaignStatus.RUNNING, call.person.id, call.now, **anew, **fewer)
        said = await changed(session, call, row, "retried", devices=again, which=told)
        return said.knowing(await fences.told(session, call.now))


def _told(which: Selector, **of_group: str | None) -> str:
    """What somebody chose, as they would type it."""
    flags = [f"--{name} {quoted(value)}" for name, value in of_group.items() if value is not None]
    return " ".join(flags if which == _ALL and flags else [str(which), *flags])


@command("bulk exclude", role=Role.OPERATOR, example="bulk exclude 7QK2ZD --go-on model:gw9")
async def exclude(
    call: Call, campaign: str, which: Selector, *, go_on: Annotated[bool, "resume the campaign without them"] = False
) -> Message:
    """Leave out devices that have not had their turn; --go-on resumes a paused campaign without them.

    A campaign that has nobody left ends, and reports.
    """
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        if row.status is CampaignStatus.WAITING:
            raise Refused("It waits for approval exactly as it is. Take the request back first, and plan it anew.")
        if row.ended_at is not None or row.status is CampaignStatus.STOPPING:
            raise Refused(f"Campaign {row.id[-6:]} is {row.status}: nothing is left to be excluded.")
        await groups.refuse_unknown(session, which)
        condition = await selection.condition(session, which, call.now, call.settings.drift.online_within)
        why = f"excluded: {which}"
        left_out = await campaign_devices.exclude(session, row, condition, why, call.now)
        resumes = go_on and row.status is CampaignStatus.PAUSED
        if not left_out and not resumes:
            raise Refused(
                f"No device of campaign {row.id[-6:]} that matches {which} waits for its turn; perhaps somebody has "
                f"just left them out. Nothing was changed. See it with /fleet bulk show {row.id[-6:]}."
            )
        fewer: dict[str, Any] = {"waves": await campaign_devices.last_wave(session, row)}
        if row.status is CampaignStatus.PLANNED:
            digest = await campaign_plan.digest(session, row.id)
            fewer |= {"targets": row.targets - left_out, "targets_sha256": digest}
        await campaigns.change(session, row, **fewer)
        if resumes:
            await resume_unless_held(session, call, row)
        tally = await campaigns.tally(session, row.id)
        left = tally.get(TargetState.PLANNED, 0) + tally.get(TargetState.PARKED, 0)
        return await changed(session, call, row, "excluded", devices=left_out, which=str(which), left=left)
