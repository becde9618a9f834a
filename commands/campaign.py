"""Campaigns that are planned or under way: looked at, asked for, paused, ended, mended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Any

from sqlalchemy.ext.asyncio import AsyncSession

from commands.approve import asked
from commands.bulk import Draft, plan
from commands.spec import Call, Rest, command
from fleet.approval import IDS_KEPT, Plan
from fleet.campaign import RETRIABLE, CampaignKind, CampaignStatus, tripped
from fleet.campaign_message import buttons
from fleet.errors import BadInput, Refused
from fleet.message import Button, File, Message, Style, quoted
from fleet.rehearsal import Behaviour
from fleet.roles import MUSTER, Role, is_person
from fleet.rollout import part, rules
from fleet.selector import Selector, parse
from storage import (
    approvals,
    audit,
    campaign_devices,
    campaign_failures,
    campaign_news,
    campaign_outcomes,
    campaign_plan,
    campaigns,
    fences,
    groups,
    rehearsals,
    selection,
)
from storage.db import Database, wake
from storage.tables import Campaign

_ALL = parse("all")
_LISTED = 15
_PAGE = 2000
_COLUMNS = ("device_id", "state", "wave", "site", "model", "firmware", "tries", "dispatched_at", "settled_at", "why")
_STARTER_GRACE = timedelta(hours=1)


@command("bulk list", role=Role.VIEWER, aliases=("campaigns",), example="bulk list")
async def list_all(call: Call) -> Message:
    """Campaigns: those under way, then the plans, then the newest of the others."""
    async with call.db.read() as session:
        found = await campaigns.recent(session, _LISTED)
        facts = [await campaign_news.facts(session, each, call.now) for each in found]
        fence = await fences.standing(session)
    rows = [
        [each.id[-6:], each.title, each.status.value, f"{fact['percent']}%", fact["failed"], each.created_at]
        for each, fact in zip(found, facts, strict=True)
    ]
    shows = [Button(text=f"{each.id[-6:]} {each.title}"[:75], run=f"bulk show {each.id}") for each in found[:5]]
    return Message(
        template="bulk/list",
        data={"rows": rows, "now": call.now, "stopped_by": fence.put_by if fence else None},
        buttons=tuple(shows),
    )


@command("bulk show", role=Role.VIEWER, example="bulk show 7QK2ZD")
async def show(
    call: Call, campaign: str, *, csv: Annotated[bool, "every device with what came of it as a file"] = False
) -> Message:
    """One campaign: its waves, its rules, what failed. --csv sends every device with what came of it as a file."""
    async with call.db.read() as session:
        row = await campaigns.get(session, campaign)
        said = await campaign_news.message(session, row, call.now)
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
    after = ""
    while True:
        async with db.read() as session:
            rows = await campaign_devices.page(session, campaign_id, after, _PAGE)
        if not rows:
            return
        yield [[getattr(row, name) for name in _COLUMNS] for row in rows]
        after = rows[-1].device_id


@command("bulk ask", role=Role.OPERATOR, example="bulk ask 7QK2ZD")
async def ask(call: Call, campaign: str) -> Message:
    """Ask for approval of a planned campaign, exactly as it was shown. What needs nobody's approval begins."""
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        if row.status is not CampaignStatus.PLANNED:
            raise Refused(f"Campaign {row.id[-6:]} is {row.status}: there is nothing to ask for. See /fleet bulk list.")
        if row.due_at and row.due_at <= call.now:
            raise Refused("This plan is too old: devices may have changed since. Plan it anew.")
        approval = await approvals.ask(session, await _plan(session, row), call.person.id, call.now, call.settings)
        ends = approval.expires_at + _STARTER_GRACE
        await campaigns.move(
            session, row, CampaignStatus.WAITING, call.person.id, call.now, approval_id=approval.id, due_at=ends
        )
        stopped = await fences.told(session, call.now)
    return asked(approval).knowing(stopped)


async def _plan(session: AsyncSession, row: Campaign) -> Plan:
    few = row.targets <= IDS_KEPT
    return Plan(
        operation=row.kind.operation,
        title=row.title,
        params={
            **row.params,
            "campaign": row.id,
            "selector": row.selector,
            "rollout": row.rollout,
            "at": row.start_at.isoformat() if row.start_at else None,
        },
        device_ids=tuple(await campaign_plan.device_ids(session, row.id)) if few else (),
        count=row.targets,
        sites=tuple(await campaign_plan.sites(session, row.id)),
        targets_sha256=row.targets_sha256,
    )


