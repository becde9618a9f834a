"""Doing one thing to many devices: planned and shown first, then approved, then done wave by wave."""

from __future__ import annotations

from typing import Annotated, Unpack

from commands.campaign_draft import Draft, plan
from commands.pace import At, Pace, Stagger, rollout_of
from commands.spec import Call, command
from fleet.campaign import CampaignKind
from fleet.message import Message
from fleet.roles import Role
from fleet.selector import Selector, parse
from storage import campaigns, configs


@command("bulk config", role=Role.OPERATOR, example="bulk config 2026.2.0 site:oslo --canary 5 --wave 20% --soak 10m")
async def config(
    call: Call,
    version: str,
    which: Selector,
    *,
    stagger: Stagger = None,
    at: At = None,
    **pace: Unpack[Pace],
) -> Message:
    """Push a configuration to many devices: canaries first, then wave by wave, with a gate behind each.

    Shows what it would touch; nothing happens before somebody asks for approval and others agree. --canary is a number,
    a percentage or a selector such as group:canary; --window 22:00-05:00 is in the time of each site.
    """
    async with call.db.read() as session:
        await configs.get(session, version)
    rollout = rollout_of(call, stagger=stagger, **pace)
    title = f"Configuration {version} for {which}"[:200]
    return await plan(call, Draft(CampaignKind.CONFIG, title, which, rollout, {"version": version}, at))


@command("bulk restart", role=Role.OPERATOR, example="bulk restart site:oslo --last group:gateways")
async def restart(
    call: Call,
    which: Selector,
    *,
    last: Annotated[str | None, "those that go in waves of their own after all others: a selector, or none"] = None,
    stagger: Stagger = None,
    at: At = None,
    **pace: Unpack[Pace],
) -> Message:
    """Restart many devices, never two of a site within the stagger (30s), those of --last after all others.

    Each restart is verified by the boot that the device reports afterwards. Shows first what it would touch; nothing
    happens before it is approved.
    """
    policy = call.settings.campaigns
    chosen = policy.restart_stagger if stagger is None else stagger
    behind = policy.restart_last if last is None else last
    rollout = rollout_of(
        call,
        **pace,
        stagger=chosen,
        retries=0,  # whether a silent device has restarted, nobody knows: it is not told to twice
        last=str(parse(behind)) if behind not in ("", "none") else "",
    )
    return await plan(call, Draft(CampaignKind.RESTART, f"Restart of {which}"[:200], which, rollout, {}, at))


@command("bulk top-up", role=Role.OPERATOR, example="bulk top-up 7QK2ZD")
async def top_up(call: Call, campaign: str) -> Message:
    """Plan the same for devices that match its selector by now and are not in it: a campaign of its own to approve."""
    async with call.db.read() as session:
        row = await campaigns.get(session, campaign)
    rollout = campaigns.rollout_of(row).model_copy(update={"canary": ""})
    title = f"{row.title} (top-up)"
    return await plan(call, Draft(row.kind, title, parse(row.selector), rollout, dict(row.params), None, row.id))
