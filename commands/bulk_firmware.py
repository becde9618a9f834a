"""Firmware brought to many devices: the canary group first, each verified by the version it reports on a new boot."""

from __future__ import annotations

from typing import Annotated, Unpack

from commands.campaign_draft import Draft, plan
from commands.pace import At, Pace, rollout_of
from commands.spec import Call, command
from fleet.campaign import CampaignKind
from fleet.message import Message
from fleet.roles import Role
from fleet.selector import Selector
from storage import firmware as artefacts
from storage.selection import condition


@command("bulk firmware", role=Role.OPERATOR, example="bulk firmware 2.0.1 model:gw2 --canary group:canary --soak 2h")
async def firmware(
    call: Call,
    version: str,
    which: Selector,
    *,
    at: At = None,
    downgrade_on_abort: Annotated[bool, "an abort also brings updated devices back to what they ran before"] = False,
    **pace: Unpack[Pace],
) -> Message:
    """Install a firmware version on many devices: the canary group first, then wave by wave, with a gate behind each.

    A device has it when a status reports the version on a new boot; a rollback is a failure, in the device's words.
    When the campaign ends, devices that do not have it are no longer told to install it; with --downgrade-on-abort an
    abort also brings those that have it back to what they ran before, as far as that firmware is still kept here.
    """
    policy, or_canary = call.settings.campaigns, None
    if not pace.get("canary") and policy.firmware_canary:
        pace["canary"], or_canary = policy.firmware_canary, policy.canary
    notes: list[str] = []
    async with call.db.read() as session:
        await artefacts.get(session, version)
        if downgrade_on_abort:
            where = await condition(session, which, call.now, call.settings.drift.online_within)
            lost = await artefacts.without_way_back(session, where, version)
            notes.append(_way_back(lost))
    rollout = rollout_of(call, **pace, ack_within=policy.firmware_within)
    params = {"version": version, "downgrade_on_abort": downgrade_on_abort}
    title = f"Firmware {version} for {which}"[:200]
    draft = Draft(CampaignKind.FIRMWARE, title, which, rollout, params, at, or_canary=or_canary, notes=notes)
    return await plan(call, draft)


def _way_back(lost: int) -> str:
    if not lost:
        return "An abort brings every device back to the firmware that it runs now."
    return f"An abort brings devices back to what they run now, but for {lost:,} whose firmware is not kept here."