@command("bulk pause", role=Role.OPERATOR, example="bulk pause 7QK2ZD")
async def pause(call: Call, campaign: str, why: Rest | None = None) -> Message:
    """Send nothing more for now. What is under way finishes; what has not left yet is taken back."""
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        _refuse_unless(row, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.SOAKING, what="paused")
        await campaign_devices.pause(session, row, call.person.id, why or "", call.now, call.settings.campaigns)
        return await _changed(session, call, row, "paused")


@command("bulk resume", role=Role.OPERATOR, example="bulk resume 7QK2ZD")
async def resume(call: Call, campaign: str) -> Message:
    """Go on. If its gate had stopped it, what failed so far is accepted, and counted anew from here.

    What failed while somebody had paused it is not: then its gate stops it, and says so.
    """
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        goes_on = await _resume(session, call, row)
        return await _changed(session, call, row, "resumed" if goes_on else "held")


async def _resume(session: AsyncSession, call: Call, row: Campaign) -> bool:
    """False if its gate holds it: nobody accepts what failed unseen, while the pause was somebody's own."""
    _refuse_unless(row, CampaignStatus.PAUSED, what="resumed")
    await fences.refuse(session, "resumed")
    if row.wave == 0:
        begins = max(row.start_at or call.now, call.now)
        await campaigns.move(session, row, CampaignStatus.SCHEDULED, call.person.id, call.now, due_at=begins, why="")
        return True
    counts = await campaign_devices.counts(session, row)
    accepted: dict[str, Any] = {}
    if why := tripped(row, counts, campaigns.rollout_of(row)):
        if is_person(row.changed_by):
            await campaigns.change(session, row, why=why, changed_by=MUSTER.id)
            await audit.add(session, call.now, MUSTER.id, "campaign.paused", row.id, {"why": why})
            await campaign_news.call(session, row, call.now, call.settings)
            return False
        accepted = {"forgiven": counts.tried, "forgiven_failed": counts.failed, "unproven_ok": row.wave}
    await campaigns.move(
        session, row, CampaignStatus.RUNNING, call.person.id, call.now, due_at=None, why="", **accepted
    )
    return True


@command("bulk abort", role=Role.OPERATOR, example="bulk abort 7QK2ZD")
async def abort(call: Call, campaign: str, why: Rest | None = None) -> Message:
    """End it. What is under way finishes, what devices have taken stays, and the others are left as they are.

    A configuration that is the target of a device already stays so: the sweep goes on pushing it, and it is said to how
    many devices.
    """
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        by, now = call.person.id, call.now
        if row.status is CampaignStatus.PLANNED:
            await campaigns.move(session, row, CampaignStatus.EXPIRED, by, now, ended_at=now, why=why or "")
            return await _changed(session, call, row, "discarded")
        if row.status is CampaignStatus.WAITING:
            raise Refused(
                f"Campaign {row.id[-6:]} waits for approval. Whoever asked takes it back with "
                f"/fleet approve cancel {(row.approval_id or '')[-6:]}, and approvers may reject it."
            )
        begun = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.SOAKING, CampaignStatus.PAUSED)
        _refuse_unless(row, *begun, what="aborted")
        await campaigns.move(session, row, CampaignStatus.STOPPING, by, now, due_at=None, why=why or "")
        await campaign_devices.withdraw(session, row, now)
        await campaign_devices.cancel_rest(session, row, now)
        return await _changed(session, call, row, "aborted")


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
        _refuse_unless(row, *RETRIABLE, what="retried")
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
        said = await _changed(session, call, row, "retried", again, told)
        return said.knowing(await fences.told(session, call.now))


@command("bulk exclude", role=Role.OPERATOR, example="bulk exclude 7QK2ZD --go-on model:gw9")
async def exclude(
    call: Call, campaign: str, which: Selector, *, go_on: Annotated[bool, "resume the campaign without them"] = False
) -> Message:
    """Leave out devices that have not had their turn; --go-on resumes a paused campaign without them."""
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
        if row.status is CampaignStatus.PLANNED:
            digest = await campaign_plan.digest(session, row.id)
            await campaigns.change(session, row, targets=row.targets - left_out, targets_sha256=digest)
        if resumes:
            await _resume(session, call, row)
        return await _changed(session, call, row, "excluded", left_out, str(which))


