"""Everything stopped, and let go on."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncSession

from commands.spec import Call, Rest, command
from fleet.campaign import MOVES, CampaignStatus
from fleet.message import Button, Message
from fleet.roles import Role
from storage import audit, campaign_devices, campaign_news, campaigns, fence_news, fences, outbox


@command("bulk stop-all", role=Role.APPROVER, example="bulk stop-all the new firmware bricks gateways")
async def stop_all(call: Call, why: Rest | None = None) -> Message:
    """Stop everything that is sent to any device, by every replica, drift pushes included; campaigns are paused.

    Within a second nothing leaves any more. What is at the broker already cannot be taken back, and is counted.
    """
    async with call.db.begin() as session:
        fence = await fences.put(session, call.person.id, why or "", call.now)
        await _pause_all(session, call, fences.why(fence))
        numbers = await fences.out_there(session, call.now)
        await fences.tell(session, fence, numbers)
        said = await fence_news.message(session, fence, numbers)
        posted = {fences.message_key(fence): said}
        await outbox.put(session, posted, call.settings.slack.ops_channel, call.now, outbox.ESCALATION)
        await audit.add(session, call.now, call.person.id, "fence.put", fence.id, {"why": fence.why, **asdict(numbers)})
    return said


async def _pause_all(session: AsyncSession, call: Call, why: str) -> None:
    for each in await campaigns.open_ones(session):
        if CampaignStatus.PAUSED not in MOVES[each.status]:
            continue
        row = await campaigns.get(session, each.id, lock=True)
        await campaign_devices.pause(session, row, call.person.id, why, call.now, call.settings.campaigns)
        await campaign_news.tell(session, row, call.now, call.settings, changed=True, at_once=True)


@command("bulk go-on", role=Role.APPROVER, example="bulk go-on")
async def go_on(call: Call) -> Message:
    """End a stop-all: what waited is sent. Campaigns stay paused until somebody resumes each."""
    async with call.db.begin() as session:
        fence = await fences.lift(session, call.person.id, call.now)
        held_back = (await fences.out_there(session, call.now)).held_back
        data = {"put_by": fence.put_by, "put_at": fence.put_at, "lifted_by": call.person.id}
        said = Message(
            template="bulk/go_on",
            data=data | {"held_back": held_back, "now": call.now},
            buttons=(Button(text="Campaigns", run="bulk list"),),
        )
        key = fences.message_key(fence)
        over = Message(template="bulk/stop_all_over", data=data | {"why": fence.why, "lifted_at": call.now})
        await outbox.revise(session, {key: over}, call.now)
        channel = call.settings.slack.ops_channel
        await outbox.put(session, {f"{key}:lifted": said}, channel, call.now, outbox.ESCALATION)
        await audit.add(session, call.now, call.person.id, "fence.lifted", fence.id, {"held_back": held_back})
    return said