@command("bulk top-up", role=Role.OPERATOR, example="bulk top-up 7QK2ZD")
async def top_up(call: Call, campaign: str) -> Message:
    """Plan the same for devices that match its selector by now and are not in it: a campaign of its own to approve."""
    async with call.db.read() as session:
        row = await campaigns.get(session, campaign)
    rollout = campaigns.rollout_of(row).model_copy(update={"canary": ""})
    title = f"{row.title} (top-up)"
    return await plan(call, Draft(row.kind, title, parse(row.selector), rollout, dict(row.params), None, row.id))


@command("bulk rehearse", role=Role.OPERATOR, example="bulk rehearse 7QK2ZD --offline 15% --failing 3% --slowest 20s")
async def rehearse(
    call: Call,
    campaign: str,
    *,
    offline: Annotated[str | None, "the part of the devices that are offline; without it those that are now"] = None,
    failing: Annotated[str | None, "the part of the devices that fail"] = None,
    slowest: Annotated[timedelta, "how long the slowest device takes to answer"] = timedelta(seconds=5),
    rejecting: Annotated[str, "a model of which every device says no"] = "",
) -> Message:
    """Play a campaign through with simulated devices: how long it would take, and which gate would stop it.

    Its real targets are taken, and no device hears of it. Without --offline those are offline that are now;
    --rejecting is a model of which every device says no. What is not played is said with the result.
    """
    behaviour = Behaviour(
        offline=None if offline is None else part(offline, "--offline"),
        failing=0.0 if failing is None else part(failing, "--failing"),
        slowest=slowest,
        rejecting=rejecting,
    )
    async with call.db.begin() as session:
        row = await campaigns.get(session, campaign, lock=True)
        await _refuse_model(session, row, rejecting)
        await rehearsals.ask(session, row.id, behaviour, call.person.id, call.channel, call.now)
    return Message(template="bulk/rehearsing", data={"title": row.title})


async def _refuse_model(session: AsyncSession, row: Campaign, model: str) -> None:
    """Raises BadInput if no device of the campaign is of that model: the rehearsal would show nothing of it."""
    there = await campaign_plan.models(session, row.id) if model else ()
    if model and model not in there:
        named = ", ".join(each or "(none known)" for each in there[:_LISTED])
        raise BadInput(
            f"--rejecting {model}: no device of campaign {row.id[-6:]} is of that model. Its models are {named}.",
            field="rejecting",
        )


def _told(which: Selector, **of_group: str | None) -> str:
    """What somebody chose, as they would type it."""
    flags = [f"--{name} {quoted(value)}" for name, value in of_group.items() if value is not None]
    return " ".join(flags if which == _ALL and flags else [str(which), *flags])


def _refuse_unless(row: Campaign, *legal: CampaignStatus, what: str) -> None:
    if row.status not in legal:
        who = f" (last changed by <@{row.changed_by}>)" if is_person(row.changed_by) else ""
        raise Refused(
            f"Campaign {row.id[-6:]} is {row.status}{who}, so it cannot be {what}. See it with /fleet bulk show."
        )


async def _changed(
    session: AsyncSession, call: Call, row: Campaign, what: str, count: int = 0, which: str = ""
) -> Message:
    """What was done, for the person, the audit and everybody who looks at the live message."""
    told = {"devices": count, "which": which, "why": row.why, "status": row.status.value}
    await audit.add(session, call.now, call.person.id, f"campaign.{what}", row.id, told)
    await campaign_news.tell(session, row, call.now, call.settings, changed=True, at_once=True)
    if what in ("resumed", "retried", "excluded"):  # of the others the message itself says by whom
        await campaign_news.changed(session, row, call.now, call.settings)
    counts = await campaign_devices.counts(session, row)
    data = {
        "campaign_id": row.id,
        "kind": row.kind.value,
        "title": row.title,
        "what": what,
        "status": row.status.value,
        "under_way": counts.under_way,
        "downgrades": bool(row.params.get("downgrade_on_abort")),
        "left_to_the_sweep": await campaign_outcomes.left_to_the_sweep(session, row) if what == "aborted" else 0,
        "count": count,
        "which": which,
        "why": row.why,
    }
    return Message(template="bulk/changed", data=data, buttons=buttons(row.status, row.id, ())[-1:])
